import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.normals.cells import cell_normals, unit
from tracklearn.normals.examples import Examples, NormalsBatches, network_photo, read_examples
from tracklearn.normals.nyuv2 import Nyuv2
from tracklearn.normals.nyuv2_writing import Frame, write_nyuv2
from tracklearn.normals.true_normals import write_truth
from tracklearn.normals.truth import Truth


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


def test_a_truth_of_other_images_is_refused(nyuv2, views, photos, tmp_path):
    write_truth(nyuv2, tmp_path / "truth.h5")
    frames = (Frame(photo, view.depth) for photo, view in zip(photos[:3], views[:3], strict=True))
    write_nyuv2(tmp_path / "fewer.mat", frames, 3)
    with (
        Nyuv2(tmp_path / "fewer.mat") as file,
        Truth(tmp_path / "truth.h5") as truth,
        pytest.raises(UserError, match=r"\(3, 48, 64\), those of the true normals \(8, 48, 64\)"),
    ):
        read_examples(file, truth, [0], side=32, cells=8)


def test_every_epoch_shows_each_image_once_and_mirrors_it_with_its_normals_or_not():
    rng = np.random.default_rng(0)
    examples = Examples(
        rng.integers(0, 256, (6, 5, 5, 3), np.uint8), unit(rng.standard_normal((6, 2, 2, 3))).astype(np.float32)
    )
    untouched = examples.photos.copy(), examples.normals.copy()
    turned = [(photo[:, ::-1], normals[:, ::-1] * [-1, 1, 1]) for photo, normals in zip(*examples, strict=True)]
    batches = NormalsBatches(examples, batch=3, seed=1)
    shown, mirrored_ones = [], 0
    for iteration in range(20):
        for photo, normals in zip(*(part.numpy() for part in batches(iteration)), strict=True):
            (index,) = [
                index
                for index in range(6)
                if np.array_equal(photo, examples.photos[index]) or np.array_equal(photo, turned[index][0])
            ]
            straight = np.array_equal(photo, examples.photos[index])
            assert np.allclose(normals, examples.normals[index] if straight else turned[index][1])
            mirrored_ones += not straight
            shown.append(index)
    assert all(sorted(shown[start : start + 6]) == list(range(6)) for start in range(0, 60, 6))
    assert 15 < mirrored_ones < 45
    assert all(np.array_equal(*pair) for pair in zip(examples, untouched, strict=True))
    assert all(map(np.array_equal, batches(3), NormalsBatches(examples, batch=3, seed=1)(3)))
