"""What a Kinect makes of the depth of a view."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

NEAREST, FARTHEST = 0.5, 10.0  # metres that a Kinect measures
BASELINE = 0.075  # metres from its infrared projector to its infrared camera
STEP = 1 / (8 * 575 * BASELINE)  # of inverse depth, 1 / m: an eighth of a pixel of disparity at a focal length of 575


def in_steps(depth: np.ndarray, rng: np.random.Generator, noise: float = 0.5) -> np.ndarray:
    """Depth (H, W) in the Kinect's steps of inverse depth, float32, after Gaussian noise of `noise` steps.

    Pixels without depth and those farther than a Kinect measures have depth 0.
    """
    seen = (depth > 0) & (depth < FARTHEST)
    steps = 1 / np.where(seen, depth, 1) / STEP + noise * rng.standard_normal(depth.shape)
    return np.where(seen, 1 / (STEP * np.round(steps)), 0).astype(np.float32)


def filled(depth: np.ndarray) -> np.ndarray:
    """Depth (H, W) whose holes, where it is 0, take the depth of the nearest pixel that has one."""
    rows, columns = distance_transform_edt(depth == 0, return_distances=False, return_indices=True)
    return depth[rows, columns]
