"""The table of section 6: what the features show without fine-tuning, beside the paper's numbers (PAPER §6.1)."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tracklearn.files import atomic
from tracklearn.pages.rendering import Picture, render
from tracklearn.settings.base import Block
from tracklearn.settings.tables import DetectionRow, RetrievalRow, ScenesRow, Section6
from tracklearn.tables.bootstrap import interval
from tracklearn.tables.cells import read_cell
from tracklearn.tables.formats import grid, write_csv
from tracklearn.tables.versions import NOTE, mixed_versions

PAPER = Path(__file__).with_name("paper") / "section6.csv"  # as printed
TITLES = {
    "detection": "Detection without fine-tuning",
    "retrieval": "Retrieval: do the nearest windows show the query's class?",
    "scenes": "Scenes",
}
WORDS = {
    "mAP": "mAP",
    "precision": "precision at k",
    "hit_rate": "hit rate at k",
    "precision_class_mean": "precision, mean over classes",
    "hit_rate_class_mean": "hit rate, mean over classes",
    "accuracy": "accuracy",
    "accuracy_class_mean": "accuracy, mean over classes",
    "knn_accuracy": "kNN accuracy",
    "knn_accuracy_class_mean": "kNN accuracy, mean over classes",
}
EXPLANATION = (
    "All figures are percentages; in brackets is the 95% interval of a bootstrap over the evaluation images. A row of "
    "several networks, such as random ones, shows the mean over these networks. The difference is that of the first "
    "figure to the first row of the table, with a paired bootstrap."
)


class Line(NamedTuple):
    """A row of a task: its figures, and their values in each draw of the evaluation images."""

    id: str
    label: str
    external: str
    values: Mapping[str, float]
    draws: Mapping[str, np.ndarray]
    reason: str | None
    """Why there are no figures."""


def section6_table(
    *,
    rows: Block,
    cells: Sequence[str | Path],
    bootstraps: Sequence[str | Path],
    external: str | Path,
    protocol: str,
    papers_data: Sequence[str] = (),
    table: str | Path,
    markdown: str | Path,
    page: str | Path,
    paper: str | Path = PAPER,
    versions: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Join the cells of section 6 (PAPER §6.1: mAP, retrieval rate and accuracy, in percent).

    Args:
        rows: block `settings.tables.Section6`.
        cells: the files of `cells.write_figures` or `write_empty_cell`, each `{task}/{system}.json`; a system is a row
            of detection, a model, or a method without models.
        bootstraps: the replicates of the cells with figures, each `{task}/{protocol}/bootstraps/{system}.npz`.
        external: JSON of the column of external data, {task/row id: text}.
        protocol: name of the evaluation that made the cells.
        papers_data: tasks whose images are the paper's; only there the paper's numbers stand beside ours.
        table, markdown, page: the files to write.
        paper: the paper's numbers as CSV.
        versions: number of runs behind this table by library and version.

    Returns:
        The first figure of each row that has one.
    """
    settings = Section6.read(rows)
    by_system = {(Path(path).parent.name, Path(path).stem): read_cell(path) for path in cells}
    draws = {(Path(path).parts[-4], Path(path).stem): dict(np.load(path)) for path in bootstraps}
    texts = json.loads(Path(external).read_text())
    tasks = {
        task: [_line(task, row, by_system, draws, texts[f"{task}/{row.id}"]) for row in own]
        for task in TITLES
        if (own := getattr(settings, task))
    }
    printed = paper_numbers(paper)
    shown = {
        task: _shown(
            lines, {label: value for (of, label), value in printed.items() if of == task and of in papers_data}
        )
        for task, lines in tasks.items()
    }
    reasons = list(
        dict.fromkeys(f"{line.label}: {line.reason}" for each in tasks.values() for line in each if line.reason)
    )
    mixed = mixed_versions(versions)
    write_csv(table, [entry for task, lines in tasks.items() for line in lines for entry in _entries(task, line)])
    sections = [f"# Section 6 ({protocol})", EXPLANATION]
    for task, lines in shown.items():
        sections += [f"## {TITLES[task]}", grid(lines)]
    sections += ["## Empty cells", "\n".join(f"- {reason}" for reason in reasons)] if reasons else []
    sections += ["## Library versions", NOTE, grid(mixed)] if mixed else []
    with atomic(markdown) as temporary:
        temporary.write_text("\n\n".join(sections) + "\n")
    render(
        "section6.html.jinja",
        page,
        protocol=protocol,
        explanation=EXPLANATION,
        tasks=[(TITLES[task], pd.DataFrame(lines), _plotted(tasks[task])) for task, lines in shown.items()],
        reasons=reasons,
        versions=pd.DataFrame(mixed),
        versions_note=NOTE,
    )
    return {f"{task}.{line.id}": _first(line) for task, lines in tasks.items() for line in lines if line.values}


