"""Table 1: the cells of its rows, beside the paper's numbers."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracklearn.files import read_json
from tracklearn.npz import read_arrays
from tracklearn.settings.base import Block
from tracklearn.settings.tables import Row
from tracklearn.tables.bootstrap import interval
from tracklearn.tables.cells import MEAN, Cell, read_cell
from tracklearn.tables.formats import grid, write_csv, write_markdown
from tracklearn.tables.versions import NOTE, mixed_versions

Cells = Mapping[tuple[str, str], Cell]  # by row and class

PAPER = Path(__file__).with_name("paper") / "table1.csv"  # as printed
PAPER_PROTOCOL = "VOC 2012 test, by the server"
DIFFERENCES = ("row", "against", "difference", "low", "high", "above_0")


def table1(
    *,
    rows: Sequence[Block],
    classes: Sequence[str],
    cells: Sequence[str | Path],
    external: str | Path,
    bootstraps: Sequence[str | Path],
    comparisons: Sequence[Sequence[str]],
    protocol: str,
    of_voc: bool = True,
    table: str | Path,
    markdown: str | Path,
    differences: str | Path,
    paper: str | Path = PAPER,
    versions: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Join the cells of Table 1 (PAPER Table 1: average precision by class on VOC 2012, in percent).

    Args:
        rows: blocks `settings.tables.Row`, in the order of the table.
        classes: columns, in their order.
        cells: one JSON file for each row and class, and for each row's mean.
        external: JSON of the column of external data, {row id: text}.
        bootstraps: one npz file a row, named after the row, with `mAP` (B,): its mean over draws of test images that
            are the same for every row.
        comparisons: pairs of row ids [better, worse], whose differences are computed.
        protocol: name of the evaluation that made the cells.
        of_voc: whether the images are VOC's; only then the paper's numbers stand beside ours.
        table, markdown, differences: the files to write.
        paper: the paper's Table 1 as CSV.
        versions: number of runs behind this table by library and version.

    Returns:
        mAP of each row that has one, in percent.
    """
    settings = [Row.read(row) for row in rows]
    by_key = {(cell["row"], cell["class"]): cell for cell in map(read_cell, cells)}
    texts = read_json(external)
    labels = {row.id: {"row": row.label, "external": texts[row.id]} for row in settings}
    compared = compare(comparisons, by_key, {Path(path).stem: read_arrays(path, MEAN)[MEAN] for path in bootstraps})
    write_csv(table, [_csv_row(row.id, labels[row.id], classes, by_key) for row in settings])
    write_csv(differences, compared, DIFFERENCES)
    printed = paper_rows(paper) if of_voc else {}
    sections = _sections(settings, labels, classes, by_key, printed, protocol)
    if compared:
        words = "Paired bootstrap over the test images, in points of mAP."
        sections += ["## Differences between rows", words, grid(compared)]
    if mixed := mixed_versions(versions):
        sections += ["## Library versions", NOTE, grid(mixed)]
    write_markdown(markdown, sections)
    values = {row.id: by_key[row.id, MEAN]["value"] for row in settings}
    return {f"mAP.{row}": value for row, value in values.items() if value is not None}


def paper_rows(path: str | Path) -> dict[tuple[str, str], dict[str, float]]:
    """The paper's rows by label and external data (three rows share one label): class or mAP -> percent."""
    with open(path, newline="") as file:
        return {
            (row.pop("row"), row.pop("external")): {column: float(value) for column, value in row.items()}
            for row in csv.DictReader(file)
        }


