"""The pages of a row's detections: one of the row, and one of each class."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracklearn.detection.boxes_on_photos import COLOURS, Evaluated
from tracklearn.detection.curves import Curve, curve, thresholds
from tracklearn.detection.errors_by_kind import IGNORED, KINDS, MISSED, RIGHT, WRONG, Judged, average_precision
from tracklearn.pages.plots import BLUE, GREY, ORANGE, Line, Plot
from tracklearn.pages.rendering import Picture, render
from tracklearn.tables.cells import MEAN, Cell, read_cell
from tracklearn.voc.boxes import areas
from tracklearn.voc.image_sets import CLASSES

PHOTOS = 6  # of a section, a line of the page
MEANINGS = {
    RIGHT: "The box overlaps an object of the class by 0.5 or more, and it is the first box to find this object.",
    **WRONG,
    MISSED: "An object, difficult ones aside, that none of these boxes finds.",
}
BAR_COLOURS = dict(zip((RIGHT, *WRONG), (BLUE, "#e69f00", "#f0e442", "#cc79a7", "#999999"), strict=True))


class KindCount(NamedTuple):
    """A line of the table of kinds.

    Attributes:
        of_best: count among the N best boxes, N being the number of objects (Hoiem et al.).
        of_f1: count among the boxes from the threshold of the best F1.
        of_all: count among all boxes.
        gain: what average precision would gain, in percent, without these errors; None for right boxes, and for missed
            objects if every object is missed.
    """

    kind: str
    meaning: str
    of_best: int
    of_f1: int
    of_all: int
    gain: float | None


class ClassSummary(NamedTuple):
    """A class on the row's page."""

    name: str
    cell: Cell
    kinds: Sequence[KindCount]
    best_f1: float | None
    threshold: float | None


def write_pages(
    *,
    voc: str | Path,
    year: int,
    image_set: str,
    detections: str | Path,
    cells: Sequence[str | Path],
    row: str,
    label: str,
    protocol: str,
    page: str | Path,
    class_pages: Sequence[str | Path],
    classes: Sequence[str] = CLASSES,
) -> dict[str, float]:
    """Write the page of a row, and a page of each class: curves, thresholds, kinds of errors, and boxes on photos.

    Args:
        detections: file of `detect`.
        cells: the row's cells of Table 1.
        row, label: the row's id and its text in the table.
        protocol: name of the evaluation.
        page, class_pages: the HTML files to write. Those of the classes lie in a folder named after the row.

    Returns:
        Number of `pictures` on all pages.

    Raises:
        UserError: detections of other images than the set's, or a photo that is unreadable.
    """
    images = Evaluated.read(voc, year=year, image_set=image_set, classes=classes)
    judged_classes = images.judged(detections)
    by_class = {cell["class"]: cell for cell in map(read_cell, cells)}
    shared = {"row": row, "label": label, "protocol": protocol, "colours": COLOURS, "classes": classes}
    summaries, pictures = [], 0
    for name, class_page in zip(classes, class_pages, strict=True):
        judged, cell = judged_classes[name], by_class[name]
        points = curve(judged)
        summaries.append(_summary(name, cell, judged, points))
        sections = {} if cell["reason"] else _sections(images, judged, points.best)
        pictures += sum(map(len, sections.values()))
        render(
            "detections_class.html.jinja",
            class_page,
            name=name,
            cell=cell,
            summary=summaries[-1],
            thresholds=thresholds(points),
            plots=plots(points) if len(points.score) else [],
            sections=sections,
            **shared,
        )
    shown = {"mean": by_class[MEAN], "summaries": summaries, "meanings": MEANINGS, "bar_colours": BAR_COLOURS}
    render("detections_row.html.jinja", page, **shown, **shared)
    return {"pictures": pictures}


def count_kinds(judged: Judged, best: float) -> list[KindCount]:
    """The counts of each kind, right boxes first and missed objects last.

    Args:
        best: the score of the best F1.
    """
    counted = judged.kind[~judged.of_kind(IGNORED)]
    total = int(judged.positives.sum())
    whole = average_precision(judged)
    taken = (judged.detections.scores >= best)[~judged.of_kind(IGNORED)]
    lines = []
    for kind, meaning in MEANINGS.items():
        chosen = counted == KINDS.index(RIGHT if kind == MISSED else kind)
        of_best, of_f1, of_all = (int(part.sum()) for part in (chosen[:total], chosen[taken], chosen))
        if kind == MISSED:
            of_best, of_f1, of_all = total - of_best, total - of_f1, total - of_all
        unknown = kind == RIGHT or (kind == MISSED and of_all == total)
        gain = None if unknown else average_precision(judged, without=kind) - whole
        lines.append(KindCount(kind, meaning, of_best, of_f1, of_all, gain))
    return lines


def _summary(name: str, cell: Cell, judged: Judged, points: Curve) -> ClassSummary:
    if cell["reason"]:
        return ClassSummary(name, cell, [], None, None)
    found = bool(np.isfinite(points.best))
    best_f1 = float(points.f1.max()) if found else None
    return ClassSummary(name, cell, count_kinds(judged, points.best), best_f1, points.best if found else None)


def _sections(images: Evaluated, judged: Judged, best: float) -> dict[str, list[Picture]]:
    """The best right boxes, the worst wrong ones, and the largest of the objects missed at the score of the best F1."""
    right, ignored = judged.of_kind(RIGHT), judged.of_kind(IGNORED)
    missed = judged.missed_above(best)
    missed.sort(key=lambda each: -areas(images.objects[each[0]].boxes)[each[1]])
    return {
        "right": [images.picture_of_box(judged, box) for box in np.flatnonzero(right)[:PHOTOS]],
        "wrong": [images.picture_of_box(judged, box) for box in np.flatnonzero(~right & ~ignored)[:PHOTOS]],
        "missed": [images.picture_of_object(judged, *each, threshold=best) for each in missed[:PHOTOS]],
    }


def plots(points: Curve) -> list[Plot]:
    """Precision against recall, beside the highest precision at this recall or above; and all figures by score."""
    best = points.at(points.best) if np.isfinite(points.best) else None
    # A step at each recall: average precision is the area below these steps.
    highest = np.maximum.accumulate(points.precision[::-1])[::-1]
    steps = Line(
        "highest at this recall or above", BLUE, np.repeat(np.r_[0, points.recall], 2)[1:-1], np.repeat(highest, 2)
    )
    by_score = {"precision": (points.precision, BLUE), "recall": (points.recall, ORANGE), "F1": (points.f1, GREY)}
    low, high = float(points.score[-1]), float(points.score[0])
    return [
        Plot(
            "Precision and recall",
            "recall",
            0,
            1,
            [Line("precision", GREY, points.recall, points.precision, best), steps],
        ),
        Plot(
            "At a score",
            "score",
            low,
            high,
            [
                Line(name, colour, points.score, y, best if name == "F1" else None)
                for name, (y, colour) in by_score.items()
            ],
        ),
    ]