def paper_numbers(path: str | Path = PAPER) -> dict[tuple[str, str], float]:
    """The paper's number in percent by task and row."""
    with open(path, newline="") as file:
        return {(row["task"].split()[0], row["system"]): float(row["value_pct"]) for row in csv.DictReader(file)}


def _line(
    task: str,
    row: DetectionRow | RetrievalRow | ScenesRow,
    cells: Mapping[tuple[str, str], Mapping[str, Any]],
    draws: Mapping[tuple[str, str], Mapping[str, np.ndarray]],
    external: str,
) -> Line:
    """A row from its cells: one of detection, or one for each model, whose figures are averaged."""
    systems = [row.id] if isinstance(row, DetectionRow) else [*row.models] or [row.method]
    own = [cells[task, system] for system in systems]
    if reason := next((cell["reason"] for cell in own if cell["value"] is None), None):
        return Line(row.id, row.label, external, {}, {}, reason)
    figures = list(own[0]["figures"])
    return Line(
        row.id,
        row.label,
        external,
        {name: float(np.mean([cell["figures"][name]["value"] for cell in own])) for name in figures},
        {name: np.mean([draws[task, system][name] for system in systems], axis=0) for name in figures},
        None,
    )


def _entries(task: str, line: Line) -> list[dict[str, Any]]:
    """The lines of the CSV file for a row: one for each figure."""
    shared = {"task": task, "id": line.id, "row": line.label, "external": line.external}
    if not line.values:
        return [shared | {"figure": None, "value": None, "low": None, "high": None}]
    entries = []
    for name, value in line.values.items():
        low, high = interval(line.draws[name]) or (np.nan, np.nan)
        entries.append(
            shared | {"figure": name, "value": round(value, 2), "low": round(low, 2), "high": round(high, 2)}
        )
    return entries


def _shown(lines: Sequence[Line], printed: Mapping[str, float]) -> list[dict[str, str]]:
    """A task's table as text: every figure with its interval, the paper's number, the difference to the first row."""
    figures = next((list(line.values) for line in lines if line.values), [])
    table = []
    for line in lines:
        entries = {"row": line.label, "external": line.external}
        entries |= {WORDS.get(name, name): _text(line.values.get(name), line.draws.get(name)) for name in figures}
        if printed:
            entries["paper"] = f"{printed[line.label]:.1f}" if line.label in printed else "-"
        table.append(entries | {f"against {lines[0].label}": _difference(line, lines[0])})
    return table


def _difference(line: Line, first: Line) -> str:
    if line is first or not line.values or not first.values:
        return "-"
    name = next(iter(line.values))
    return _text(line.values[name] - first.values[name], line.draws[name] - first.draws[name], sign="+")


def _text(value: float | None, draws: np.ndarray | None, sign: str = "") -> str:
    if value is None or draws is None:
        return "-"
    bounds = interval(draws)
    return f"{value:{sign}.1f}" + (f" [{bounds[0]:{sign}.1f}, {bounds[1]:{sign}.1f}]" if bounds else "")


def _first(line: Line) -> float:
    return next(iter(line.values.values()))


def _plotted(lines: Sequence[Line]) -> Picture | None:
    """The first figure of each row as bars with their intervals; None where no row has one."""
    known = [line for line in lines if line.values]
    if not known:
        return None
    name = next(iter(known[0].values))
    figure = Figure(figsize=(8, 0.4 * len(known) + 1), layout="constrained")
    axes = figure.subplots()
    places = range(len(known))
    axes.barh(places, [_first(line) for line in known], color="#8fb3d9")
    for place, line in zip(places, known, strict=True):
        if bounds := interval(line.draws[name]):
            axes.hlines([place], [bounds[0]], [bounds[1]], color="#333")
    axes.set_yticks(places, [line.label for line in known])
    axes.invert_yaxis()
    axes.set_xlabel(f"{WORDS.get(name, name)}, %")
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110)
    return Picture(image.getvalue(), f"{WORDS.get(name, name)} with its 95% interval")
