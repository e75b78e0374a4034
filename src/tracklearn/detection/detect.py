"""Detections in the evaluation images: the best scored boxes of each class, after non-maximum suppression."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from tracklearn.detection.suppression import suppress
from tracklearn.features.windows import Source
from tracklearn.npz import read_arrays, write_arrays
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.detection import Detect
from tracklearn.voc.disjoint import check_disjoint


class Detections(NamedTuple):
    """Detections of one class, M in all."""

    image: np.ndarray  # (M,) index into the image ids
    boxes: np.ndarray  # (M, 4)
    scores: np.ndarray  # (M,)


def detect(
    *,
    source: Source,
    svms: str | Path,
    out: str | Path,
    settings: Block = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Score the proposals of every evaluation image and write the detections; ground-truth boxes are left out.

    The `top` boxes of an image and class enter non-maximum suppression if their scores are among the class's best
    `boxes_per_image` x I of all images (rcnn_test.m); boxes of the same score as the last of these enter too.

    Args:
        source: the evaluation images, with features of the models that `svms` was trained on.
        svms: file of `train_svms`.
        out: npz of ids (I,), classes (C,), label (M,), image (M,), boxes (M, 4), scores (M,).
        settings: block `detection.detect`.

    Raises:
        UserError: an invalid setting, a damaged file, or an evaluation image that was trained on.
    """
    chosen = Detect.read(settings)
    weights, biases, scales, classes, trained_on = read_arrays(
        svms, "weights", "biases", "scales", "classes", "train_ids"
    ).values()
    ids = source.ids
    check_disjoint(trained_on.tolist(), ids, train_set=f"of {svms}", test_set="of the protocol")
    trained = np.flatnonzero(np.isfinite(biases))
    kept = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0, np.float32))]
    entered: list[list[np.ndarray]] = [[] for _ in classes]  # scores of each class, 4 x `top` bytes an image
    with threadpool_limits(threads):
        for image, windows in enumerate(source.windows(source.proposed(), scales)):
            scores = windows.features @ weights[trained].T + biases[trained]  # (N, trained)
            for index, column in zip(trained, scores.T, strict=True):
                order = np.argsort(-column, kind="stable")[: chosen.top]
                boxes, best = windows.boxes[order], column[order]
                entered[index].append(best)
                left = suppress(boxes, best, overlap=chosen.nms)
                kept.append((np.full(len(left), index), np.full(len(left), image), boxes[left], best[left]))
            report(image + 1, {"boxes": len(scores)})
    label, image_index, all_boxes, all_scores = (np.concatenate(column) for column in zip(*kept, strict=True))
    # A box suppresses only boxes of lower scores, so the limit may as well be applied after the suppression.
    stays = all_scores >= np.array([_limit(scores, chosen, len(ids)) for scores in entered])[label]
    write_arrays(
        out,
        ids=ids,
        classes=classes,
        label=label[stays],
        image=image_index[stays],
        boxes=all_boxes[stays],
        scores=all_scores[stays],
    )
    return {"images": len(ids), "detections": int(stays.sum()), "classes": len(trained)}


def read_detections(path: str | Path) -> tuple[list[str], dict[str, Detections]]:
    """Image ids (I,), and the detections of each class by its name.

    Raises:
        UserError: a damaged file.
    """
    ids, classes, label, image, boxes, scores = read_arrays(
        path, "ids", "classes", "label", "image", "boxes", "scores"
    ).values()
    of_class = {name: label == index for index, name in enumerate(classes.tolist())}
    return ids.tolist(), {name: Detections(image[own], boxes[own], scores[own]) for name, own in of_class.items()}


def _limit(scores: Sequence[np.ndarray], settings: Detect, images: int) -> float:
    """The least score of a class's boxes that enter non-maximum suppression, given the scores of each image's `top`."""
    most = (settings.boxes_per_image or settings.top) * images
    if sum(map(len, scores)) <= most:
        return -np.inf
    return float(np.partition(np.concatenate(scores), -most)[-most])
