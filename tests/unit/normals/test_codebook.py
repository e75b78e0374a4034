import numpy as np
from worlds.directions import AROUND, hemisphere

from tracklearn.normals.cells import unit
from tracklearn.normals.codebook import UNKNOWN, encode


def test_a_normal_is_encoded_by_its_nearest_word():
    normals = unit(np.array([[0.1, 0.1, 1], [1, 0.2, 0.9], [0, 0, 0], [0, -2, 1]]))
    assert encode(normals, AROUND).tolist() == [0, 1, UNKNOWN, 4]
    many = hemisphere(300)
    nearest = [min(range(5), key=lambda word, normal=normal: np.linalg.norm(normal - AROUND[word])) for normal in many]
    assert encode(many, AROUND).tolist() == nearest
