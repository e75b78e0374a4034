import numpy as np
import pytest
from reference.normals import loops_triangles

from tracklearn.errors import UserError
from tracklearn.normals.cells import unit
from tracklearn.normals.codebook import (
    UNKNOWN,
    colours,
    decode_soft,
    decode_triangle,
    draw_words,
    encode,
    learn_words,
    sample_normals,
    triangles,
)

X, Y, Z = np.eye(3)
AROUND = unit(np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [-1, 0, 1], [0, -1, 1.0]]))  # one ahead and four around it


def hemisphere(count, seed=0):
    directions = np.random.default_rng(seed).standard_normal((count, 3))
    directions[:, 2] = abs(directions[:, 2])
    return unit(directions)


def test_k_means_finds_well_separated_directions():
    rng = np.random.default_rng(0)
    noisy = unit(np.repeat(AROUND, 50, axis=0) + 0.02 * rng.standard_normal((250, 3)))
    words = learn_words(noisy, 5)
    assert np.linalg.norm(words, axis=1) == pytest.approx(1)
    closest = (words @ AROUND.T).max(axis=0)
    assert np.degrees(np.arccos(closest)).max() < 1


def test_equal_seeds_give_equal_words():
    normals = hemisphere(500)
    assert np.array_equal(learn_words(normals, 20, seed=3), learn_words(normals, 20, seed=3))


def test_too_few_different_normals_are_named():
    with pytest.raises(UserError, match=r"normals\.codebook\.words is 20, but the sample holds 5 different normals"):
        learn_words(np.repeat(AROUND, 9, axis=0), 20)


def test_a_sample_holds_known_normals_of_each_image_and_depends_on_the_seed():
    truth = [np.zeros((6, 6, 3), np.float32) for _ in range(3)]
    truth[0][:2] = X
    truth[2][3:] = Z
    sample = sample_normals(truth, [0, 2], 10)
    assert sample.tolist() == [X.tolist()] * 10 + [Z.tolist()] * 10
    assert len(sample_normals(truth, [0, 2], 100)) == 12 + 18
    truth[1][:] = hemisphere(36).reshape(6, 6, 3)
    assert not np.array_equal(sample_normals(truth, [1], 10, seed=0), sample_normals(truth, [1], 10, seed=1))


def test_a_normal_is_encoded_by_its_nearest_word():
    normals = unit(np.array([[0.1, 0.1, 1], [1, 0.2, 0.9], [0, 0, 0], [0, -2, 1]]))
    assert encode(normals, AROUND).tolist() == [0, 1, UNKNOWN, 4]
    many = hemisphere(300)
    nearest = [min(range(5), key=lambda word, normal=normal: np.linalg.norm(normal - AROUND[word])) for normal in many]
    assert encode(many, AROUND).tolist() == nearest


def test_a_word_is_decoded_to_itself_by_either_way():
    words = learn_words(hemisphere(2000), 20)
    assert np.allclose(decode_soft(np.eye(20), words), words)
    assert np.allclose(decode_triangle(np.eye(20), words, triangles(words)), words)


def test_soft_decoding_is_the_weighted_mean_of_all_words():
    probabilities = np.array([[[0.5, 0.5, 0, 0, 0], [0, 0.25, 0.25, 0.25, 0.25]]])
    found = decode_soft(probabilities, AROUND)
    assert found.shape == (1, 2, 3)
    assert found[0, 0] == pytest.approx(unit(AROUND[0] + AROUND[1]))
    assert found[0, 1] == pytest.approx(Z)


def test_the_triangle_with_the_largest_summed_probability_is_decoded_alone():
    """Words 0, 1, 2 sum to 0.8, more than 0, 3, 4; the mass on words 3 and 4 does not count."""
    corners = triangles(AROUND)
    found = decode_triangle(np.array([0.4, 0.2, 0.2, 0.1, 0.1]), AROUND, corners)
    assert found == pytest.approx(unit(2 * AROUND[0] + AROUND[1] + AROUND[2]))


def test_four_words_around_one_make_four_triangles():
    assert sorted(triangles(AROUND).tolist()) == [[0, 1, 2], [0, 1, 4], [0, 2, 3], [0, 3, 4]]


def test_triangles_are_those_of_a_search_over_all_triples():
    words = learn_words(hemisphere(1000), 15)
    assert sorted(map(tuple, triangles(words).tolist())) == loops_triangles(words)


def test_colours_are_the_papers():
    found = colours(np.array([X, Y, Z, -X, 0 * X]))
    assert found.tolist() == [[128, 128, 255], [128, 255, 128], [255, 128, 128], [128, 128, 0], [0, 0, 0]]


def test_the_picture_shows_the_words_where_they_point():
    found = draw_words(AROUND, 100)
    assert found[50, 50].tolist() == colours(AROUND[0]).tolist()
    assert found[50, 97].tolist() == colours(AROUND[1]).tolist()  # x points right
    assert found[3, 50].tolist() == colours(AROUND[2]).tolist()  # y points up
    assert found[0, 0].tolist() == [255, 255, 255]
