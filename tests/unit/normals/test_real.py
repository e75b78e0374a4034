"""On real photos of rooms: NYUv2 at half size with its depth in 8 bits."""

import numpy as np
import pytest
from PIL import Image

from tracklearn.normals.angular_errors import evaluate
from tracklearn.normals.axes import AxesCheck
from tracklearn.normals.baselines import CAMERA_AXIS, mean_cells, words_of_cells
from tracklearn.normals.camera import KINECT
from tracklearn.normals.learned_words import learn_words, sample_normals
from tracklearn.normals.plane_fits import normals_from_depth

pytestmark = pytest.mark.real


class Maps(list):
    """Stands for a Truth."""

    size = (240, 320)


@pytest.fixture(scope="module")
def truth(real_data):
    """Normals of every 60th image."""
    files = sorted((real_data / "nyuv2/depths").glob("*.png"))[::60]
    depths = [(np.asarray(Image.open(file)) + np.float32(0.5)) / np.float32(25.5) for file in files]
    return Maps(normals_from_depth(depth, KINECT.at(320, 240)) for depth in depths)


def test_nearly_every_pixel_has_a_normal(truth):
    assert np.mean([normals.any(axis=-1).mean() for normals in truth]) > 0.96


def test_floors_walls_and_ceilings_face_where_they_should(truth):
    check = AxesCheck()
    for normals in truth:
        check.add(normals)
    assert check.best() == "x y z"


def test_words_are_far_better_than_what_needs_no_photo(truth):
    train, test = range(0, 25, 2), range(1, 25, 2)
    words, mean = learn_words(sample_normals(truth, train, 200), 20), mean_cells(truth, train, 20)
    rows = [lambda image: words_of_cells(truth[image], words, 20), lambda image: mean, lambda image: CAMERA_AXIS]
    own, cells, axis = (evaluate(predict, truth, test).values()["mean"] for predict in rows)
    assert own < 18
    assert 2 * own < cells < axis
