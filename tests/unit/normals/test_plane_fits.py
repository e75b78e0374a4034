import numpy as np
import pytest
from reference.normals import loops_normal
from worlds.rooms import plane, room, sphere

from tracklearn.normals.camera import KINECT
from tracklearn.normals.plane_fits import normals_from_depth

HALF = KINECT.at(320, 240)
SMALL = KINECT.at(80, 60)


def mean_error(found, true):
    """Mean angle in degrees where there is a normal, and the share of such pixels."""
    known = found.any(axis=-1)
    return np.degrees(np.arccos(np.clip((found * true).sum(-1)[known], -1, 1))).mean(), known.mean()


@pytest.mark.parametrize("normal", [(0, 0, 1), (0.4, 0.3, 1), (-1, 0.2, 0.5), (0, 1, 0.7)])
def test_a_plane_has_its_normal_everywhere(normal):
    view = plane(HALF, normal, 2)
    seen = (view.depth > 0) & (view.depth < 10)
    error, share = mean_error(normals_from_depth(np.where(seen, view.depth, 0), HALF), view.normals)
    assert error < 0.05
    assert share > 0.95 * seen.mean()


def ball_and_wall(camera):
    """Depth and normals, by formulas alone, of a ball of radius 1 m and of the wall 1 m behind its centre."""
    height, width = camera.height, camera.width
    x = (np.arange(width) - camera.cx) / camera.fx * np.ones((height, 1))
    y = (camera.cy - np.arange(height)[:, None]) / camera.fy * np.ones(width)
    # The point -z (x, y, -1) at depth z lies on the ball if |z (x, y, -1) - (0, 0, -3)| = 1: a z^2 - 6 z + 8 = 0.
    a = x**2 + y**2 + 1
    root = 9 - 8 * a
    hit = root > 0
    depth = np.where(hit, (3 - np.sqrt(np.maximum(root, 0))) / a, 4).astype(np.float32)
    on_ball = np.stack([x * depth, y * depth, 3 - depth], axis=-1)
    return depth, np.where(hit[..., None], on_ball, [0.0, 0.0, 1.0])


def test_a_ball_before_a_wall_has_the_normals_of_its_formula():
    depth, normals = ball_and_wall(HALF)
    error, share = mean_error(normals_from_depth(depth, HALF), normals)
    assert pytest.approx(depth.min(), abs=1e-3) == 2
    assert error < 0.3
    assert share > 0.97


def test_a_floor_faces_up_a_left_wall_right_and_a_wall_ahead_the_camera():
    found = normals_from_depth(room(HALF, turned=0, tilted=0, ball=False).depth, HALF)
    assert found[235, 100] == pytest.approx((0, 1, 0), abs=1e-3)
    assert found[5, 100] == pytest.approx((0, -1, 0), abs=1e-3)
    assert found[120, 5] == pytest.approx((1, 0, 0), abs=1e-3)
    assert found[100, 130] == pytest.approx((0, 0, 1), abs=1e-3)


@pytest.mark.parametrize(("window", "sharpness"), [(36, 0), (36, 0.3), (100, 0), (100, 0.3)])
def test_normals_are_those_of_a_loop_over_neighbours(window, sharpness):
    depth = room(SMALL).noisy(np.random.default_rng(0)).depth
    depth[10:20, 30:40] = 0
    found = normals_from_depth(depth, SMALL, {"window": window, "sharpness": sharpness})
    rng = np.random.default_rng(1)
    for y, x in zip(rng.integers(0, 60, 80), rng.integers(0, 80, 80), strict=True):
        expected = loops_normal(depth, SMALL, x, y, window=window, sharpness=sharpness)
        assert found[y, x].any() == expected.any()
        assert found[y, x] == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    ("view", "clean", "kinect", "eight_bit"),
    [(plane(HALF, (0.4, 0.3, 1), 2), 0.05, 0.8, 1.2), (sphere(HALF), 0.3, 1.5, 1.1), (room(HALF), 0.5, 2.9, 2.0)],
)
def test_errors_on_clean_noisy_and_coarse_depth(view, clean, kinect, eight_bit):
    rng = np.random.default_rng(0)
    for seen, bound in [(view, clean), (view.noisy(rng), kinect), (view.in_8_bits(), eight_bit)]:
        error, share = mean_error(normals_from_depth(seen.depth, HALF), view.normals)
        assert error < bound
        assert share > 0.97


def test_no_surface_is_invented_between_a_ball_and_the_wall_behind_it():
    view = sphere(HALF)
    error, _ = mean_error(normals_from_depth(view.depth, HALF, {"sharpness": 0}), view.normals)
    plain, _ = mean_error(normals_from_depth(view.depth, HALF, {"depth_share": 1, "sharpness": 0}), view.normals)
    assert plain > 10 * error


def test_where_walls_meet_normals_do_not_mix():
    view = room(HALF)
    sharp, _ = mean_error(normals_from_depth(view.depth, HALF), view.normals)
    own, _ = mean_error(normals_from_depth(view.depth, HALF, {"sharpness": 0}), view.normals)
    assert own > 5 * sharp


def test_every_normal_is_of_length_1_and_faces_the_camera():
    found = normals_from_depth(room(HALF).noisy(np.random.default_rng(0), size=3).depth, HALF)
    known = found.any(axis=-1)
    assert np.linalg.norm(found[known], axis=-1) == pytest.approx(1, abs=1e-5)
    assert ((found * HALF.rays()).sum(-1)[known] < 0).all()


def test_a_mirrored_view_has_mirrored_normals():
    camera = KINECT.at(80, 60)
    centred = type(camera)(80, 60, camera.fx, camera.fy, 39.5, 29.5)
    depth = room(centred).depth
    there, back = normals_from_depth(depth, centred), normals_from_depth(depth[:, ::-1], centred)
    assert back[:, ::-1] * [-1, 1, 1] == pytest.approx(there, abs=1e-3)


def test_pixels_without_depth_or_with_few_neighbours_have_no_normal():
    depth = np.full((60, 80), 2, np.float32)
    depth[:, 40:] = 0
    depth[30, 60] = 2
    found = normals_from_depth(depth, SMALL)
    assert not found[:, 40:].any()
    assert found[:, :40].any(axis=-1).all()


def test_the_view_grows_with_the_image():
    twice, once = KINECT.rays()[0::2, 0::2], KINECT.rays()[1::2, 1::2]
    assert HALF.rays() == pytest.approx((twice + once) / 2, abs=1e-9)
