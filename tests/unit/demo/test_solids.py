"""Rays and solids: hand-made cases, and what every ray must satisfy."""

import numpy as np
import pytest
from world_generator.solids import Ball, box, cast, column, faces_met, turn_about, visible

FROM = np.zeros(3)


def met(solid, direction, origin=FROM):
    """Multiple of the direction, and the normal, where one ray meets a solid."""
    direction = np.array([direction], float)
    reach, _, faces = cast([solid], np.asarray(origin, float), direction)
    if not np.isfinite(reach[0]):
        return None
    normals, _ = solid.surface(origin + reach[:, None] * direction, faces[0])
    return reach[0], *normals[0]


def test_rays_meet_boxes_columns_balls_and_rooms_where_they_should():
    assert met(box((-1, -1, -5), (1, 1, -3)), (0.1, 0.1, -1)) == pytest.approx((3, 0, 0, 1))
    assert met(box((-1, -1, -5), (1, 1, -3)), (0.5, 0, -1)) is None
    assert met(box((-1, -1, -5), (1, 1, -3)), (0, 0, 1)) is None
    assert met(box((-1, -1, -1), (1, 1, 1), hollow=True), (0, 0.2, -0.5)) == pytest.approx((2, 0, 0, 1))
    assert met(Ball(np.array([0, 0, -3.0]), 1), (0, 0, -2)) == pytest.approx((1, 0, 0, 1))
    assert met(Ball(np.array([0, 0, 3.0]), 1), (0, 0, -2)) is None
    assert met(column(1, -1, 1), (0, 0, -1), (0, 0, 3)) == pytest.approx((2, 0, 0, 1))
    assert met(column(1, -1, 1), (0.01, -1, 0), (0, 3, 0)) == pytest.approx((2, 0, 1, 0))


def test_a_turn_about_y_brings_z_to_x():
    assert turn_about(1, np.pi / 2) @ [0, 0, 1] == pytest.approx([1, 0, 0])
    turned = box((-1, -1, -5), (1, 1, -3)).moved(turn_about(1, np.pi / 2), np.array([0, 0, 0.5]))
    assert met(turned, (-1, 0, 0.1)) == pytest.approx((3, 1, 0, 0))


def inside(solid, points):
    if isinstance(solid, Ball):
        return ((points - solid.centre) ** 2).sum(-1) < solid.radius**2
    return (solid.faces @ points.T < solid.offsets[:, None]).all(axis=0) != solid.hollow


@pytest.fixture
def scene():
    """A room with twelve turned solids, and rays from a point between them."""
    rng = np.random.default_rng(0)
    bodies = [box(-rng.uniform(0.1, 0.5, 3), rng.uniform(0.1, 0.5, 3)) for _ in range(4)]
    bodies += [column(0.4, -0.5, 0.5)] * 4 + [Ball(np.zeros(3), 0.5)] * 4
    solids = [box((-3, -3, -3), (3, 3, 3), hollow=True)]
    for body in bodies:
        rotation, direction = turn_about(0, rng.uniform(0, 6)) @ turn_about(1, rng.uniform(0, 6)), rng.normal(size=3)
        solids.append(body.moved(rotation, 1.7 * direction / np.linalg.norm(direction)))
    return solids, np.zeros(3), rng.normal(size=(500, 3))


def test_a_ray_is_outside_all_solids_until_it_meets_the_first(scene):
    solids, origin, directions = scene
    reach, indices, _ = cast(solids, origin, directions)
    assert len(set(indices)) > 10
    for share in np.linspace(0.01, 0.999, 60):
        points = origin + share * reach[:, None] * directions
        assert not any(inside(solid, points).any() for solid in solids)
    beyond = origin + 1.0001 * reach[:, None] * directions
    assert all(inside(solids[index], beyond[[ray]])[0] for ray, index in enumerate(indices))


def test_normals_face_the_viewer_and_places_measure_metres_on_the_surface(scene):
    solids, origin, directions = scene
    hits = cast(solids, origin, directions)
    seen = 0
    for here, index, face in faces_met(hits):
        assert (hits.solids[here] == index).all()
        seen += here.sum()
        points = origin + hits.reach[here, None] * directions[here]
        normals, places = solids[index].surface(points, face)
        assert np.linalg.norm(normals, axis=1) == pytest.approx(1)
        assert ((normals * directions[here]).sum(axis=1) < 0).all()
        if not isinstance(solids[index], Ball):
            between = np.linalg.norm(np.diff(points, axis=0), axis=1)
            assert np.linalg.norm(np.diff(places, axis=0), axis=1) == pytest.approx(between)
    assert seen == len(directions)


def test_a_point_is_visible_unless_something_lies_before_it():
    wall, before = box((-5, -5, -5), (5, 5, -4)), box((-1, -1, -3), (1, 1, -2))
    points = np.array([[0, 0, -4], [3, 0, -4], [0, 0, -2.0]])
    assert visible([wall, before], FROM, points).tolist() == [False, True, True]
