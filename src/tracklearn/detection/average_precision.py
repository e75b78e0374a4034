"""Average precision as PASCAL VOC scores it, with intervals from a bootstrap over the evaluation images."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tracklearn.detection.detect import Detections, read_detections
from tracklearn.errors import UserError
from tracklearn.machine.limits import BOOTSTRAP_VALUES
from tracklearn.npz import read_arrays, write_arrays
from tracklearn.tables.bootstrap import finite_mean, image_draws, interval
from tracklearn.tables.cells import (
    MEAN,
    Cell,
    row_metrics,
    write_cells,
    write_empty_cell,
    write_figures,
    write_no_replicates,
)
from tracklearn.voc.annotations import Objects, Voc
from tracklearn.voc.boxes import iou
from tracklearn.voc.image_sets import CLASSES

OVERLAP = 0.5  # VOC: least intersection over union of a correct detection with its object


class Scored(NamedTuple):
    """Average precision of a row in percent.

    Attributes:
        cells: of the classes and of their mean, by name. The cell of a class without an SVM is empty and states why.
        by_class, means: replicates of the classes (B, C) and of the mean (B,); see `image_draws`.
        images: number of evaluation images.
    """

    cells: dict[str, Cell]
    by_class: np.ndarray
    means: np.ndarray
    images: int


def score(
    *,
    voc: str | Path,
    year: int,
    image_set: str,
    detections: str | Path,
    svms: str | Path,
    classes: Sequence[str] = CLASSES,
    draws: int,
    seed: int = 0,
) -> Scored:
    """Average precision of a row's detections, of each class and their mean.

    Args:
        detections, svms: files of `detect` and `train_svms`.
        draws: number of bootstrap samples of the images.

    Raises:
        UserError: detections of other images than the set's, or a damaged file.
    """
    photos = Voc(voc, year, classes=classes)
    ids, detections_by_class = read_detections(detections)
    if ids != photos.images(image_set):
        raise UserError(f"{detections}: its images are not those of {image_set!r}; run the detection again")
    stored = read_arrays(svms, "classes", "reasons")
    reasons = dict(zip(stored["classes"].tolist(), stored["reasons"].tolist(), strict=True))
    objects = [photos.objects(image_id) for image_id in ids]
    times_drawn = image_draws(len(ids), draws, seed=seed)
    filled: dict[str, Cell] = {}
    by_class = np.full((draws, len(classes)), np.nan)
    for label, name in enumerate(classes):
        filled[name], by_class[:, label] = _evaluate(
            detections_by_class[name], objects, label, times_drawn, reasons[name]
        )
    means = finite_mean(by_class)
    filled[MEAN] = mean_cell(filled, means)
    return Scored(filled, by_class, means, len(ids))


def write_row(
    scored: Scored, *, row: str, cells: Sequence[str | Path], replicates: str | Path, runs: Any = ()
) -> dict[str, float]:
    """Fill the cells of a row of Table 1.

    Args:
        cells: one JSON file a class, named after it, and mAP.json.
        replicates: npz of replicates (draws, C) and mAP (draws,), in percent.
        runs: ids of the runs that made the inputs, written to the cells.

    Returns:
        The values of the cells, in percent.
    """
    write_cells(cells, scored.cells, row=row, images=scored.images, runs=runs)
    classes = [name for name in scored.cells if name != MEAN]
    write_arrays(replicates, replicates=scored.by_class, mAP=scored.means, classes=classes)
    return row_metrics(scored.cells)


def write_in_one_cell(scored: Scored, *, cell: str | Path, replicates: str | Path, runs: Any = ()) -> dict[str, float]:
    """Fill the single cell of a row of section 6; without a mean it is empty, and the replicates are of no draws.

    Args:
        cell: the JSON file of the mean's cell, with the classes' cells under `classes`.
        replicates: npz of the replicates mAP (draws,), in percent.
        runs: as in `write_row`.

    Returns:
        The values of the cells, in percent; none without a mean.
    """
    classes = {name: cell for name, cell in scored.cells.items() if name != MEAN}
    mean = scored.cells[MEAN]
    if mean["value"] is None:
        reason = "no class has both an SVM and an object in the evaluation images; label more images"
        write_empty_cell(cell, reason=reason, runs=runs)
        write_no_replicates(replicates, list(classes))
        return {}
    shared = {"classes": classes, "classes_in_mean": mean["classes"], "images": scored.images, "runs": runs}
    write_figures(cell, replicates, values={MEAN: mean["value"]}, draws={MEAN: scored.means}, **shared)
    return row_metrics(scored.cells)


def match(detections: Detections, objects: Sequence[Objects], label: int) -> tuple[np.ndarray, np.ndarray]:
    """Decide which detections of a class are correct (VOCevaldet.m of the development kit).

    Each detection, best score first, is compared with the object of its class and image that it overlaps most. With an
    overlap of at least 0.5, the first detection of an object is a hit and every later one is false. A detection that
    overlaps a difficult object by at least 0.5 does not count. A detection with a smaller overlap is false.

    Args:
        objects: of every image, (I,).
        label: index of the class.

    Returns:
        image_of_detection (M,) and hit (M,) bool of the detections that count, by falling score (equal scores: the
        earlier first).
    """
    order = np.argsort(-detections.scores, kind="stable")
    image_of_detection, boxes = detections.image[order], detections.boxes[order]
    hit, counted = np.zeros(len(order), bool), np.ones(len(order), bool)
    # Groups the images; within an image the score still falls.
    by_image = np.argsort(image_of_detection, kind="stable")
    starts = np.flatnonzero(np.diff(image_of_detection[by_image], prepend=-1))
    for detections_of_image in np.split(by_image, starts[1:]) if len(order) else []:
        objects_of_image = objects[image_of_detection[detections_of_image[0]]]
        of_class = objects_of_image.labels == label
        if of_class.any():
            chosen = Objects(*(values[of_class] for values in objects_of_image))
            hit[detections_of_image], counted[detections_of_image] = _match_image(boxes[detections_of_image], chosen)
    return image_of_detection[counted], hit[counted]


def _match_image(boxes: np.ndarray, objects: Objects) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes (N, 4), best first, are hits and which count, (N,) bool each."""
    overlaps = iou(boxes, objects.boxes)
    best = overlaps.argmax(axis=1)
    near = overlaps.max(axis=1) >= OVERLAP
    counted = ~(near & objects.difficult[best])
    hit = np.zeros(len(boxes), bool)
    # The hits are the first near box of each object; `unique` returns the first index of each value.
    candidates = np.flatnonzero(near & counted)
    hit[candidates[np.unique(best[candidates], return_index=True)[1]]] = True
    return hit, counted


