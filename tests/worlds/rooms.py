"""Views of planes, boxes and balls: depth and true normals."""

from dataclasses import dataclass

import numpy as np
from world_generator.kinect import FARTHEST, in_steps
from world_generator.solids import UNTURNED, Ball, box, cast, convex, faces_met, turn_about

from tracklearn.normals.camera import Camera


@dataclass
class View:
    """Depth in metres, float32 (H, W), and normals (H, W, 3) of what the camera sees; depth 0 where it sees nothing."""

    depth: np.ndarray
    normals: np.ndarray

    def noisy(self, rng: np.random.Generator, size: float = 0.5) -> "View":
        """As a Kinect measures it, with Gaussian noise of `size` of its steps."""
        return View(in_steps(self.depth, rng, size), self.normals)

    def in_8_bits(self) -> "View":
        """As a PNG of 8 bits that reaches to 10 m stores it."""
        seen = (self.depth > 0) & (self.depth < FARTHEST)
        return View(np.where(seen, (np.floor(self.depth * 25.5) + 0.5) / 25.5, 0).astype(np.float32), self.normals)


def view(camera: Camera, solids: list, rotation: np.ndarray = UNTURNED) -> View:
    """Solids seen by a camera at the origin that is turned by `rotation`."""
    rays = camera.rays().reshape(-1, 3) @ rotation.T
    hits = cast(solids, np.zeros(3), rays)
    normals = np.zeros_like(rays)
    for here, index, face in faces_met(hits):
        normals[here], _ = solids[index].surface(hits.reach[here, None] * rays[here], face)
    depth = np.where(np.isfinite(hits.reach), hits.reach, 0).astype(np.float32)
    return View(depth.reshape(camera.height, -1), (normals @ rotation).reshape(camera.height, -1, 3))


def plane(camera: Camera, normal: tuple[float, float, float], distance: float) -> View:
    """A plane `distance` metres from the camera that fills the view, as far as it is before the camera."""
    return view(camera, [_plane(normal, distance)])


def room(camera: Camera, *, turned: float = 0.4, tilted: float = -0.2, ball: bool = True) -> View:
    """A box of 4 x 2.8 x 5 m seen from inside, with a cupboard and, if asked, a ball of radius 0.5 m.

    Args:
        turned, tilted: angles of the camera about the vertical and the horizontal axis, in radians.
    """
    hull, cupboard = box((-2, -1.4, -4), (2, 1.4, 1), hollow=True), box((0.6, -1.4, -4), (2, 0.4, -3))
    solids = [hull, cupboard, *[Ball(np.array([-0.6, -0.9, -2.5]), 0.5)] * ball]
    return view(camera, solids, turn_about(1, turned) @ turn_about(0, tilted))


def sphere(camera: Camera, radius: float = 1.0, distance: float = 3.0) -> View:
    """A sphere before a wall that faces the camera."""
    return view(camera, [_plane((0, 0, 1), distance + radius), Ball(np.array([0.1, -0.1, -distance]), radius)])


def _plane(normal, distance):
    unit = np.array([normal]) / np.linalg.norm(normal)
    return convex(unit, [-distance], -distance * unit[0])
