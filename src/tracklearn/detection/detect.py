"""Scored boxes of the evaluation images: the best of each class, after non-maximum suppression."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from tracklearn.features.store import all_windows, image_ids
from tracklearn.files import atomic
from tracklearn.report import Report, silent
from tracklearn.detection.suppression import suppress
from tracklearn.voc.disjoint import check_disjoint


class Detections(NamedTuple):
    """Detections of one class."""

    image: np.ndarray  # (M,) index into the image ids
    boxes: np.ndarray  # (M, 4)
    scores: np.ndarray  # (M,)


def detect(
    *,
    features: Sequence[str | Path],
    models: int,
    svms: str | Path,
    out: str | Path,
    top: int = 100,
    nms: float = 0.3,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Score the proposals of every evaluation image; ground-truth boxes among them are left out.

    Args:
        features: files of the evaluation images, model after model, of the models that `svms` was trained on.
        out: npz of ids (I,), classes (C,), label (M,), image (M,), boxes (M, 4), scores (M,).
        top: boxes of a class and image that enter the suppression.
        nms: intersection over union above which the lower box is suppressed.

    Raises:
        UserError: an evaluation image was trained on.
    """
    with np.load(svms) as stored:
        weights, biases, scales = stored["weights"], stored["biases"], stored["scales"]
        classes, trained_on = stored["classes"], stored["train_ids"]
    ids = image_ids(features, models)
    check_disjoint(trained_on.tolist(), ids, train_set=f"of {svms}", test_set="of the protocol")
    trained = np.flatnonzero(np.isfinite(biases))
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0, np.float32))]
    with threadpool_limits(threads):
        for image, windows in enumerate(all_windows(features, models, scales)):
            proposals = ~windows.is_gt
            scores = windows.features[proposals] @ weights[trained].T + biases[trained]  # (N, trained)
            for index, column in zip(trained, scores.T, strict=True):
                boxes, best = _best(windows.boxes[proposals], column, top, nms)
                found.append((np.full(len(best), index), np.full(len(best), image), boxes, best))
            report(image + 1, {"boxes": len(scores)})
    label, image_index, kept, confidence = (np.concatenate(column) for column in zip(*found, strict=True))
    with atomic(out) as path:
        np.savez(path, ids=ids, classes=classes, label=label, image=image_index, boxes=kept, scores=confidence)
    return {"images": len(ids), "detections": len(label), "classes": len(trained)}


def read_detections(path: str | Path) -> tuple[list[str], dict[str, Detections]]:
    """Image ids, and the detections of each class."""
    with np.load(path) as stored:
        label, image, boxes, scores = (stored[name] for name in ("label", "image", "boxes", "scores"))
        ids, classes = stored["ids"].tolist(), stored["classes"].tolist()
    chosen = {name: label == index for index, name in enumerate(classes)}
    return ids, {name: Detections(image[one], boxes[one], scores[one]) for name, one in chosen.items()}


def _best(boxes: np.ndarray, scores: np.ndarray, top: int, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """The `top` boxes by score, without those that a better one suppresses."""
    order = np.argsort(-scores, kind="stable")[:top]
    kept = order[suppress(boxes[order], scores[order], overlap=overlap)]
    return boxes[kept], scores[kept]
