"""Cells of the tables: one JSON file a number, `results/cells/{table}/{protocol}/{row}/{column}.json`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracklearn.files import atomic

MEAN = "mAP"

Cell = dict[str, Any]


def write_cells(paths: Sequence[str | Path], cells: Mapping[str, Cell], **shared: Any) -> None:
    """Write each cell of a row to the path named after its class, with the entries that all cells share (row, runs)."""
    for path in map(Path, paths):
        name = path.name.removesuffix(".json")
        with atomic(path) as temporary:
            temporary.write_text(json.dumps({"class": name, **shared, **cells[name]}, indent=1) + "\n")


def read_cell(path: str | Path) -> Cell:
    """The content of a cell."""
    cell: Cell = json.loads(Path(path).read_text())
    return cell


def row_metrics(cells: Mapping[str, Cell]) -> dict[str, float]:
    """Values of a row's cells as metrics of a run, mAP first, then AP.{class}; cells without a value are left out."""
    ordered = {MEAN: cells[MEAN], **cells}
    known = {name: cell["value"] for name, cell in ordered.items() if cell["value"] is not None}
    return {name if name == MEAN else f"AP.{name}": value for name, value in known.items()}