def compare(
    comparisons: Sequence[Sequence[str]], cells: Cells, replicates: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    """Difference in mAP of two rows with its 95% interval by a paired bootstrap, under the names of `DIFFERENCES`.

    Both rows are evaluated on the same draws of test images, so what an easy draw adds to both cancels out. A row
    without a mean, or one that the evaluation server scored, has no difference: its fields are "".
    """
    compared: list[dict[str, Any]] = []
    for better, worse in comparisons:
        means = [cells[row, MEAN]["value"] for row in (better, worse)]
        gaps = np.empty(0) if None in means else replicates[better] - replicates[worse]  # (B,)
        values: list[Any] = [""] * 4
        if bounds := interval(gaps):
            above = float(np.mean(gaps[np.isfinite(gaps)] > 0))
            values = [round(value, 2) for value in (means[0] - means[1], *bounds)] + [round(above, 3)]
        compared.append(dict(zip(DIFFERENCES, (better, worse, *values), strict=True)))
    return compared


def _csv_row(row: str, label: Mapping[str, str], classes: Sequence[str], cells: Cells) -> dict[str, Any]:
    """A row with this id, whose first columns are `label`."""
    mean = cells[row, MEAN]
    low, high = mean["interval"] or (None, None)
    values = {name: cells[row, name]["value"] for name in classes} | {"mAP": mean["value"]}
    values |= {"mAP_low": low, "mAP_high": high, "mAP_11point": mean.get("value_11point")}  # VOC 2007's own figure
    rounded = {name: None if value is None else round(value, 2) for name, value in values.items()}
    return {"id": row, **label, **rounded, "classes_in_mean": mean["classes"]}


def _sections(
    rows: Sequence[Row],
    labels: Mapping[str, dict[str, str]],
    classes: Sequence[str],
    cells: Cells,
    printed: Mapping[tuple[str, str], Mapping[str, float]],
    protocol: str,
) -> list[str]:
    """Means, beside the paper's where there are any, every cell with its interval, and why cells are empty."""
    means, entries = [], []
    for row in rows:
        label = labels[row.id]
        mean, of_paper = cells[row.id, MEAN], printed.get((row.label, row.external), {})
        ours = {
            "mAP": _text(mean["value"]),
            "95%": _interval(mean),
            "11 points": _text(mean.get("value_11point")),
            "classes": f"{mean['classes']} of {len(classes)}",
        }
        gap = {"paper's mAP": _text(of_paper.get("mAP")), "difference": _difference(mean["value"], of_paper.get("mAP"))}
        means.append(label | ours | (gap if printed else {}))
        entries.append(label | {name: _entry(cells[row.id, name], of_paper.get(name)) for name in classes})
    beside = below = ""
    if printed:
        beside = (
            f" The paper's numbers are for {PAPER_PROTOCOL}: other images, so a difference to them is not an error."
        )
        below = " Below it are the paper's number and the difference, where the paper has the class."
    sections = [
        f"# Table 1 ({protocol})",
        "Average precision over all points in percent (over 11 points beside it, as VOC 2007 was scored); in brackets "
        f"the 95% interval of a bootstrap over the test images.{beside}",
        grid(means),
        "## Every cell",
        f"Each value with its interval.{below}",
        grid(entries),
    ]
    if reasons := _reasons(rows, classes, cells):
        sections += ["## Empty cells", "\n".join(f"- {where}: {reason}" for where, reason in reasons)]
    return sections


def _reasons(rows: Sequence[Row], classes: Sequence[str], cells: Cells) -> list[tuple[str, str]]:
    """Where cells are empty, and why: a row whose cells are empty for one reason, or else a class."""
    found: dict[tuple[str, str], None] = {}
    for row in rows:
        reasons = {name: cells[row.id, name]["reason"] for name in [*classes, MEAN]}
        if len(set(reasons.values())) == 1 and reasons[MEAN]:
            found[f"row {row.id}", reasons[MEAN]] = None
        else:
            found |= {(name, reason): None for name, reason in reasons.items() if reason}
    return sorted(found)


def _difference(ours: float | None, of_paper: float | None) -> str:
    return "-" if ours is None or of_paper is None else f"{ours - of_paper:+.1f}"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _interval(cell: Cell) -> str:
    return f"[{cell['interval'][0]:.1f}, {cell['interval'][1]:.1f}]" if cell["interval"] else "-"


def _entry(cell: Cell, of_paper: float | None) -> str:
    """One cell: our value and interval, then the paper's value and the difference where there is one."""
    if cell["value"] is None:
        return "-"
    ours = f"{_text(cell['value'])} {_interval(cell)}"
    return ours if of_paper is None else f"{ours}<br>{of_paper:.1f} ({_difference(cell['value'], of_paper)})"
