"""VOC's evaluation server: the archive of detections that is submitted, and the scores that come back.

comp3 is detection with the challenge's own training data, comp4 with any other data
(http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html, section 8).
"""

import gzip
import io
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracklearn.detection.detect import Detections, read_detections
from tracklearn.errors import UserError, bad_lines
from tracklearn.files import atomic, read_text
from tracklearn.tables.cells import MEAN, Cell, row_metrics, write_cells, write_no_replicates
from tracklearn.voc.image_sets import CLASSES, read_image_set


def write_submission(
    *,
    voc: str | Path,
    year: int,
    image_set: str,
    detections: str | Path,
    external: bool,
    archive: str | Path,
    classes: Sequence[str] = CLASSES,
) -> dict[str, float]:
    """Write a tar.gz of `results/VOC{year}/Main/comp{3,4}_det_{image_set}_{class}.txt` for every class.

    A line is `image confidence left top right bottom`; pixels are counted from 1. The archive's bytes depend on the
    detections alone.

    Args:
        detections: file of `detect`.
        external: whether the training used other data than the challenge's own (comp4 instead of comp3).

    Raises:
        UserError: detections of other images than the set's.
    """
    ids, detections_by_class = read_detections(detections)
    if ids != read_image_set(voc, year=year, image_set=image_set):
        raise UserError(f"{detections}: its images are not those of {image_set!r}; run the detection again")
    competition = "comp4" if external else "comp3"
    with (
        atomic(archive) as path,
        gzip.GzipFile(path, "wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name in classes:
            text = "".join(_lines(ids, detections_by_class[name])).encode()
            member = tarfile.TarInfo(f"results/VOC{year}/Main/{competition}_det_{image_set}_{name}.txt")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    return {"classes": len(classes), "detections": sum(len(each.scores) for each in detections_by_class.values())}


def _lines(ids: Sequence[str], detections: Detections) -> Iterable[str]:
    for image, box, score in zip(detections.image, detections.boxes, detections.scores, strict=True):
        corners = " ".join(f"{corner + 1:.0f}" for corner in box)
        yield f"{ids[image]} {score:f} {corners}\n"


def server_cells(
    *,
    row: str,
    classes: Sequence[str],
    scores: str | Path | None,
    archive: str | Path,
    cells: Sequence[str | Path],
    replicates: str | Path,
    runs: Any = (),
) -> dict[str, float]:
    """Fill the cells of a row with the server's scores; a cell without a score says what to submit.

    The server gives no scores of single images, so there are no intervals and `replicates` is empty.

    Args:
        scores: file of `read_scores`; None before the server has answered.
        archive: the row's submission.
        cells: one JSON file a class, named after it, and mAP.json.
        replicates: npz as `write_row` writes it, of no draws.
        runs: ids of the runs that made the inputs, written to the cells.

    Raises:
        UserError: a line of `scores` has another form than `row class value`.
    """
    known = read_scores(scores, classes=classes) if scores else {}
    filled: dict[str, Cell] = {name: _cell(known.get((row, name)), row, name, scores, archive) for name in classes}
    values = [cell["value"] for cell in filled.values() if cell["value"] is not None]
    mean = float(np.mean(values)) if values else None
    filled[MEAN] = {
        "value": mean,
        "interval": None,
        "classes": len(values),
        "reason": "" if values else f"no scores of the server; submit {archive}",
    }
    write_cells(cells, filled, row=row, runs=runs)
    write_no_replicates(replicates, classes)
    return row_metrics(filled)


def read_scores(path: str | Path, *, classes: Sequence[str]) -> dict[tuple[str, str], float]:
    """Scores of the server in percent, by row id and class.

    The file has one score a line, `row class value`, separated by commas or blanks. Comments after a #, empty lines and
    a header `row class value` are skipped.

    Raises:
        UserError: some lines cannot be read; the message gives their numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; detection.server_scores must name a text file of `row class value` lines"
        )
    known: dict[tuple[str, str], float] = {}
    bad: dict[int, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        fields = line.split("#")[0].replace(",", " ").split()
        if not fields or fields == ["row", "class", "value"]:
            continue
        try:
            key, value = _score(fields, classes)
        except ValueError as error:
            bad[number] = str(error)
            continue
        if key in known:
            bad[number] = f"{' '.join(key)} was given before; remove one of the lines"
        known[key] = value
    if bad:
        raise bad_lines(path, bad)
    return known


def _score(fields: Sequence[str], classes: Sequence[str]) -> tuple[tuple[str, str], float]:
    """Row and class, and the score; or a ValueError with what is wrong in the line."""
    if len(fields) != 3:
        raise ValueError(f"{' '.join(fields)!r}; expected `row class value`")
    row, name, text = fields
    if name not in classes:
        raise ValueError(f"class {name!r}; expected one of {', '.join(classes)}")
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(f"value {text!r}; expected a percentage such as 47.4") from error
    if not 0 <= value <= 100:
        raise ValueError(f"value {text}; expected a percentage from 0 to 100")
    return (row, name), value


def _cell(value: float | None, row: str, name: str, scores: str | Path | None, archive: str | Path) -> Cell:
    reason = f"submit {archive} to the evaluation server and enter its scores in the file detection.server_scores"
    if value is None and scores:
        reason = f"{scores} has no line for {row} {name}; {reason}"
    return {"value": value, "interval": None, "reason": "" if value is not None else reason}
