"""The windows that retrieval compares: annotated objects that ask, and proposals on objects that answer."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tracklearn.errors import UserError
from tracklearn.voc.annotations import Objects, Voc
from tracklearn.voc.boxes import iou

OVERLAP = 0.5  # PAPER §6.1


class LabelledWindows(NamedTuple):
    """Windows of some images, image after image, and the class of each."""

    ids: Sequence[str]  # image ids (I,), those of images without windows too
    images: np.ndarray  # (N,) index into the ids
    rows: np.ndarray  # (N,) place of the window among its image's objects or proposals
    boxes: np.ndarray  # (N, 4) float32 x1 y1 x2 y2, 0-based, inclusive
    labels: np.ndarray  # (N,) int64, index into the classes

    def __len__(self) -> int:
        return len(self.images)

    def rows_by_image(self) -> list[np.ndarray]:
        """The rows (n,) of each image's windows."""
        return np.split(self.rows, np.searchsorted(self.images, np.arange(1, len(self.ids))))


def annotated_windows(ids: Sequence[str], objects: Sequence[Objects], *, of: str) -> LabelledWindows:
    """Every annotated object, difficult ones too: the queries.

    Args:
        of: the folder of the annotations, for the error message.

    Raises:
        UserError: no object is annotated.
    """
    if not any(len(each.labels) for each in objects):
        raise UserError(
            f"{of}: no object is annotated in the evaluation images, and retrieval needs queries; annotate some, or "
            "choose a voc.protocol whose evaluation images have objects"
        )
    return _joined(ids, [(np.arange(len(each.labels)), each.boxes, each.labels) for each in objects])


def windows_on_objects(
    photos: Voc, proposals: Mapping[str, np.ndarray], *, k: int, overlap: float = OVERLAP
) -> LabelledWindows:
    """The proposals whose IoU with an object exceeds `overlap`, each of the class of the object of largest IoU.

    Args:
        proposals: boxes (n, 4) of each image by its id.
        k: how many of them a query is answered with.

    Raises:
        UserError: there are fewer than `k`.
    """
    found = [_on_objects(boxes, photos.objects(image_id), overlap) for image_id, boxes in proposals.items()]
    windows = _joined(list(proposals), found)
    if len(windows) < k:
        raise UserError(
            f"retrieval.k is {k}, but only {len(windows)} training windows overlap an object by more than "
            f"{overlap}; lower it or make more proposals"
        )
    return windows


def _on_objects(boxes: np.ndarray, objects: Objects, overlap: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not len(objects.boxes) or not len(boxes):
        return np.zeros(0, np.int64), boxes[:0], np.zeros(0, np.int64)
    overlaps = iou(boxes, objects.boxes)  # (n, objects)
    rows = np.flatnonzero(overlaps.max(axis=1) > overlap)
    return rows, boxes[rows], objects.labels[overlaps[rows].argmax(axis=1)]


def _joined(ids: Sequence[str], by_image: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> LabelledWindows:
    rows, boxes, labels = (np.concatenate(part) for part in zip(*by_image, strict=True))
    return LabelledWindows(
        ids, np.repeat(np.arange(len(ids)), [len(own) for own, _, _ in by_image]), rows, boxes, labels
    )
