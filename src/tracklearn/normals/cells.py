"""Between the pixels of an image and the cells of a network's answer."""

import cv2
import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) scaled to length 1; zero vectors stay zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def cell_normals(normals: np.ndarray, cells: int) -> np.ndarray:
    """Mean normal of each cell, (cells, cells, 3), scaled to length 1; zero where the cell has no normal.

    Args:
        normals: (H, W, 3), zero where there is none; H and W are at least `cells`.
    """
    starts = [np.arange(cells) * side // cells for side in normals.shape[:2]]
    sums = np.add.reduceat(normals.astype(np.float64), starts[0], axis=0)
    return unit(np.add.reduceat(sums, starts[1], axis=1)).astype(np.float32)


def at_pixels(cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Normals of cells (G, G, 3), interpolated linearly between their centres and scaled to length 1: (H, W, 3)."""
    return unit(cv2.resize(cells.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR))


def mirrored_normals(normals: np.ndarray) -> np.ndarray:
    """The normals (..., W, 3) of the mirrored image: left and right change places, and x changes its sign."""
    return normals[..., ::-1, :] * np.array([-1, 1, 1], normals.dtype)
