"""The page that compares the detections of two rows: curves, differences, and objects that only one of them finds."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracklearn.detection.boxes_on_photos import COLOURS, Evaluated
from tracklearn.detection.curves import Curve, curve
from tracklearn.detection.errors_by_kind import RIGHT, Judged
from tracklearn.npz import read_arrays
from tracklearn.pages.plots import BLUE, ORANGE, Line, Plot
from tracklearn.pages.rendering import Picture, render
from tracklearn.tables.bootstrap import interval
from tracklearn.tables.cells import MEAN, Cell, read_cell
from tracklearn.voc.image_sets import CLASSES

PHOTOS = 3  # of a class and row


class Difference(NamedTuple):
    """Average precision of the two rows in percent, and the first minus the second; None where a row has none."""

    name: str
    values: tuple[float | None, float | None]
    difference: float | None
    interval: list[float] | None


class Found(NamedTuple):
    """Objects of a class by who finds them, each row with the boxes from its score of the best F1.

    Attributes:
        only: number of objects that only the first row finds, and that only the second one finds.
        pictures: some of them, in the same order.
    """

    name: str
    both: int
    neither: int
    only: list[int]
    pictures: list[list[Picture]]


def write_comparison(
    *,
    voc: str | Path,
    year: int,
    image_set: str,
    rows: Sequence[str],
    labels: Sequence[str],
    detections: Sequence[str | Path],
    cells: Sequence[Sequence[str | Path]],
    bootstraps: Sequence[str | Path],
    protocol: str,
    page: str | Path,
    classes: Sequence[str] = CLASSES,
) -> dict[str, float]:
    """Write the page.

    Args:
        rows, labels: ids of the two rows and their texts in the table.
        detections: file of `detect` of each row.
        cells: cells of Table 1 of each row.
        bootstraps: npz of `average_precision.write_row` of each row.
        protocol: name of the evaluation.
        page: the HTML file to write.

    Returns:
        Number of objects that only one row finds, by the row.

    Raises:
        UserError: detections of other images than the set's, or a photo that is unreadable.
    """
    images = Evaluated.read(voc, year=year, image_set=image_set, classes=classes)
    judged = [images.judged(path) for path in detections]
    by_class = [{cell["class"]: cell for cell in map(read_cell, paths)} for paths in cells]
    scored = [name for name in classes if not any(row[name]["reason"] for row in by_class)]
    found, plots = [], []
    for name in scored:
        pair = judged[0][name], judged[1][name]
        curves = curve(pair[0]), curve(pair[1])
        plots.append(_plot(name, rows, curves))
        found.append(_found(images, name, pair, curves))
    render(
        "detections_compared.html.jinja",
        page,
        rows=rows,
        labels=labels,
        protocol=protocol,
        colours=COLOURS,
        differences=differences(by_class, bootstraps, classes),
        plots=plots,
        found=found,
    )
    return {f"only_{row}": sum(each.only[place] for each in found) for place, row in enumerate(rows)}


def differences(
    cells: Sequence[dict[str, Cell]], bootstraps: Sequence[str | Path], classes: Sequence[str]
) -> list[Difference]:
    """Difference of the mean and of each class with its 95% interval by a paired bootstrap.

    Both rows are evaluated on the same draws of the images, so what an easy draw adds to both cancels out.
    """
    first, second = (read_arrays(path, MEAN, "replicates") for path in bootstraps)
    gaps = {MEAN: first[MEAN] - second[MEAN]}
    gaps |= dict(zip(classes, (first["replicates"] - second["replicates"]).T, strict=True))
    lines = []
    for name, gap in gaps.items():
        values = cells[0][name]["value"], cells[1][name]["value"]
        known = None not in values
        lines.append(
            Difference(name, values, values[0] - values[1] if known else None, interval(gap) if known else None)
        )
    return lines


def _found(images: Evaluated, name: str, pair: tuple[Judged, Judged], curves: tuple[Curve, Curve]) -> Found:
    missed = [set(judged.missed_above(points.best)) for judged, points in zip(pair, curves, strict=True)]
    only = missed[1] - missed[0], missed[0] - missed[1]
    both = int(pair[0].positives.sum()) - len(missed[0] | missed[1])
    pictures = [
        [images.picture_of_box(judged, box) for box in _boxes_of(judged, objects)[:PHOTOS]]
        for judged, objects in zip(pair, only, strict=True)
    ]
    return Found(name, both, len(missed[0] & missed[1]), [*map(len, only)], pictures)


def _boxes_of(judged: Judged, objects: set[tuple[int, int]]) -> list[int]:
    """The right boxes that find some objects, by falling score."""
    return [
        box
        for box in np.flatnonzero(judged.of_kind(RIGHT)).tolist()
        if (int(judged.detections.image[box]), int(judged.object[box])) in objects
    ]


def _plot(name: str, rows: Sequence[str], curves: Sequence[Curve]) -> Plot:
    lines = [
        Line(row, colour, points.recall, points.precision, points.at(points.best) if points.f1.any() else None)
        for row, colour, points in zip(rows, (BLUE, ORANGE), curves, strict=True)
        if len(points.score)
    ]
    return Plot(name, "recall", 0, 1, lines)
