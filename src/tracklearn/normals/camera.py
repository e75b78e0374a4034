"""The camera of NYUv2."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        width, height: of its images in pixels.
        fx, fy: focal lengths in pixels.
        cx, cy: column and row of the optical axis; the centre of the first pixel is 0, 0.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def at(self, width: int, height: int) -> "Camera":
        """The same camera with images of another size."""
        across, down = width / self.width, height / self.height
        centre = (self.cx + 0.5) * across - 0.5, (self.cy + 0.5) * down - 0.5
        return Camera(width, height, self.fx * across, self.fy * down, *centre)

    def rays(self) -> np.ndarray:
        """Points at depth 1 behind each pixel, (H, W, 3), in a room's axes: x right, y up, z towards the camera."""
        y, x = np.mgrid[: self.height, : self.width]
        return np.stack([(x - self.cx) / self.fx, -(y - self.cy) / self.fy, -np.ones(x.shape)], axis=-1)


KINECT = Camera(640, 480, 518.858, 519.470, 324.582, 252.736)
"""The colour camera that NYUv2's depth is projected to: camera_params.m of its toolbox, whose pixels count from 1."""
