"""Retrieval without fine-tuning: do the windows nearest to an object show its class? (PAPER §6.1)"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tracklearn.errors import UserError
from tracklearn.features.store import Part, image_ids, open_parts
from tracklearn.files import atomic
from tracklearn.report import Report, silent
from tracklearn.retrieval.neighbours import QUERIES_AT_ONCE, nearest_labels, unit_features
from tracklearn.voc.annotations import Voc
from tracklearn.voc.boxes import iou
from tracklearn.voc.disjoint import check_disjoint
from tracklearn.voc.image_sets import CLASSES

OVERLAP = 0.5  # PAPER §6.1


def precision_at_k(
    *,
    voc: str | Path,
    year: int,
    query_features: Sequence[str | Path],
    database_features: Sequence[str | Path],
    out: str | Path,
    k: int,
    classes: Sequence[str] = CLASSES,
    overlap: float = OVERLAP,
    report: Report = silent,
) -> dict[str, float]:
    """Find the `k` database windows nearest to each query by cosine, and count those of the query's class.

    Queries are the ground-truth windows of the evaluation images, difficult ones too. The database holds the proposals
    of the training images whose IoU with an object exceeds `overlap`; such a window has the class of the object with
    the largest IoU.

    Args:
        query_features, database_features: files of `extract_features` for the evaluation and the training images.
        out: JSON file of `k` and the result of `scores`.

    Returns:
        The means, and the numbers of queries and windows.

    Raises:
        UserError: no query, fewer than `k` windows, an image in both sets, or features that do not belong to the
            annotations.
    """
    photos = Voc(voc, year, classes=classes)
    check_disjoint(
        image_ids(database_features, 1),
        image_ids(query_features, 1),
        train_set="retrieval database",
        test_set="retrieval queries",
    )
    queries, labels = _queries(photos, query_features)
    database = _database(photos, database_features, overlap)
    found, windows_of_class = nearest_labels(queries, database, k=k, classes=len(classes), report=report)
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


def _queries(photos: Voc, feature_paths: Sequence[str | Path]) -> tuple[np.ndarray, np.ndarray]:
    """Features (Q, D) of length 1 and labels (Q,) of the ground-truth windows."""
    features, labels = [], []
    for part in open_parts(feature_paths, 1):
        objects = [photos.objects(image_id) for image_id in part.ids]
        annotated = np.concatenate([each.boxes for each in objects])
        rows = np.flatnonzero(part.is_gt)
        if not np.array_equal(part.boxes[rows], annotated):
            raise UserError(
                f"{part.files[0].filename}: its {len(rows)} ground-truth windows are not the {len(annotated)} objects "
                f"annotated in {photos.folder}; extract the features again, with ground truth"
            )
        features.append(unit_features(part, rows))
        labels.append(np.concatenate([each.labels for each in objects]))
    if not sum(map(len, labels)):
        raise UserError(f"{photos.folder}: no object is annotated in the evaluation images; retrieval needs queries")
    return np.concatenate(features), np.concatenate(labels)


def _database(
    photos: Voc, feature_paths: Sequence[str | Path], overlap: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features (n, D) of length 1 and labels (n,) of the proposals that show an object.

    At most `QUERIES_AT_ONCE` of them come at a time.
    """
    for part in open_parts(feature_paths, 1):
        chosen = [_proposals_on_objects(photos, part, image, overlap) for image in range(len(part.ids))]
        rows, labels = (np.concatenate(column) for column in zip(*chosen, strict=True))
        for start in range(0, len(rows), QUERIES_AT_ONCE):
            block = slice(start, start + QUERIES_AT_ONCE)
            yield unit_features(part, rows[block]), labels[block]


def _proposals_on_objects(photos: Voc, part: Part, image: int, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n,) of an image's proposals whose IoU with an object exceeds `overlap`, and their labels (n,)."""
    rows = part.rows(image)
    objects = photos.objects(part.ids[image])
    proposals = np.flatnonzero(~part.is_gt[rows])
    if not len(objects.boxes) or not len(proposals):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    overlaps = iou(part.boxes[rows][proposals], objects.boxes)  # (N, objects)
    on_object = overlaps.max(axis=1) > overlap
    return rows.start + proposals[on_object], objects.labels[overlaps.argmax(axis=1)[on_object]]
