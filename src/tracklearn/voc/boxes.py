"""Geometry of boxes: float32 (N, 4) x1 y1 x2 y2, 0-based, inclusive corners (VOC's pixels minus 1)."""

import numpy as np


def areas(boxes: np.ndarray) -> np.ndarray:
    """Pixels in each box, (N, 4) -> (N,): with inclusive corners a side is x2 - x1 + 1 long."""
    return (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of each pair of boxes: (N, 4), (M, 4) -> (N, M)."""
    left, top, right, bottom = first.T[:, :, None]  # (N, 1) each
    width = np.minimum(right, second[:, 2]) - np.maximum(left, second[:, 0]) + 1  # (N, M)
    height = np.minimum(bottom, second[:, 3]) - np.maximum(top, second[:, 1]) + 1
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    return shared / (areas(first)[:, None] + areas(second)[None, :] - shared)
