"""What became of each detection of a class: right, or wrong in one of four ways; and the objects that were missed.

The kinds are those of Hoiem, Chodpathumwan and Dai, "Diagnosing Error in Object Detectors" (ECCV 2012). The second
boxes of an object stand apart from the misplaced ones, as in Bolya et al., "TIDE" (ECCV 2020). In both papers an
overlap below 0.1 has nothing to do with an object. A difficult object is an object here, but a box that finds it is
ignored, and so is the object if no box finds it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tracklearn.detection.average_precision import OVERLAP, average_precisions, match
from tracklearn.detection.detect import Detections
from tracklearn.voc.annotations import Objects
from tracklearn.voc.boxes import iou

TOUCHING = 0.1  # least intersection over union of a misplaced box with an object
RIGHT, IGNORED, MISSED = "right", "ignored", "missed"
WRONG = {
    "localisation": f"The box overlaps an object of the class by {TOUCHING} or more, but by less than {OVERLAP}.",
    "double": f"The box overlaps an object of the class by {OVERLAP} or more, but a box with a higher score found it.",
    "other class": f"The box overlaps an object of another class by {TOUCHING} or more, and none of its own so much.",
    "background": f"The box overlaps no object by {TOUCHING} or more.",
}
KINDS = (*WRONG, RIGHT, IGNORED)


class Judged(NamedTuple):
    """The detections of a class by falling score, M in all, and the objects that they miss.

    Attributes:
        detections: in this order.
        kind: (M,) index into `KINDS`. A box that overlaps a difficult object by 0.5 or more is ignored.
        overlap: (M,) highest intersection over union with an object of the class in the image; 0 if there is none.
        object: (M,) index of this object in its image; -1 if the box overlaps none.
        other: (M,) label of the object of another class that it overlaps most; -1 if it overlaps none.
        positives: (I,) objects of the class in each image, without the difficult ones.
        missed: pairs of an image and an object that no box found, difficult objects aside.
    """

    detections: Detections
    kind: np.ndarray
    overlap: np.ndarray
    object: np.ndarray
    other: np.ndarray
    positives: np.ndarray
    missed: list[tuple[int, int]]

    def of_kind(self, kind: str) -> np.ndarray:
        """Which detections are of a kind, (M,) bool."""
        found: np.ndarray = self.kind == KINDS.index(kind)
        return found

    def missed_above(self, score: float) -> list[tuple[int, int]]:
        """Pairs of an image and an object that no box of at least this score found."""
        low = self.of_kind(RIGHT) & (self.detections.scores < score)
        late = zip(self.detections.image[low].tolist(), self.object[low].tolist(), strict=True)
        return sorted([*self.missed, *late])


def judge(detections: Detections, objects: Sequence[Objects], label: int) -> Judged:
    """Name the kind of each detection of a class; which are right is decided by `average_precision.match`.

    Args:
        objects: of every image, (I,).
        label: index of the class.
    """
    order = np.argsort(-detections.scores, kind="stable")
    ranked = Detections(*(values[order] for values in detections))
    overlap, overlap_of_others = np.zeros(len(order)), np.zeros(len(order))
    nearest, other = np.full(len(order), -1), np.full(len(order), -1)
    difficult = np.zeros(len(order), bool)
    by_image = np.argsort(ranked.image, kind="stable")
    images, starts = np.unique(ranked.image[by_image], return_index=True)
    for image, own in zip(images, np.split(by_image, starts[1:]), strict=False):  # without detections there is no image
        overlaps = iou(ranked.boxes[own], objects[image].boxes)  # (boxes, objects)
        of_class = objects[image].labels == label
        if not of_class.all():
            best = np.where(of_class, -1, overlaps).argmax(axis=1)
            overlap_of_others[own] = overlaps[np.arange(len(own)), best]
            other[own] = np.where(overlap_of_others[own] > 0, objects[image].labels[best], -1)
        if of_class.any():
            best = np.where(of_class, overlaps, -1).argmax(axis=1)
            overlap[own] = overlaps[np.arange(len(own)), best]
            nearest[own] = np.where(overlap[own] > 0, best, -1)
            difficult[own] = objects[image].difficult[best]
    ignored = difficult & (overlap >= OVERLAP)
    right = np.zeros(len(order), bool)
    right[~ignored] = match(ranked, objects, label)[1]
    kind = np.select(
        [ignored, right, overlap >= OVERLAP, overlap >= TOUCHING, overlap_of_others >= TOUCHING],
        [KINDS.index(name) for name in (IGNORED, RIGHT, "double", "localisation", "other class")],
        KINDS.index("background"),
    )
    found = set(zip(ranked.image[right].tolist(), nearest[right].tolist(), strict=True))
    wanted = [
        (image, index)
        for image, each in enumerate(objects)
        for index in np.flatnonzero((each.labels == label) & ~each.difficult).tolist()
    ]
    positives = np.bincount([image for image, _ in wanted], minlength=len(objects))
    missed = [each for each in wanted if each not in found]
    return Judged(ranked, kind, overlap, nearest, other, positives, missed)


def average_precision(judged: Judged, *, without: str | None = None) -> float:
    """Average precision over all points in percent, as in Table 1; NaN if there is no object.

    Args:
        without: a kind of error that is mended: wrong boxes of this kind are removed, or missed objects do not count.
            The difference to the class's own figure says what these errors cost.
    """
    counted = ~judged.of_kind(IGNORED)
    if without in WRONG:
        counted &= ~judged.of_kind(without)
    right = judged.of_kind(RIGHT)
    image = judged.detections.image
    positives = np.bincount(image[right], minlength=len(judged.positives)) if without == MISSED else judged.positives
    once = np.ones((1, len(positives)), np.int32)
    return float(100 * average_precisions(image[counted], right[counted], positives, once)[0][0])
