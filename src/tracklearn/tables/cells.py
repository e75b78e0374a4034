"""Cells of the tables: one JSON file a number, `results/cells/{table}/{protocol}/{row}/{column}.json`."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import read_json, write_json
from tracklearn.npz import write_arrays
from tracklearn.tables.bootstrap import interval

MEAN = "mAP"

Cell = dict[str, Any]


def write_cells(paths: Sequence[str | Path], cells: Mapping[str, Cell], **shared: Any) -> None:
    """Write each cell of a row to the path named after its class, with the entries that all cells share (row, runs)."""
    for path in map(Path, paths):
        name = path.name.removesuffix(".json")
        write_json(path, {"class": name, **shared, **cells[name]})


def write_empty_row(
    *,
    row: str,
    classes: Sequence[str],
    reason: str,
    cells: Sequence[str | Path],
    replicates: str | Path,
    runs: Any = (),
) -> None:
    """Write the cells of a row that cannot be computed: they have no values and state the reason.

    Args:
        reason: what is missing, and how to get it.
        cells, replicates, runs: as in `detection.average_precision.write_row`; the replicates are of no draws.
    """
    empty = {"value": None, "interval": None, "reason": reason}
    write_cells(cells, {**dict.fromkeys(classes, empty), MEAN: empty | {"classes": 0}}, row=row, runs=runs)
    write_no_replicates(replicates, classes)


def write_no_replicates(path: str | Path, classes: Sequence[str]) -> None:
    """Write a row's bootstrap file of no draws, for a row without scores of single images."""
    write_arrays(path, replicates=np.zeros((0, len(classes))), mAP=np.zeros(0), classes=list(classes))


def read_cell(path: str | Path) -> Cell:
    """The content of a cell."""
    cell: Cell = read_json(path)
    if not isinstance(cell, dict) or not isinstance(cell.get("value", ""), int | float | None):
        raise UserError(f"{path}: not a cell of a table; delete it and run again")
    if cell["value"] is not None and not math.isfinite(cell["value"]):
        raise UserError(f"{path}: its value is {cell['value']}, expected a finite number; delete it and run again")
    return cell


def write_empty_cell(path: str | Path, *, reason: str, runs: Any = ()) -> None:
    """Write a cell of several figures that cannot be computed.

    Args:
        reason: what is missing, and how to get it.
    """
    cell = {"value": None, "interval": None, "reason": reason, "figures": {}, "runs": runs}
    write_json(path, cell)


def write_figures(
    path: str | Path,
    replicates: str | Path,
    *,
    values: Mapping[str, float],
    draws: Mapping[str, np.ndarray],
    **shared: Any,
) -> None:
    """Write a cell of several figures, of which the first is the cell's own, and their bootstrap replicates.

    Args:
        path: the JSON file: `value` and `interval` of the first figure, `reason` None, and under `figures` the value
            and the interval of every figure by its name.
        replicates: npz file of `draws`.
        values: figures by name.
        draws: their values (B,) in each draw of the evaluation images by name, and those of further figures that a
            table may need, of which the cell shows no interval.
        shared: further entries of the cell, such as counts and the ids of the runs that made it.
    """
    figures = {name: {"value": float(value), "interval": interval(draws[name])} for name, value in values.items()}
    first = figures[next(iter(figures))]
    write_arrays(replicates, **draws)
    write_json(path, {**first, "reason": None, "figures": figures, **shared})


def row_metrics(cells: Mapping[str, Cell]) -> dict[str, float]:
    """Values of a row's cells as metrics of a run, mAP first, then AP.{class}; cells without a value are left out."""
    ordered = {MEAN: cells[MEAN], **cells}
    known = {name: cell["value"] for name, cell in ordered.items() if cell["value"] is not None}
    return {name if name == MEAN else f"AP.{name}": value for name, value in known.items()}
