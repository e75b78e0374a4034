"""Unit vectors that stand for normals or words."""

import numpy as np

from tracklearn.normals.cells import unit

AROUND = unit(np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [-1, 0, 1], [0, -1, 1.0]]))
"""One direction ahead and four around it."""


def hemisphere(count, seed=0):
    """Random directions that face the camera, (count, 3)."""
    directions = np.random.default_rng(seed).standard_normal((count, 3))
    directions[:, 2] = abs(directions[:, 2])
    return unit(directions)
