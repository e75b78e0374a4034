"""The windows that retrieval compares: annotated objects that ask, and proposals on objects that answer."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tracklearn.errors import UserError
from tracklearn.voc.annotations import Objects, Voc
from tracklearn.voc.disjoint import check_disjoint
from tracklearn.voc.window_labels import OFF_OBJECTS, OVERLAP, window_labels


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


def queries_and_database(
    photos: Voc,
    ids: Sequence[str],
    objects: Sequence[Objects],
    proposals: Mapping[str, np.ndarray],
    *,
    k: int,
    overlap: float = OVERLAP,
) -> tuple[LabelledWindows, LabelledWindows]:
    """The annotated objects of the evaluation images, and the proposals on objects of the training images.

    Args:
        ids, objects: of the evaluation images.
        proposals: boxes (n, 4) of each training image by its id.

    Raises:
        UserError: an image in both sets, no query, or fewer than `k` windows.
    """
    check_disjoint(list(proposals), ids, train_set="retrieval database", test_set="retrieval queries")
    return (
        annotated_windows(ids, objects, of=str(photos.folder)),
        windows_on_objects(photos, proposals, k=k, overlap=overlap),
    )


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
        k: number of windows that each query retrieves.

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
    labels = window_labels(boxes, objects, overlap)
    rows = np.flatnonzero(labels != OFF_OBJECTS)
    return rows, boxes[rows], labels[rows]


def _joined(ids: Sequence[str], by_image: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> LabelledWindows:
    rows, boxes, labels = (np.concatenate(part) for part in zip(*by_image, strict=True))
    return LabelledWindows(
        ids, np.repeat(np.arange(len(ids)), [len(own) for own, _, _ in by_image]), rows, boxes, labels
    )
