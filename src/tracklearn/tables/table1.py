"""Cells become tables, beside the paper's numbers."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracklearn.files import atomic

Row = Mapping[str, Any]
Cell = dict[str, Any]

PAPER = Path(__file__).with_name("paper") / "table1.csv"  # as printed
PAPER_PROTOCOL = "VOC 2012 test, by the server"


def table1(
    *,
    rows: Sequence[Row],
    classes: Sequence[str],
    cells: Sequence[str | Path],
    bootstraps: Sequence[str | Path],
    comparisons: Sequence[Sequence[str]],
    protocol: str,
    table: str | Path,
    markdown: str | Path,
    differences: str | Path,
    paper: str | Path = PAPER,
) -> dict[str, float]:
    """Join the cells of Table 1 (PAPER Table 1: average precision by class on VOC 2012, in percent).

    Args:
        rows: the config's rows, in order.
        classes: columns, in order.
        cells: one JSON file a row and class, and one a row named mAP.json.
        bootstraps: one npz a row with `mAP` (B,), its mean over draws of test images that are the same for every row.
        comparisons: pairs of row ids [better, worse] whose difference is given.
        protocol: name of the evaluation that made the cells.
        table, markdown, differences: where to write.
        paper: the paper's Table 1 as CSV.

    Returns:
        mAP of each row, in percent.
    """
    values = {(cell["row"], cell["class"]): cell for cell in map(_read, cells)}
    printed = paper_rows(paper)
    compared = compare(comparisons, values, _replicates(bootstraps))
    _write_csv(table, [_table_row(row, classes, values) for row in rows])
    _write_csv(differences, compared)
    with atomic(markdown) as temporary:
        temporary.write_text(_markdown(rows, classes, values, printed, compared, protocol))
    return {f"mAP.{row['id']}": m for row in rows if (m := values[row["id"], "mAP"]["value"]) is not None}


def paper_rows(path: str | Path) -> dict[tuple[str, str], dict[str, float]]:
    """The paper's rows by label and external data (three rows share one label): class or mAP -> percent."""
    with open(path, newline="") as file:
        return {
            (row.pop("row"), row.pop("external")): {column: float(value) for column, value in row.items()}
            for row in csv.DictReader(file)
        }


def compare(
    comparisons: Sequence[Sequence[str]], cells: Mapping[tuple[str, str], Cell], replicates: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    """Difference in mAP of two rows with its 95% interval by a paired bootstrap.

    Both rows were evaluated on the same draws of test images, so what an easy draw adds to both cancels out.
    """
    compared: list[dict[str, Any]] = []
    for better, worse in comparisons:
        means = [cells[row, "mAP"]["value"] for row in (better, worse)]
        draws = np.empty(0) if None in means else replicates[better] - replicates[worse]
        draws = draws[np.isfinite(draws)]
        if not draws.size:  # an empty row, or one that the evaluation server scored
            compared.append({"row": better, "against": worse, "difference": "", "low": "", "high": "", "above_0": ""})
            continue
        low, high = np.percentile(draws, [2.5, 97.5])
        compared.append(
            {
                "row": better,
                "against": worse,
                "difference": round(means[0] - means[1], 2),
                "low": round(float(low), 2),
                "high": round(float(high), 2),
                "above_0": round(float(np.mean(draws > 0)), 3),
            }
        )
    return compared


def _read(path: str | Path) -> Cell:
    cell: Cell = json.loads(Path(path).read_text())
    return cell


def _replicates(paths: Sequence[str | Path]) -> dict[str, np.ndarray]:
    return {Path(path).stem: np.load(path)["mAP"] for path in paths}


def _table_row(row: Row, classes: Sequence[str], cells: Mapping[tuple[str, str], Cell]) -> dict[str, Any]:
    mean = cells[row["id"], "mAP"]
    low, high = mean["interval"] or ("", "")
    return {
        "id": row["id"],
        "row": row["label"],
        "external": row.get("external", ""),
        **{name: _number(cells[row["id"], name]["value"]) for name in classes},
        "mAP": _number(mean["value"]),
        "mAP_low": _number(low),
        "mAP_high": _number(high),
        "mAP_11point": _number(mean.get("value_11point")),  # VOC 2007's own figure
        "classes_in_mean": mean["classes"],
    }


def _number(value: Any) -> Any:
    return "" if value in (None, "") else round(value, 2)


def _write_csv(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with atomic(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["row", "against"])
        writer.writeheader()
        writer.writerows(rows)


def _markdown(
    rows: Sequence[Row],
    classes: Sequence[str],
    cells: Mapping[tuple[str, str], Cell],
    printed: Mapping[tuple[str, str], Mapping[str, float]],
    compared: Sequence[Mapping[str, Any]],
    protocol: str,
) -> str:
    """Means beside the paper's, every cell with its interval, and the differences between rows."""
    means, entries = [], []
    for row in rows:
        key = (row["label"], row.get("external", ""))
        mean, of_paper = cells[row["id"], "mAP"], printed.get(key, {})
        counted = f"{mean['classes']} of {len(classes)}"
        gap = _difference(mean["value"], of_paper.get("mAP"))
        ours = [_text(mean["value"]), _interval(mean), _text(mean.get("value_11point")), counted]
        means.append([*key, *ours, _text(of_paper.get("mAP")), gap])
        entries.append([*key, *(_entry(cells[row["id"], name], of_paper.get(name)) for name in classes)])
    sections = [
        f"# Table 1 ({protocol})",
        "Average precision over all points in percent (over 11 points beside it, as VOC 2007 was scored); in brackets "
        "the 95% interval of a bootstrap over the test images. "
        f"The paper's numbers are for {PAPER_PROTOCOL}: other images, so a difference to them is not an error.",
        grid(["row", "external", "mAP", "95%", "11 points", "classes", "paper's mAP", "difference"], means),
        "## Every cell",
        "Ours with its interval; below it the paper's number and the difference, where the paper has the class.",
        grid(["row", "external", *classes], entries),
    ]
    if reasons := sorted({(cell["class"], cell["reason"]) for cell in cells.values() if cell["reason"]}):
        sections += ["## Empty cells", "\n".join(f"- {name}: {reason}" for name, reason in reasons)]
    if compared:
        sections += ["## Differences between rows", "Paired bootstrap over the test images, in points of mAP."]
        sections.append(grid(list(compared[0]), [list(line.values()) for line in compared]))
    return "\n\n".join(sections) + "\n"


def grid(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in [header, ["---"] * len(header), *rows])


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
