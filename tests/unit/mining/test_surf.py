import cv2
import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.mining import surf


@pytest.fixture
def blobs():
    """An image of three bright discs on grey, and their centres, the brightest first."""
    image = np.full((160, 200), 100, np.uint8)
    centres = [(60, 50), (140, 60), (100, 110)]
    for (x, y), value in zip(centres, (255, 200, 150), strict=True):
        cv2.circle(image, (x, y), 6, value, -1)
    return cv2.GaussianBlur(image, (0, 0), 1), centres


@pytest.mark.parametrize("detector", ["fast-hessian", "mahotas"])
def test_points_are_x_y_and_the_strongest_come_first(blobs, detector):
    image, centres = blobs
    points = surf.interest_points(image, {"surf": detector, "max_points": 3})
    assert points.dtype == np.float32
    assert points.shape == (3, 2)
    assert np.abs(points[0] - centres[0]).max() < 1.5
    every = surf.interest_points(image, {"surf": detector})
    assert max(np.linalg.norm(every - centre, axis=1).min() for centre in centres) < 1.5


def test_threshold_and_limit(blobs):
    image, _ = blobs
    many = len(surf.interest_points(image, {"surf_threshold": 1}))
    assert many > len(surf.interest_points(image, {"surf_threshold": 300})) > 0
    assert len(surf.interest_points(image, {"max_points": 2})) == 2


def test_a_flat_image_has_no_points():
    assert surf.interest_points(np.full((100, 100), 7, np.uint8)).shape == (0, 2)


def test_opencvs_surf_must_be_built_in(monkeypatch):
    monkeypatch.setattr(surf, "_opencv_has_surf", lambda: True)
    surf.check_detector("opencv")
    monkeypatch.setattr(surf, "_opencv_has_surf", lambda: False)
    message = r"mining\.filter\.surf is opencv, but this OpenCV was built without SURF; choose fast-hessian or mahotas"
    with pytest.raises(UserError, match=message):
        surf.check_detector("opencv")