def average_precisions(
    image_of_detection: np.ndarray, hit: np.ndarray, positives: np.ndarray, times_drawn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average precision of ranked detections for each draw of the images.

    Over all points, as in VOC 2010 and later: sum over hits of (recall gained) x (highest precision at this recall or
    above). Over 11 points, as in VOC 2007: mean over recall 0, 0.1, ..., 1 of the highest precision at this recall or
    above.

    Args:
        image_of_detection: (M,) index of each detection's image, by falling score.
        hit: (M,) bool.
        positives: (I,) objects in each image that are not difficult.
        times_drawn: (B, I) how often each draw holds an image.

    Returns:
        Both figures, (B,) each, from 0 to 1; NaN where a draw holds no object.
    """
    last = int(np.flatnonzero(hit)[-1]) + 1 if hit.any() else 0
    # Detections after the last hit change neither figure.
    image_of_detection, hit = image_of_detection[:last], hit[:last]
    # The parts of several draws have at least two draws each: NumPy adds the values of a single row in another order.
    parts = max(1, min(len(times_drawn) // 2, ceil(len(times_drawn) * last / BOOTSTRAP_VALUES)))
    figures = [
        _average_precisions(image_of_detection, hit, part @ positives, part)
        for part in np.array_split(times_drawn, parts)
    ]
    over_all_points, over_11_points = (np.concatenate(figure) for figure in zip(*figures, strict=True))
    return over_all_points, over_11_points


def _average_precisions(
    image_of_detection: np.ndarray, hit: np.ndarray, total: np.ndarray, times_drawn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both figures of draws `times_drawn` (B, I) that hold `total` (B,) objects."""
    weights = times_drawn[:, image_of_detection]  # (B, M)
    gained = weights[:, hit]  # (B, hits)
    hits = np.cumsum(gained, axis=1)
    seen = np.cumsum(weights, axis=1)[:, hit]
    precision = hits / np.maximum(seen, 1)
    # The highest precision at this recall or above. A hit that is not drawn has weight 0 in the sum.
    highest = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    with np.errstate(invalid="ignore"):
        over_all_points = (gained * highest).sum(axis=1) / total
    over_11_points = np.zeros(len(times_drawn))
    for tenth in range(11):
        reached = 10 * hits >= tenth * total[:, None]
        over_11_points += np.where(reached, precision, 0).max(axis=1, initial=0)
    return over_all_points, np.where(total > 0, over_11_points / 11, np.nan)


def mean_cell(cells: Mapping[str, Cell], means: np.ndarray) -> Cell:
    """Mean of the classes' values, the number of these classes, and the interval of the means (B,)."""
    known = [cell for cell in cells.values() if cell["value"] is not None]
    return {
        "value": float(np.mean([cell["value"] for cell in known])) if known else None,
        "value_11point": float(np.mean([cell["value_11point"] for cell in known])) if known else None,
        "interval": interval(means) if known else None,
        "classes": len(known),
        "reason": "" if known else "no class has a value",
    }


def _evaluate(
    detections: Detections, objects: Sequence[Objects], label: int, times_drawn: np.ndarray, reason: str
) -> tuple[Cell, np.ndarray]:
    """Cell of one class and its replicates (B,), in percent."""
    positives = np.array([((each.labels == label) & ~each.difficult).sum() for each in objects])
    cell: Cell = {"value": None, "value_11point": None, "interval": None, "positives": int(positives.sum())}
    if not positives.any():
        reason = reason or "no object of this class, difficult ones aside, in the evaluation images"
    if reason:
        return cell | {"reason": reason}, np.full(len(times_drawn), np.nan)
    image_of_detection, hit = match(detections, objects, label)
    once = np.ones((1, len(objects)), np.int32)
    values = [float(100 * figure[0]) for figure in average_precisions(image_of_detection, hit, positives, once)]
    replicates = 100 * average_precisions(image_of_detection, hit, positives, times_drawn)[0]
    cell |= {"value": values[0], "value_11point": values[1], "interval": interval(replicates), "reason": ""}
    return cell | {"detections": len(detections.scores), "hits": int(hit.sum())}, replicates
