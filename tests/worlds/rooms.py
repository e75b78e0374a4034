"""Rendered rooms: depth and true normals of planes, boxes and spheres."""

from dataclasses import dataclass

import numpy as np

from tracklearn.normals.camera import Camera

FARTHEST = 10.0  # metres that a Kinect measures


@dataclass
class View:
    """Depth in metres, float32 (H, W), and normals (H, W, 3) of what the camera sees."""

    depth: np.ndarray
    normals: np.ndarray

    def noisy(self, rng: np.random.Generator, size: float = 0.5) -> "View":
        """As a Kinect measures it: inverse depth in steps of 0.0029 / m, with Gaussian noise of `size` steps."""
        step = 1 / (8 * 575 * 0.075)  # eighths of a pixel of disparity, focal length in pixels, baseline in metres
        seen = (self.depth > 0) & (self.depth < FARTHEST)
        steps = 1 / np.where(seen, self.depth, 1) / step + size * rng.standard_normal(self.depth.shape)
        return View(np.where(seen, 1 / (step * np.round(steps)), 0).astype(np.float32), self.normals)

    def in_8_bits(self) -> "View":
        """As a PNG of 8 bits that reaches to 10 m stores it."""
        seen = (self.depth > 0) & (self.depth < FARTHEST)
        return View(np.where(seen, (np.floor(self.depth * 25.5) + 0.5) / 25.5, 0).astype(np.float32), self.normals)


def plane(camera: Camera, normal: tuple[float, float, float], distance: float) -> View:
    """A plane `distance` metres from the camera that fills the view; depth 0 where a ray misses it."""
    unit = np.array(normal) / np.linalg.norm(normal)
    with np.errstate(divide="ignore"):
        depth = -distance / (camera.rays() @ unit)
    depth[(depth <= 0) | ~np.isfinite(depth)] = 0
    return View(depth.astype(np.float32), np.broadcast_to(unit, (*depth.shape, 3)))


def room(camera: Camera, *, turned: float = 0.4, tilted: float = -0.2, ball: bool = True) -> View:
    """A box of 4 x 2.8 x 5 m seen from inside, with a cupboard and, if asked, a ball of radius 0.5 m.

    Args:
        turned, tilted: angles of the camera about the vertical and the horizontal axis, in radians.
    """
    (st, ct), (sp, cp) = (np.sin(turned), np.cos(turned)), (np.sin(tilted), np.cos(tilted))
    to_world = np.array([[ct, 0, st], [0, 1, 0], [-st, 0, ct]]) @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    rays = camera.rays() @ to_world.T  # (H, W, 3); the camera is at the origin, 1.4 m above the floor
    depth = np.full(rays.shape[:2], np.inf)
    normals = np.zeros(rays.shape)
    for axis, place, inward in [(0, -2, 1), (0, 2, -1), (1, -1.4, 1), (1, 1.4, -1), (2, -4, 1), (2, 1, -1)]:
        _hit(rays, depth, normals, axis, place, inward)
    cupboard = np.array([[0.6, 2.0], [-1.4, 0.4], [-4.0, -3.0]])
    for axis, side, outward in [(0, 0, -1), (1, 1, 1), (2, 1, 1)]:
        _hit(rays, depth, normals, axis, cupboard[axis, side], outward, cupboard)
    if ball:
        _ball(rays, depth, normals, np.array([-0.6, -0.9, -2.5]), 0.5)
    return View(depth.astype(np.float32), normals @ to_world)


def sphere(camera: Camera, radius: float = 1.0, distance: float = 3.0) -> View:
    """A sphere before a wall that faces the camera."""
    view = plane(camera, (0, 0, 1), distance + radius)
    depth, normals = view.depth.astype(np.float64), view.normals.copy()
    _ball(camera.rays(), depth, normals, np.array([0.1, -0.1, -distance]), radius)
    return View(depth.astype(np.float32), normals)


def _hit(rays, depth, normals, axis, place, direction, within=None):
    """Draw the plane where coordinate `axis` is `place`, or the part of it within a box (3, 2)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = place / rays[..., axis]
        points = rays * t[..., None]
    seen = (t > 0) & (t < depth)
    for other in {0, 1, 2} - {axis} if within is not None else ():
        seen &= (points[..., other] >= within[other, 0]) & (points[..., other] <= within[other, 1])
    depth[seen] = t[seen]
    normals[seen] = direction * np.eye(3)[axis]


def _ball(rays, depth, normals, centre, radius):
    a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - radius**2
    root = b * b - a * c
    t = (b - np.sqrt(np.maximum(root, 0))) / a
    seen = (root > 0) & (t < depth)
    depth[seen] = t[seen]
    normals[seen] = ((rays * t[..., None] - centre) / radius)[seen]
