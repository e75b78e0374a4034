"""Normals in colours."""

import numpy as np


def colours(normals: np.ndarray) -> np.ndarray:
    """Normals (..., 3) in the paper's colours, uint8 RGB: x blue, y green, z red; black where there is none."""
    rgb = np.round(127.5 * (1 + normals[..., ::-1]))
    return (rgb * normals.any(axis=-1, keepdims=True)).astype(np.uint8)
