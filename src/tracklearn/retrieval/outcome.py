"""What a retrieval found: its figures with intervals, and the nearest windows of every query."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NotRequired, TypedDict, Unpack

import numpy as np

from tracklearn.npz import write_arrays
from tracklearn.retrieval.labelled import LabelledWindows
from tracklearn.retrieval.neighbours import NOBODY
from tracklearn.tables.bootstrap import finite_mean, image_draws
from tracklearn.tables.cells import write_figures


class Outputs(TypedDict):
    """What is written of a system, and where.

    Attributes:
        draws: number of bootstrap samples of the query images.
        cell, replicates: files, as in `tables.cells.write_figures`.
        nearest: npz file; see `write_nearest`.
        runs: ids of the runs that made the inputs.
    """

    draws: int
    cell: str | Path
    replicates: str | Path
    nearest: str | Path
    runs: NotRequired[Any]


def write_outcome(
    queries: LabelledWindows,
    database: LabelledWindows,
    neighbours: np.ndarray,
    scores: np.ndarray,
    *,
    classes: Sequence[str],
    shared: Mapping[str, Any] = MappingProxyType({}),
    **outputs: Unpack[Outputs],
) -> dict[str, float]:
    """Write the cell of a system, its replicates and the windows nearest to each query.

    Args:
        neighbours: indices (Q, k) of the windows nearest to each query, the best first (see `Nearest.ranked`).
        scores: (Q, k) of these windows.
        shared: further entries of the cell.
        outputs: see `Outputs`.

    Returns:
        The figures and the counts.
    """
    found = neighbours != NOBODY
    correct = found & (database.labels[neighbours] == queries.labels[:, None])  # (Q, k)
    by_image = image_sums(correct, queries, len(classes))
    values = {name: float(value[0]) for name, value in figures(by_image, np.ones((1, len(queries.ids)))).items()}
    counts = {
        "queries": len(queries),
        "windows": len(database),
        "images": len(queries.ids),
        "queries_without_neighbours": int((~found.any(axis=1)).sum()),
    }
    chance = 100 * np.bincount(database.labels, minlength=len(classes)) / len(database)  # (C,)
    write_nearest(outputs["nearest"], queries, database, neighbours, scores)
    write_figures(
        outputs["cell"],
        outputs["replicates"],
        values=values,
        draws=figures(by_image, image_draws(len(queries.ids), outputs["draws"])),
        chance=float(chance[queries.labels].mean()),
        k=neighbours.shape[1],
        classes=len(np.unique(queries.labels)),
        **counts,
        by_class=_by_class(by_image, chance, classes),
        runs=outputs.get("runs", ()),
        **shared,
    )
    return values | counts


def image_sums(correct: np.ndarray, queries: LabelledWindows, classes: int) -> np.ndarray:
    """Sums over each image's queries of each class: precision, hit and 1, in percent but the last: (3, I, C)."""
    places = queries.images * classes + queries.labels
    each = 100 * correct.mean(axis=1), 100 * correct.any(axis=1), np.ones(len(correct))  # (Q,) each
    sums = [np.bincount(places, values, len(queries.ids) * classes) for values in each]
    return np.reshape(sums, (3, len(queries.ids), classes))


def figures(by_image: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Precision and hit rate in percent for each of B weightings of the images, (B,) by name.

    The precision is the share of the k nearest windows that are of the query's class, the hit rate the share of queries
    with such a window. Each is a mean over queries, and a mean over the classes of their means over queries.
    ASSUME: the paper's "retrieval rate" is the precision as a mean over queries. It gives 19% for a random network, far
    above the 5% that random windows reach as a mean over 20 classes; a mean over queries is higher, since persons are
    many.

    Args:
        by_image: (3, I, C) of `image_sums`.
        weights: (B, I), how often each image counts.
    """
    precision, hit, count = weights @ by_image  # (B, C) each
    with np.errstate(invalid="ignore"):
        return {
            "precision": precision.sum(axis=1) / count.sum(axis=1),
            "hit_rate": hit.sum(axis=1) / count.sum(axis=1),
            "precision_class_mean": finite_mean(precision / count),
            "hit_rate_class_mean": finite_mean(hit / count),
        }


def write_nearest(
    path: str | Path, queries: LabelledWindows, database: LabelledWindows, neighbours: np.ndarray, scores: np.ndarray
) -> None:
    """Write the windows nearest to each query.

    The npz file holds of the queries `image` (Q,) image ids, `object` (Q,) places in their annotations, `box` (Q, 4)
    and `label` (Q,); of the windows `database` (I,) image ids, `nearest_image` (Q, k) indices into these ids, -1 where
    a query has no neighbour, `nearest_box` (Q, k, 4), `nearest_label` (Q, k) and `score` (Q, k), the best first.
    """
    known = np.where(neighbours == NOBODY, 0, neighbours)
    write_arrays(
        path,
        image=np.array(queries.ids)[queries.images],
        object=queries.rows,
        box=queries.boxes,
        label=queries.labels,
        database=np.array(database.ids),
        nearest_image=np.where(neighbours == NOBODY, NOBODY, database.images[known]).astype(np.int32),
        nearest_box=database.boxes[known],
        nearest_label=database.labels[known].astype(np.int32),
        score=scores.astype(np.float32),
    )


def _by_class(by_image: np.ndarray, chance: np.ndarray, classes: Sequence[str]) -> dict[str, dict[str, object]]:
    """Figures of each class; those of a class without queries are None and have a reason."""
    precision, hit, count = by_image.sum(axis=1)  # (C,) each
    return {
        name: {
            "precision": precision[label] / count[label] if count[label] else None,
            "hit_rate": hit[label] / count[label] if count[label] else None,
            "chance": chance[label],
            "queries": int(count[label]),
            "reason": None if count[label] else "no object of this class in the evaluation images",
        }
        for label, name in enumerate(classes)
    }
