from worlds.directions import AROUND

from tracklearn.normals.codebook_picture import draw_words
from tracklearn.normals.colours import colours


def test_the_picture_shows_the_words_where_they_point():
    found = draw_words(AROUND, 100)
    assert found[50, 50].tolist() == colours(AROUND[0]).tolist()
    assert found[50, 97].tolist() == colours(AROUND[1]).tolist()  # x points right
    assert found[3, 50].tolist() == colours(AROUND[2]).tolist()  # y points up
    assert found[0, 0].tolist() == [255, 255, 255]
