"""Solids and the rays that meet them: convex bodies and balls, in metres, with y up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

UNTURNED = np.eye(3)
NEARLY = 1 - 1e-6  # of the way to a point: what a ray meets there is the point's own surface


def turn_about(axis: int, angle: float) -> np.ndarray:
    """Rotation (3, 3) by an angle in radians about the axis x, y or z."""
    rotation, (first, second) = np.eye(3), ((axis + 1) % 3, (axis + 2) % 3)
    rotation[first, first] = rotation[second, second] = np.cos(angle)
    rotation[second, first] = np.sin(angle)
    rotation[first, second] = -np.sin(angle)
    return rotation


@dataclass(frozen=True)
class Convex:
    """The points p with faces @ p <= offsets.

    Attributes:
        faces: outward unit vectors (F, 3).
        offsets: (F,).
        across: unit vectors (F, 3) that lie in the faces; textures run along them.
        centre, radius: of a ball around the body.
        hollow: the body is a room that is seen from inside.
    """

    faces: np.ndarray
    offsets: np.ndarray
    across: np.ndarray
    centre: np.ndarray
    radius: float
    hollow: bool = False

    def moved(self, rotation: np.ndarray, shift: np.ndarray) -> Convex:
        """The body after a rotation about the origin and a shift."""
        faces = self.faces @ rotation.T
        centre = rotation @ self.centre + shift
        return replace(
            self, faces=faces, offsets=self.offsets + faces @ shift, across=self.across @ rotation.T, centre=centre
        )

    def meet(self, origin: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """At which multiple of its direction (N, 3) each ray meets the body, or inf, and at which face."""
        towards = self.faces @ directions.T  # (F, N)
        gaps = self.offsets - self.faces @ origin
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = gaps[:, None] / towards
        leaving = np.where(towards < 0, np.inf, reach)
        if self.hollow:
            return leaving.min(axis=0), leaving.argmin(axis=0)
        entering = np.where(towards < 0, reach, -np.inf)
        first = entering.max(axis=0)
        return np.where((first > 0) & (first < leaving.min(axis=0)), first, np.inf), entering.argmax(axis=0)

    def surface(self, points: np.ndarray, face: int) -> tuple[np.ndarray, np.ndarray]:
        """Normals (N, 3) that face the viewer, and places (N, 2) on the face, at points (N, 3) of the face."""
        normal, across = self.faces[face], self.across[face]
        places = points @ np.stack([across, np.cross(normal, across)], axis=1)
        return np.broadcast_to(-normal if self.hollow else normal, points.shape), places


@dataclass(frozen=True)
class Ball:
    """A ball, met from outside."""

    centre: np.ndarray
    radius: float

    def moved(self, rotation: np.ndarray, shift: np.ndarray) -> Ball:
        """The ball after a rotation about the origin and a shift."""
        return replace(self, centre=rotation @ self.centre + shift)

    def meet(self, origin: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Convex.meet`."""
        to_centre = self.centre - origin
        a, b, c = (directions**2).sum(-1), directions @ to_centre, to_centre @ to_centre - self.radius**2
        root = b * b - a * c
        first = (b - np.sqrt(np.maximum(root, 0))) / a
        return np.where((root > 0) & (first > 0), first, np.inf), np.zeros(len(directions), int)

    def surface(self, points: np.ndarray, face: int) -> tuple[np.ndarray, np.ndarray]:
        """As `Convex.surface`; the places are longitude and latitude, as arcs in metres."""
        x, y, z = normals = ((points - self.centre) / self.radius).T
        places = self.radius * np.stack([np.arctan2(x, z), np.arcsin(np.clip(y, -1, 1))], axis=1)
        return normals.T, places


Solid = Convex | Ball


class Hits(NamedTuple):
    """Where rays end: at which multiples (N,) of their directions, or inf; indices (N,) of solids and of faces."""

    reach: np.ndarray
    solids: np.ndarray
    faces: np.ndarray


def cast(solids: Sequence[Solid], origin: np.ndarray, directions: np.ndarray) -> Hits:
    """Follow rays from an origin (3,) in directions (N, 3) of any length to the first solid that each of them meets."""
    hits = Hits(np.full(len(directions), np.inf), *np.full((2, len(directions)), -1))
    lengths = np.linalg.norm(directions, axis=1)
    for index, solid in enumerate(solids):
        near = _near(solid, origin, directions, lengths)
        reach, faces = solid.meet(origin, directions[near])
        first = reach < hits.reach[near]
        met = near[first]
        hits.reach[met], hits.solids[met], hits.faces[met] = reach[first], index, faces[first]
    return hits


def _near(solid: Solid, origin: np.ndarray, directions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Indices of the rays that meet the ball around a solid."""
    to_centre = solid.centre - origin
    outside = to_centre @ to_centre - solid.radius**2
    if not outside > 0:  # the ball of an infinite solid is around every origin
        return np.arange(len(directions))
    return np.flatnonzero(directions @ to_centre >= np.sqrt(outside) * lengths)


def faces_met(hits: Hits) -> Iterator[tuple[np.ndarray, int, int]]:
    """For each face that rays met: which rays met it, bool (N,), the index of its solid, and its index in the solid."""
    most = hits.faces.max() + 1
    faces = np.where(hits.solids < 0, -1, hits.solids * most + hits.faces)
    for face in np.unique(faces[faces >= 0]):
        yield faces == face, *divmod(int(face), most)


def visible(solids: Sequence[Solid], origin: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether nothing lies between an origin (3,) and points (N, 3) of surfaces."""
    return cast(solids, origin, points - origin).reach > NEARLY


def convex(
    faces: np.ndarray, offsets: np.ndarray, centre: np.ndarray, radius: float = np.inf, *, hollow: bool = False
) -> Convex:
    """A convex body; its textures run horizontally."""
    across = np.stack([faces[:, 2], np.zeros(len(faces)), -faces[:, 0]], axis=1)  # the y axis x the normal
    length = np.sqrt((across**2).sum(axis=1, keepdims=True))
    across = np.where(length > 1e-9, across / np.maximum(length, 1e-9), [1.0, 0.0, 0.0])
    return Convex(faces, np.asarray(offsets, float), across, np.asarray(centre), radius, hollow)


BOX_FACES = np.concatenate([-np.eye(3), np.eye(3)])


def box(low: Sequence[float], high: Sequence[float], *, hollow: bool = False) -> Convex:
    """A box between two corners; its faces look to -x, -y, -z, x, y, z. A hollow box is a room."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    radius = np.inf if hollow else float(np.linalg.norm(high - low)) / 2
    return convex(BOX_FACES, [*-low, *high], (low + high) / 2, radius, hollow=hollow)


def column(radius: float, low: float, high: float, sides: int = 16) -> Convex:
    """An upright column about the y axis; its faces are the sides, the bottom and the top."""
    angles = 2 * np.pi * np.arange(sides) / sides
    faces = [*np.stack([np.sin(angles), 0 * angles, np.cos(angles)], axis=1), [0.0, -1.0, 0.0], [0.0, 1.0, 0.0]]
    around = float(np.hypot(radius / np.cos(np.pi / sides), (high - low) / 2))
    return convex(np.array(faces), [*[radius] * sides, -low, high], np.array([0, (low + high) / 2, 0]), around)
