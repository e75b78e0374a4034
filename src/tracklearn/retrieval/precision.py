"""Retrieval without fine-tuning: do the windows nearest to an object show its class? (PAPER §6.1)"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tracklearn.errors import UserError
from tracklearn.features.windows import Source
from tracklearn.files import atomic
from tracklearn.report import Report, silent
from tracklearn.retrieval.neighbours import AT_ONCE, nearest_labels, unit_length
from tracklearn.voc.annotations import Voc
from tracklearn.voc.boxes import iou
from tracklearn.voc.disjoint import check_disjoint
from tracklearn.voc.image_sets import CLASSES

OVERLAP = 0.5  # PAPER §6.1


def precision_at_k(
    *,
    voc: str | Path,
    year: int,
    queries: Source,
    database: Source,
    out: str | Path,
    k: int,
    classes: Sequence[str] = CLASSES,
    overlap: float = OVERLAP,
    report: Report = silent,
) -> dict[str, float]:
    """Find the `k` database windows nearest to each query by cosine, and count those of the query's class.

    Queries are the ground-truth windows of the evaluation images, difficult ones too. The database holds the proposals
    of the training images whose IoU with an object exceeds `overlap`; such a window has the class of the object with
    the largest IoU. No other window is read or computed.

    Args:
        queries, database: features of one model for the evaluation and for the training images.
        out: JSON file of `k` and the result of `scores`.

    Returns:
        The means, and the numbers of queries and windows.

    Raises:
        UserError: no query, fewer than `k` windows, an image in both sets, or features that do not belong to the
            annotations.
    """
    photos = Voc(voc, year, classes=classes)
    check_disjoint(database.ids, queries.ids, train_set="retrieval database", test_set="retrieval queries")
    query_features, labels = _queries(photos, queries)
    found, windows_of_class = nearest_labels(
        query_features, _database(photos, database, overlap), k=k, classes=len(classes), report=report
    )
    if windows_of_class.sum() < k:
        raise UserError(
            f"retrieval.k is {k}, but only {windows_of_class.sum()} training windows overlap an object by more than "
            f"{overlap}; lower it or make more proposals"
        )
    result = scores(found == labels[:, None], labels, windows_of_class, classes=classes)
    with atomic(out) as path:
        path.write_text(json.dumps({"k": k, **result}, indent=1))
    return {name: value for name, value in result.items() if isinstance(value, int | float)}


def scores(
    correct: np.ndarray, labels: np.ndarray, windows_of_class: np.ndarray, *, classes: Sequence[str]
) -> dict[str, object]:
    """Precision, hit rate and chance in percent: means over queries and over classes, and figures of each class.

    The hit rate is the share of queries with a correct window among the k; chance is the precision of random windows.
    ASSUME: the paper's "retrieval rate" is the mean over queries. It gives 19% for a random network, far above the 5%
    that random windows reach as a mean over 20 classes; a mean over queries is higher, since persons are many.

    Args:
        correct: (Q, k) bool, whether a window is of its query's class.
        labels: (Q,) classes of the queries.
        windows_of_class: (C,) windows of each class in the database.
    """
    precision = np.asarray(100 * correct.mean(axis=1))  # (Q,)
    hit = np.asarray(100.0 * correct.any(axis=1))  # (Q,)
    chance = 100 * windows_of_class / windows_of_class.sum()  # (C,)
    by_class: dict[str, dict[str, object]] = {}
    for label, name in enumerate(classes):
        own = labels == label
        by_class[name] = {
            "precision": float(precision[own].mean()) if own.any() else None,
            "hit_rate": float(hit[own].mean()) if own.any() else None,
            "chance": float(chance[label]),
            "queries": int(own.sum()),
            "windows": int(windows_of_class[label]),
            "reason": None if own.any() else "no object of this class in the evaluation images",
        }
    present = np.unique(labels)
    return {
        "precision": float(precision.mean()),
        "hit_rate": float(hit.mean()),
        "chance": float(chance[labels].mean()),
        "precision_class_mean": float(np.mean([precision[labels == label].mean() for label in present])),
        "hit_rate_class_mean": float(np.mean([hit[labels == label].mean() for label in present])),
        "queries": len(labels),
        "windows": int(windows_of_class.sum()),
        "classes": by_class,
    }


def _queries(photos: Voc, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Features (Q, D) of length 1 and labels (Q,) of the ground-truth windows."""
    objects = source.annotated_objects(photos)
    if not sum(source.ground_truth):
        raise UserError(f"{photos.folder}: no object is annotated in the evaluation images; retrieval needs queries")
    features = [windows.features for windows in source.windows(source.annotated())]
    return unit_length(np.concatenate(features)), np.concatenate([each.labels for each in objects])


def _database(photos: Voc, source: Source, overlap: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features (n, D) of length 1 and labels (n,) of the proposals that show an object.

    At most `AT_ONCE` of them come at a time.
    """
    rows, labels = zip(
        *(_proposals_on_objects(photos, source, image, overlap) for image in range(len(source))), strict=True
    )
    waiting: list[np.ndarray] = []
    blocks = iter(np.split(np.concatenate(labels), range(AT_ONCE, sum(map(len, labels)), AT_ONCE)))
    for windows in source.windows(rows):
        waiting.append(windows.features)
        while sum(map(len, waiting)) >= AT_ONCE:
            together = np.concatenate(waiting)
            waiting = [together[AT_ONCE:]]
            yield unit_length(together[:AT_ONCE]), next(blocks)
    if sum(map(len, waiting)):
        yield unit_length(np.concatenate(waiting)), next(blocks)


def _proposals_on_objects(photos: Voc, source: Source, image: int, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n,) of an image's proposals whose IoU with an object exceeds `overlap`, and their labels (n,)."""
    objects = photos.objects(source.ids[image])
    proposals = source.boxes[image][source.ground_truth[image] :]
    if not len(objects.boxes) or not len(proposals):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    overlaps = iou(proposals, objects.boxes)  # (N, objects)
    on_object = overlaps.max(axis=1) > overlap
    return source.ground_truth[image] + np.flatnonzero(on_object), objects.labels[overlaps.argmax(axis=1)[on_object]]
