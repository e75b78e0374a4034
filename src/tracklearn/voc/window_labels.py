"""The class that a window shows."""

import numpy as np

from tracklearn.voc.annotations import Objects
from tracklearn.voc.boxes import iou

OVERLAP = 0.5  # IoU above which a window shows an object (PAPER §6.1)
OFF_OBJECTS = -1


def window_labels(boxes: np.ndarray, objects: Objects, overlap: float = OVERLAP) -> np.ndarray:
    """The class of the object of largest IoU of each box (N, 4): (N,); `OFF_OBJECTS` where no IoU exceeds `overlap`."""
    if not len(objects.boxes) or not len(boxes):
        return np.full(len(boxes), OFF_OBJECTS)
    overlaps = iou(boxes, objects.boxes)  # (N, objects)
    return np.where(overlaps.max(axis=1) > overlap, objects.labels[overlaps.argmax(axis=1)], OFF_OBJECTS)
