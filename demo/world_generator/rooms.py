"""Rendered rooms with furniture, in the layout of NYUv2: photos, and depth as a Kinect measures it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.io import savemat

from tracklearn.normals.camera import KINECT, Camera
from tracklearn.normals.nyuv2_writing import Frame, write_nyuv2
from tracklearn.settings.normals import LABELED, SPLITS
from world_generator.furniture import AMID, AT_WALLS, ON_WALLS, Draw, Looks, Part, Piece, draw_looks, small_thing
from world_generator.kinect import BASELINE, FARTHEST, NEAREST, filled, in_steps
from world_generator.pictures import finish
from world_generator.solids import Convex, Solid, box, cast, convex, faces_met, turn_about, visible
from world_generator.things import Image

CAMERA = KINECT.at(160, 120)
PREVIEW = KINECT.at(24, 18)
FLOOR = 1  # face of a box that looks down
LEAST_FLOOR, MOST_OF_A_PART = 0.06, 0.4  # shares of a photo: of the floor, and of any one part but the hull
LEAST_RETURN = 0.006  # of the projector's light that a Kinect needs: brightness x cosine / squared metres
AMBIENT = 0.35  # light that comes from everywhere, as a share of that of a lamp nearby
EXPOSURE = 110  # mean of a photo


class Room(NamedTuple):
    """Parts of a room, the first of which is its hull, its lamps (n, 3), and the camera's place and rotation."""

    parts: list[Part]
    lamps: np.ndarray
    place: np.ndarray
    rotation: np.ndarray

    def rays(self, camera: Camera) -> np.ndarray:
        """Directions (N, 3) of the camera's pixels, in the room's axes."""
        return camera.rays().reshape(-1, 3) @ self.rotation.T


class View(NamedTuple):
    """What a camera sees: photo, exact depth in metres (H, W), normals (H, W, 3) in its axes, and a Kinect's depth."""

    photo: Image
    depth: np.ndarray
    normals: np.ndarray
    raw: np.ndarray


def draw_room(rng: np.random.Generator, looks: Looks) -> Room:
    """Draw rooms until the camera sees enough of the floor and no part of the furniture fills the photo."""
    while True:
        room = _furnished(rng, looks)
        hits = cast([part.solid for part in room.parts], room.place, room.rays(PREVIEW))
        shares = np.bincount(hits.solids, minlength=2) / len(hits.solids)
        floor = ((hits.solids == 0) & (hits.faces == FLOOR)).mean()
        if floor > LEAST_FLOOR and shares[1:].max() < MOST_OF_A_PART:
            return room


def render(rng: np.random.Generator, room: Room, camera: Camera = CAMERA) -> View:
    """Render a room in the light of its lamps."""
    solids, rays = [part.solid for part in room.parts], room.rays(camera)
    hits = cast(solids, room.place, rays)
    depth = hits.reach  # the rays' directions are at depth 1
    points = room.place + depth[:, None] * rays
    normals, colours, glass = np.empty_like(rays), np.empty_like(rays), np.empty(len(rays), bool)
    for here, solid, face in faces_met(hits):
        look = room.parts[solid].look(face)
        normals[here], places = solids[solid].surface(points[here], face)
        colours[here], glass[here] = look.colours(places), look.glass
    light = AMBIENT + sum(_light(solids, lamp, points, normals) for lamp in room.lamps)
    lit = colours * light[:, None]
    size = (camera.height, camera.width)
    photo = np.clip(lit * (EXPOSURE / lit.mean()), 0, 255).astype(np.uint8).reshape(*size, 3)

    projector = room.place + room.rotation @ [BASELINE, 0, 0]
    cosine = -(normals * rays).sum(axis=1) / np.linalg.norm(rays, axis=1)
    returned = ~glass * colours.mean(axis=1) / 255 * cosine / depth**2
    measured = (returned > LEAST_RETURN) & (depth > NEAREST) & (depth < FARTHEST) & visible(solids, projector, points)
    raw = np.where(measured.reshape(size), in_steps(depth.reshape(size), rng), np.float32(0))
    return View(finish(rng, photo), depth.reshape(size), (normals @ room.rotation).reshape(*size, 3), raw)


