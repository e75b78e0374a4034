import cv2
import numpy as np
import pytest
from worlds.films import texture

from tracklearn.mining.motion import camera_homography, compensated_flow
from tracklearn.mining.surf import interest_points


@pytest.fixture(scope="module")
def grey():
    return cv2.cvtColor(texture(224, 300, 5), cv2.COLOR_RGB2GRAY)


CAMERA = np.array([[1.01, 0.01, 2.0], [-0.01, 1.01, 1.0], [0, 0, 1]])


@pytest.mark.parametrize("flow", ["lucas-kanade", "farneback"])
def test_the_cameras_motion_is_removed_and_the_objects_stays(grey, flow):
    """The camera turns and zooms over a still scene in which one square moves by (4, 0)."""
    following = cv2.warpPerspective(grey, CAMERA, (300, 224), borderMode=cv2.BORDER_REFLECT)
    moved = cv2.warpPerspective(np.roll(grey, 4, axis=1), CAMERA, (300, 224), borderMode=cv2.BORDER_REFLECT)
    following[60:130, 90:160] = moved[60:130, 90:160]
    points = interest_points(grey)
    motion, homography = compensated_flow(grey, following, points, flow=flow)
    inner = (points > [102, 72]).all(1) & (points < [148, 118]).all(1)
    outer = (
        ((points < [70, 40]).any(1) | (points > [180, 150]).any(1))
        & (points > 25).all(1)
        & (points < [275, 199]).all(1)
    )
    assert inner.sum() > 5
    assert outer.sum() > 30
    assert np.nanmedian(motion[inner], axis=0) == pytest.approx([4, 0], abs=0.5)
    assert np.nanmedian(np.linalg.norm(motion[outer], axis=1)) < 0.25
    assert np.allclose(
        homography / homography[2, 2], CAMERA, atol=[[0.02, 0.02, 1.5], [0.02, 0.02, 1.5], [1e-4, 1e-4, 0]]
    )


@pytest.mark.parametrize("flow", ["lucas-kanade", "farneback"])
def test_nothing_moves_between_equal_frames(grey, flow):
    motion, _ = compensated_flow(grey, grey, interest_points(grey), flow=flow)
    assert np.nanmax(np.linalg.norm(motion, axis=1)) < 0.05


def test_few_points_give_no_homography(grey):
    motion, homography = compensated_flow(grey, grey, interest_points(grey)[:20], flow="lucas-kanade")
    assert homography is None
    assert np.isnan(motion).all()
    none = np.empty((0, 2), np.float32)
    assert compensated_flow(grey, grey, none, flow="lucas-kanade")[0].shape == (0, 2)


def test_outliers_do_not_move_the_homography():
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 300, (200, 2)).astype(np.float32)
    moved = points + np.float32([5, -3])
    moved[:60] += rng.uniform(-40, 40, (60, 2)).astype(np.float32)
    moved[60] = np.nan
    homography = camera_homography(points, moved)
    assert np.allclose(homography / homography[2, 2], [[1, 0, 5], [0, 1, -3], [0, 0, 1]], atol=0.05)
    assert np.array_equal(homography, camera_homography(points, moved))
    assert camera_homography(points, rng.uniform(0, 300, (200, 2)).astype(np.float32)) is None
