"""Geometry of boxes: float32 (N, 4) x1 y1 x2 y2, 0-based, inclusive corners (VOC's pixels minus 1)."""

import numpy as np


def areas(boxes: np.ndarray) -> np.ndarray:
    """Pixels in each box (N,): with inclusive corners a side is x2 - x1 + 1 long."""
    return (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of each pair of boxes: (N, 4), (M, 4) -> (N, M)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])  # (N, M, 2)
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low + 1, 0, None).prod(axis=2)
    return shared / (areas(first)[:, None] + areas(second)[None, :] - shared)


def nms(boxes: np.ndarray, scores: np.ndarray, *, overlap: float = 0.3) -> np.ndarray:
    """Greedy non-maximum suppression: indices of the kept boxes, best score first.

    A box goes when its intersection over union with a better kept one exceeds `overlap`. Equal scores: the earlier
    box wins. R-CNN's nms.m (https://github.com/rbgirshick/rcnn).
    """
    order = np.argsort(-scores, kind="stable")
    covers = iou(boxes[order], boxes[order]) > overlap
    left = np.ones(len(order), bool)
    kept = []
    for place, index in enumerate(order):
        if left[place]:
            kept.append(index)
            left &= ~covers[place]
    return np.array(kept, dtype=np.int64)