def _light(solids: Sequence[Solid], lamp: np.ndarray, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Light (N,) of a lamp on surfaces: less for slanted and distant ones, none in shadow."""
    towards = lamp - points
    distance = np.linalg.norm(towards, axis=1)
    cosine = np.maximum((towards * normals).sum(axis=1) / distance, 0)
    facing = cosine > 0
    cosine[facing] *= visible(solids, lamp, points[facing])
    return cosine / (1 + (distance / 2.5) ** 2)


def draw_views(seed: int, image_set: int, count: int) -> Iterator[View]:
    """Draw the rooms of a set; every set has textures of its own."""
    looks = draw_looks(np.random.default_rng([seed, 6, image_set]))
    for number in range(count):
        rng = np.random.default_rng([seed, 6, image_set, number])
        yield render(rng, draw_room(rng, looks))


def write_rooms(root: Path, *, rooms: int, seed: int) -> None:
    """Write nyuv2/ below root: `rooms` rooms for training and as many for testing, in the layout of NYUv2."""
    folder = root / "nyuv2"
    views = (view for image_set in (0, 1) for view in draw_views(seed, image_set, rooms))
    frames = (Frame(view.photo, filled(view.raw), view.raw) for view in views)
    write_nyuv2(folder / LABELED, frames, 2 * rooms)
    numbers = np.arange(1, 2 * rooms + 1)[:, None]
    # MATLAB's version 4 stores no date, so that the same world has the same bytes.
    savemat(folder / SPLITS, {"trainNdxs": numbers[:rooms], "testNdxs": numbers[rooms:]}, format="4")


def _furnished(rng: np.random.Generator, looks: Looks) -> Room:
    """Draw any room, with a camera somewhere in it."""
    sides = width, height, length = rng.uniform((3, 2.3, 3.5), (6, 3.1, 8))
    hull = _hull(rng, looks, sides)
    place, target = (_inside(rng, hull.solid, sides, (0.9, 1.8)) for _ in range(2))
    ahead = target - place
    rotation = (
        turn_about(1, np.arctan2(-ahead[0], -ahead[2]))
        @ turn_about(0, np.radians(rng.uniform(-32, 10)))
        @ turn_about(2, np.radians(rng.normal(0, 4)))
    )
    parts, standing, hung = [hull], [_Circle(place[[0, 2]], 0.6)], []
    for draw in _choices(rng, AT_WALLS, 4, 8):
        piece = draw(rng, looks)
        if placed := _placed(rng, piece, _at_wall(rng, piece, sides), standing, looks):
            parts += placed.parts
            standing.append(placed.floor)
    for draw in _choices(rng, AMID, 4, 10):
        pose = _Pose(rng.uniform(0, 2 * np.pi), rng.uniform(-0.4, 0.4, 3) * (width, 0, length))
        if placed := _placed(rng, draw(rng, looks), pose, standing, looks):
            parts += placed.parts
            standing.append(placed.floor)
    for draw in _choices(rng, ON_WALLS, 4, 9):
        piece = draw(rng, looks)
        if placed := _placed(rng, piece, _at_wall(rng, piece, sides), hung, looks):
            parts += placed.parts
            hung.append(placed.floor)
    lamps = [_inside(rng, hull.solid, sides, (1.9, height - 0.15)) for _ in range(rng.integers(1, 3))]
    return Room(parts, np.array(lamps), place, rotation)


def _choices(rng: np.random.Generator, kinds: tuple[Draw, ...], least: int, most: int) -> list[Draw]:
    return [kinds[index] for index in rng.integers(len(kinds), size=rng.integers(least, most + 1))]


def _hull(rng: np.random.Generator, looks: Looks, sides: np.ndarray) -> Part:
    """Floor, ceiling and walls, in some rooms with a roof that slopes down to a wall."""
    papers, floors = (
        ("plain", "plain", "mottles", "stripes", "tiles"),
        ("planks", "tiles", "plain", "mottles", "checks"),
    )
    pale = {"value": (110, 235), "saturation": (0, 100), "contrast": (0, 0.4), "side": (2, 5)}
    wall, other = looks.draw(rng, papers, **pale), looks.draw(rng, papers, **pale)
    floor = looks.draw(rng, floors, value=(60, 210), saturation=(10, 150), contrast=(0.1, 0.6), side=(2, 6))
    ceiling = looks.draw(rng, ("plain", "plain", "tiles"), value=(170, 250), saturation=(0, 40), contrast=(0, 0.3))
    last = other if rng.random() < 0.3 else wall
    width, height, length = sides
    hull = box((-width / 2, 0, -length / 2), (width / 2, height, length / 2), hollow=True)
    if rng.random() < 0.25:
        slope, turn = rng.uniform(np.pi / 6, np.pi / 3), turn_about(1, rng.integers(4) * np.pi / 2)
        knee = turn @ [0, 0, -1] * sides / 2 + [0, rng.uniform(1.0, 1.8), 0]  # where the roof meets the wall
        roof = turn @ [0, np.cos(slope), -np.sin(slope)]
        hull = convex(np.array([*hull.faces, roof]), [*hull.offsets, roof @ knee], hull.centre, hollow=True)
    return Part(hull, (wall, floor, wall, wall, ceiling, last, ceiling))


def _inside(rng: np.random.Generator, hull: Convex, sides: np.ndarray, heights: tuple[float, float]) -> np.ndarray:
    """A random point of a hull, at least 0.4 m from its walls."""
    while True:
        x, z = rng.uniform(-0.5, 0.5, 2) * (sides[[0, 2]] - 0.8)
        point = np.array([x, rng.uniform(*heights), z])
        if (hull.faces @ point < hull.offsets - 0.1).all():
            return point


class _Circle(NamedTuple):
    """Floor that is taken: centre (2,) and radius in metres."""

    centre: np.ndarray
    radius: float


class _Pose(NamedTuple):
    """Angle about the vertical axis in radians, and place (3,) in metres."""

    angle: float
    place: np.ndarray


def _at_wall(rng: np.random.Generator, piece: Piece, sides: np.ndarray) -> _Pose:
    """A pose with the back at a wall."""
    wall = rng.integers(4)
    along, away = (sides[0], sides[2] / 2) if wall % 2 == 0 else (sides[2], sides[0] / 2)
    rotation, slack = turn_about(1, wall * np.pi / 2), max(along - piece.width, 0) / 2
    place = rotation @ [rng.uniform(-slack, slack), piece.height, piece.depth / 2 + 0.01 - away]
    return _Pose(wall * np.pi / 2, place)


class _Placed(NamedTuple):
    """Parts of a piece where it stands or hangs, and the floor that it takes."""

    parts: list[Part]
    floor: _Circle


def _placed(
    rng: np.random.Generator, piece: Piece, pose: _Pose, taken: Sequence[_Circle], looks: Looks
) -> _Placed | None:
    """A piece with small things on its top; None where some of its floor is taken."""
    own = _Circle(pose.place[[0, 2]], 0.42 * float(np.hypot(piece.width, piece.depth)))
    if any(np.linalg.norm(own.centre - other.centre) < own.radius + other.radius for other in taken):
        return None
    parts = piece.moved(*pose)
    for _ in range(rng.integers(5) if piece.top else 0):
        spot = np.array([piece.width, 0, piece.depth]) * rng.uniform(-0.35, 0.35, 3) + [0, piece.top, 0]
        parts += small_thing(rng, looks).moved(rng.uniform(0, np.pi), pose.place + turn_about(1, pose.angle) @ spot)
    return _Placed(parts, own)
