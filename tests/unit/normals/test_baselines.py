import numpy as np
import pytest

from tracklearn.normals.angular_errors import evaluate
from tracklearn.normals.baselines import CAMERA_AXIS, mean_cells, words_of_cells
from tracklearn.normals.cells import cell_normals, unit
from tracklearn.normals.learned_words import learn_words, sample_normals
from tracklearn.normals.true_normals import write_truth
from tracklearn.normals.truth import Truth

X, Y, Z = np.eye(3, dtype=np.float32)


class Maps(list):
    """Stands for a Truth."""

    size = (4, 4)


def test_the_mean_of_a_cell_is_that_of_the_images_that_have_a_normal_there():
    maps = Maps(np.zeros((3, 4, 4, 3), np.float32))
    maps[0][:2, :2], maps[1][:2, :2], maps[2][2:, 2:] = X, Y, X
    found = mean_cells(maps, [0, 1], 2)
    assert found[0, 0] == pytest.approx(unit(X + Y))
    assert found[1, 1] == pytest.approx(Z)  # image 2 was not asked


def test_words_stand_for_cells_and_unknown_cells_stay_unknown():
    normals = np.zeros((4, 4, 3), np.float32)
    normals[:2, :2] = unit(X + 0.1 * Z)
    normals[2:, 2:] = unit(Z + 0.2 * Y)
    assert words_of_cells(normals, np.stack([X, Y, Z]), 2).tolist() == [
        [X.tolist(), [0, 0, 0]],
        [[0, 0, 0], Z.tolist()],
    ]


def test_the_codebook_has_the_least_error_and_the_camera_axis_knows_least(nyuv2, tmp_path):
    write_truth(nyuv2, tmp_path / "truth.h5")
    with Truth(tmp_path / "truth.h5") as truth:
        train, test = range(6), range(6, 8)
        words = learn_words(sample_normals(truth, train, 200), 20)
        mean = mean_cells(truth, train, 16)
        rows = [
            lambda image: words_of_cells(truth[image], words, 16),
            lambda image: mean,
            lambda image: CAMERA_AXIS,
        ]
        errors = [evaluate(predict, truth, test).values()["mean"] for predict in rows]
        cells = evaluate(lambda image: cell_normals(truth[image], 16), truth, test).values()["mean"]
    assert cells < errors[0] < errors[1] < errors[2]
