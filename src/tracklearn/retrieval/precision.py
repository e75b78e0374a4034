"""Retrieval without fine-tuning: do the windows nearest to an object show its class? (paper §6.1)"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from tracklearn.errors import UserError
from tracklearn.features import store as features_file
from tracklearn.features.store import Part
from tracklearn.files import atomic
from tracklearn.report import Report, silent
from tracklearn.voc.annotations import Voc
from tracklearn.voc.boxes import iou
from tracklearn.voc.disjoint import check_disjoint
from tracklearn.voc.image_sets import CLASSES

BLOCK = 2048  # windows compared at once: a block of pool5 in float32 takes 75 MB


def precision_at_k(
    *,
    voc: str | Path,
    year: int,
    query_features: Sequence[str | Path],
    database_features: Sequence[str | Path],
    out: str | Path,
    k: int = 20,  # PAPER §6.1
    classes: Sequence[str] = CLASSES,
    overlap: float = 0.5,  # PAPER §6.1
    report: Report = silent,
) -> dict[str, float]:
    """Find the `k` nearest database windows of each query by cosine, and count those of the query's class.

    Queries are the ground-truth windows of the evaluation images, difficult ones too. The database holds the proposals
    of the training images whose IoU with an object exceeds `overlap`; a window is of the class of the object that it
    overlaps best.

    Args:
        query_features, database_features: files of `extract_features` for the evaluation and the training images.
        out: JSON with precision and hit rate (share of queries with a right window among the k), in percent, for each
            class, as a mean over queries and over classes, and the precision that chance would reach.

    Returns:
        The means, and the numbers of queries and windows.

    Raises:
        UserError: no query, fewer than `k` windows, an image on both sides, or features of other annotations.
    """
    photos = Voc(voc, year, classes=classes)
    check_disjoint(
        features_file.image_ids(database_features, 1), features_file.image_ids(query_features, 1),
        train_set="retrieval database", test_set="retrieval queries",
    )  # fmt: skip
    queries, labels = _queries(photos, query_features)
    blocks = database(photos, database_features, overlap=overlap)
    found, windows = nearest(queries, blocks, k=k, classes=len(classes), report=report)
    if windows.sum() < k:
        raise UserError(
            f"retrieval.k is {k}, but only {windows.sum()} training windows overlap an object by more than {overlap}; "
            "lower it or make more proposals"
        )
    result = scores(found == labels[:, None], labels, windows, classes=classes)
    with atomic(out) as path:
        path.write_text(json.dumps({"k": k, **result}, indent=1))
    return {name: value for name, value in result.items() if isinstance(value, int | float)}


def scores(right: np.ndarray, labels: np.ndarray, windows: np.ndarray, *, classes: Sequence[str]) -> dict[str, object]:
    """Figures in percent from `right` (Q, k), the classes of the queries (Q,) and the windows of each class (C,).

    `precision` is the mean over queries. ASSUME: the paper says "retrieval rate" only, but its 19% for a random network
    is far above the 5% that a mean over 20 classes has by chance, and a mean over queries has more by the many persons.
    """
    precision = np.asarray(100 * right.mean(axis=1))  # (Q,)
    hit = np.asarray(100.0 * right.any(axis=1))
    chance = 100 * windows / windows.sum()  # (C,)
    cells: dict[str, dict[str, object]] = {}
    for label, name in enumerate(classes):
        own = labels == label
        cells[name] = {
            "precision": float(precision[own].mean()) if own.any() else None,
            "hit_rate": float(hit[own].mean()) if own.any() else None,
            "chance": float(chance[label]),
            "queries": int(own.sum()),
            "windows": int(windows[label]),
            "reason": None if own.any() else "no object of this class in the evaluation images",
        }
    asked = np.unique(labels)
    return {
        "precision": float(precision.mean()),
        "hit_rate": float(hit.mean()),
        "chance": float(chance[labels].mean()),
        "precision_class_mean": float(np.mean([precision[labels == label].mean() for label in asked])),
        "hit_rate_class_mean": float(np.mean([hit[labels == label].mean() for label in asked])),
        "queries": len(labels),
        "windows": int(windows.sum()),
        "classes": cells,
    }


def nearest(
    queries: np.ndarray,
    blocks: Iterator[tuple[np.ndarray, np.ndarray]],
    *,
    k: int,
    classes: int,
    report: Report = silent,
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (Q, k) of the `k` windows of highest cosine, -1 where there are fewer; number of windows of each class.

    Args:
        queries: (Q, D) float32 of length 1.
        blocks: unit features (n, D) and labels (n,) of database windows, a block at a time.
    """
    best = np.full((len(queries), k), -np.inf, np.float32)
    labels = np.full((len(queries), k), -1)
    windows = np.zeros(classes, np.int64)
    for features, block_labels in blocks:
        windows += np.bincount(block_labels, minlength=classes)
        for start in range(0, len(queries), BLOCK):
            rows = slice(start, start + BLOCK)
            cosines = np.hstack([best[rows], queries[rows] @ features.T])  # (q, k + n)
            names = np.hstack([labels[rows], np.broadcast_to(block_labels, (len(cosines), len(block_labels)))])
            kept = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
            best[rows] = np.take_along_axis(cosines, kept, axis=1)
            labels[rows] = np.take_along_axis(names, kept, axis=1)
        report(int(windows.sum()), {"windows_compared": float(windows.sum())})
    return labels, windows


