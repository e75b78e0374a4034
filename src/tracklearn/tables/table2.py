"""Table 2: errors of predicted surface normals, beside the paper's numbers (PAPER §6.2.2)."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.files import read_json
from tracklearn.npz import read_arrays
from tracklearn.settings.base import Block
from tracklearn.settings.tables import NormalsRow
from tracklearn.tables.cells import Cell, read_cell
from tracklearn.tables.compared import (
    BELOW,
    Line,
    Part,
    Table,
    bars,
    csv_rows,
    grouped,
    line_of,
    metrics,
    write_compared,
)
from tracklearn.tables.formats import write_csv

PAPER = Path(__file__).with_name("paper") / "table2.csv"  # as printed
WORDS = {
    "mean": "mean",
    "median": "median",
    "within_11.25": "< 11.25°",
    "within_22.5": "< 22.5°",
    "within_30": "< 30°",
}
UNITS = {"mean": "deg", "median": "deg"}  # of the paper's file; all others are percentages
PRINTED = "Printed in the paper"
SHARED = (
    "truth",
    "mask",
    "images",
    "height",
    "width",
    "pixels",
    "papers_images",
)  # entries that the cells of a table share
EXPLANATION = (
    "Errors are angles between predicted and true normals: their mean and median in degrees, where less is better, and "
    "percentages of pixels whose error is below 11.25, 22.5 and 30 degrees, where more is better. As in the paper, the "
    "pixels of all test images are pooled. In brackets is the 95% interval of a bootstrap over the images. A row of "
    "several networks shows the mean over these networks. Beside the mean stands its difference to the row in the "
    "heading, with a paired bootstrap."
)
PAPERS_IMAGES = "The paper's test images are the same, but its true normals may differ, so a difference is no error."
OTHER_IMAGES = "The paper used other test images, so its numbers are left out."


def table2_table(
    *,
    rows: Sequence[Block],
    cells: Sequence[str | Path],
    bootstraps: Sequence[str | Path],
    external: str | Path,
    protocol: str,
    figure8: bool = False,
    table: str | Path,
    markdown: str | Path,
    page: str | Path,
    paper: str | Path = PAPER,
    versions: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Join the cells of Table 2 (PAPER Table 2: mean and median error in degrees, shares of pixels in percent).

    Args:
        rows: blocks `settings.tables.NormalsRow`, in the order of the table.
        cells: the files of `normals.rows.write_row` or `cells.write_empty_cell`, each `{system}.json`; a system is a
            model or a method without models.
        bootstraps: the replicates of the cells with figures, each `{system}.npz`.
        external: JSON of the column of external data, {row id: text}.
        protocol: name of the evaluation, in whose folder the files lie.
        figure8: whether there is a page of figure 8, to which this page links.
        table, markdown, page: the files to write.
        paper: the paper's numbers as CSV.
        versions: number of runs behind this table by library and version.

    Returns:
        The mean error of each row that has one.

    Raises:
        UserError: cells of different truths, masks or images.
    """
    settings = [NormalsRow.read(row) for row in rows]
    by_system = {Path(path).stem: read_cell(path) for path in cells}
    draws = {Path(path).stem: read_arrays(path) for path in bootstraps}
    texts = read_json(external)
    shared = shared_entries(by_system)
    printed = paper_numbers(paper) if shared.get("papers_images") else {}
    lines = [
        line_of(row, by_system, draws, external=texts[row.id], printed=printed.get(row.paper or "", {}))
        for row in settings
    ]
    beside = {row.paper for row in settings}
    theirs = [
        Line(id="", label=name, external="", counterpart=True, printed=own)
        for name, own in printed.items()
        if name not in beside
    ]
    write_csv(table, csv_rows([*lines, *theirs]))
    pooled = grouped(lines, WORDS)
    if theirs:  # above the rows that the paper lacks
        numbers = [[each.label, *(f"{each.printed[name]:.1f}" for name in WORDS)] for each in theirs]
        below = next((place for place, group in enumerate(pooled) if group.title == BELOW), len(pooled))
        pooled.insert(below, Table(PRINTED, ["row", *WORDS.values()], numbers))
    by_image = {f"image_{name}": word for name, word in WORDS.items()}
    write_compared(
        title=f"Table 2 ({protocol})",
        explanation=EXPLANATION,
        parts=[
            Part("", _notes(shared), pooled, bars(lines, "mean error", "degrees")),
            Part("Means over the images of each image's figures", [], grouped(lines, by_image), None),
        ],
        lines=lines,
        versions=versions,
        markdown=markdown,
        template="table2.html.jinja",
        page=page,
        protocol=protocol,
        figure8=figure8,
    )
    return {f"mean.{row}": value for row, value in metrics(lines).items()}


def paper_numbers(path: str | Path = PAPER) -> dict[str, dict[str, float]]:
    """The paper's numbers by row and figure."""
    with open(path, newline="") as file:
        return {
            row["row"]: {name: float(row[f"{name}_{UNITS.get(name, 'pct')}"]) for name in WORDS}
            for row in csv.DictReader(file)
        }


def shared_entries(cells: Mapping[str, Cell]) -> dict[str, Any]:
    """What all cells with figures are of; empty if there are none.

    Raises:
        UserError: two cells are of different truths, masks or images.
    """
    computed = {
        system: {name: cell[name] for name in SHARED} for system, cell in cells.items() if cell["value"] is not None
    }
    first, expected = next(iter(computed.items()), ("", {}))
    for system, own in computed.items():
        for name, value in own.items():
            if value != expected[name]:
                raise UserError(
                    f"Table 2: {name} of the cell {system} is {value!r}, but that of {first} is {expected[name]!r}; "
                    "expected the same in all cells: delete the older cell and run again"
                )
    return expected


def _notes(shared: Mapping[str, Any]) -> list[str]:
    """Which images, pixels and truth the figures are of."""
    if not shared:
        return []
    return [
        f"{shared['images']:,} test images of {shared['width']} x {shared['height']} pixels.",
        f"True normals: {shared['truth']}. Pixels that count: {shared['mask']}, {shared['pixels']:,} in all.",
        PAPERS_IMAGES if shared["papers_images"] else OTHER_IMAGES,
    ]
