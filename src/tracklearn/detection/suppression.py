"""Non-maximum suppression of detections."""

import numpy as np

from tracklearn.voc.boxes import iou


def suppress(boxes: np.ndarray, scores: np.ndarray, *, overlap: float) -> np.ndarray:
    """Greedy non-maximum suppression: indices (K,) of the kept boxes (N, 4), best score first.

    A box is dropped where its intersection over union with a better kept box exceeds `overlap`. Of two boxes with equal
    scores the earlier one counts as better. Source: R-CNN's nms.m (https://github.com/rbgirshick/rcnn).
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