def database(photos: Voc, features: Sequence[str | Path], *, overlap: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Unit features (n, D) and labels (n,) of the proposals that show an object, at most `BLOCK` at a time."""
    for part in features_file.opened(features, 1):
        chosen = [_proposals_on_objects(photos, part, image, overlap) for image in range(len(part.ids))]
        rows, labels = (np.concatenate(column) for column in zip(*chosen, strict=True))
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            yield _unit(part, rows[block]), labels[block]


def _proposals_on_objects(photos: Voc, part: Part, image: int, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    rows = part.rows(image)
    objects = photos.objects(part.ids[image])
    proposals = np.flatnonzero(~part.is_gt[rows])
    if not len(objects.boxes) or not len(proposals):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    shared = iou(part.boxes[rows][proposals], objects.boxes)  # (N, objects)
    on_object = shared.max(axis=1) > overlap
    return rows.start + proposals[on_object], objects.labels[shared.argmax(axis=1)[on_object]]


def _queries(photos: Voc, features: Sequence[str | Path]) -> tuple[np.ndarray, np.ndarray]:
    """Unit features (Q, D) and labels (Q,) of the ground-truth windows."""
    values, labels = [], []
    for part in features_file.opened(features, 1):
        objects = [photos.objects(image_id) for image_id in part.ids]
        annotated = np.concatenate([each.boxes for each in objects])
        rows = np.flatnonzero(part.is_gt)
        if not np.array_equal(part.boxes[rows], annotated):
            raise UserError(
                f"{part.files[0].filename}: its {len(rows)} ground-truth windows are not the {len(annotated)} objects "
                f"annotated in {photos.folder}; extract the features again, with ground truth"
            )
        values.append(_unit(part, rows))
        labels.append(np.concatenate([each.labels for each in objects]))
    if not sum(map(len, labels)):
        raise UserError(f"{photos.folder}: no object is annotated in the evaluation images; retrieval needs queries")
    return np.concatenate(values), np.concatenate(labels)


def _unit(part: Part, rows: np.ndarray) -> np.ndarray:
    """Features of single windows (n, D) float32, each of length 1; a window without any response stays 0.

    Read through a memory map: HDF5 picks scattered rows slowly, and one window in a hundred shows an object.
    """
    data: h5py.Dataset = part.files[0]["features"]
    if not len(rows):
        return np.zeros((0, data.shape[1]), np.float32)
    mapped = np.memmap(part.files[0].filename, data.dtype, "r", data.id.get_offset(), data.shape)
    features = mapped[rows].astype(np.float32)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)
