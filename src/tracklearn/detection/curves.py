"""Precision, recall and F1 of a class's detections at each score."""

from typing import NamedTuple

import numpy as np

from tracklearn.detection.errors_by_kind import IGNORED, RIGHT, Judged

RECALLS = (0.25, 0.5, 0.75, 0.9)
MARGIN = 0.0  # the score at which an SVM's decision changes


class Curve(NamedTuple):
    """The figures of the detections of at least a score, at each of T scores.

    Attributes:
        score: (T,) falling, each once.
        boxes, found: (T,) number of boxes that count, and of objects that they find.
        precision, recall, f1: (T,) from 0 to 1.
    """

    score: np.ndarray
    boxes: np.ndarray
    found: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray

    @property
    def best(self) -> float:
        """The score of the best F1, the highest one of several; infinite if no box is right."""
        return float(self.score[self.f1.argmax()]) if self.f1.any() else np.inf

    def at(self, score: float) -> int:
        """Index of the last score of at least this score; -1 if all are lower."""
        return int(np.searchsorted(-self.score, -score, side="right")) - 1


class Threshold(NamedTuple):
    """A line of the table of thresholds: boxes of at least this score are taken."""

    reason: str
    score: float
    boxes: int
    found: int
    precision: float
    recall: float
    f1: float


def curve(judged: Judged) -> Curve:
    """Precision and recall at each distinct score (van Rijsbergen's F1 = 2PR / (P + R)); ignored boxes do not count."""
    counted = ~judged.of_kind(IGNORED)
    score = judged.detections.scores[counted]
    last = np.flatnonzero(np.diff(score, append=-np.inf))  # boxes of one score are taken together
    found = np.cumsum(judged.of_kind(RIGHT)[counted])[last]
    boxes = last + 1
    total = max(1, int(judged.positives.sum()))
    # 2PR / (P + R) with P = found / boxes and R = found / total
    return Curve(score[last], boxes, found, found / boxes, found / total, 2 * found / (boxes + total))


def thresholds(curve: Curve) -> list[Threshold]:
    """A few thresholds by falling score: the best F1, some recalls that are reached, the SVM's own, and every box."""
    chosen = {"best F1": curve.best} if np.isfinite(curve.best) else {}
    for recall in RECALLS:
        if (reached := curve.recall >= recall).any():
            chosen[f"recall {recall:.0%}"] = float(curve.score[reached.argmax()])
    if len(curve.score):
        chosen |= {"the SVM's own": MARGIN, "every box": float(curve.score[-1])}
    lines = [
        Threshold(reason, score, *(column[at].item() for column in curve[1:]))
        for reason, score in chosen.items()
        if (at := curve.at(score)) >= 0
    ]
    return sorted(lines, key=lambda line: -line.score)
