import numpy as np
import pytest

from tracklearn.normals.cells import cell_normals
from tracklearn.normals.examples import network_photo, read_examples
from tracklearn.normals.nyuv2 import Nyuv2
from tracklearn.normals.truth import Truth, write_truth


def test_examples_are_photos_of_the_inputs_size_and_normals_of_cells(nyuv2, photos, tmp_path):
    write_truth(nyuv2, tmp_path / "truth.h5")
    with Nyuv2(nyuv2) as file, Truth(tmp_path / "truth.h5") as truth:
        examples = read_examples(file, truth, np.array([4, 1]), side=32, cells=8)
        assert examples.photos.shape == (2, 32, 32, 3)
        assert examples.photos.dtype == np.uint8
        assert np.array_equal(examples.photos[1], network_photo(photos[1], 32))
        assert np.array_equal(examples.normals[0], cell_normals(truth[4], 8))


def test_a_photo_is_squeezed_whole():
    photo = np.zeros((4, 8, 3), np.uint8)
    photo[:, 6:] = 200
    assert network_photo(photo, 2)[:, :, 0].tolist() == pytest.approx(np.array([[0, 100]] * 2), abs=20)
