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
from tracklearn.tables.cells import Cell, read_cell
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
    "precision": "precision at {k}",
    "hit_rate": "hit rate at {k}",
    "precision_class_mean": "precision at {k}, mean over classes",
    "hit_rate_class_mean": "hit rate at {k}, mean over classes",
    "accuracy": "accuracy",
    "accuracy_class_mean": "accuracy, mean over classes",
    "knn_accuracy": "accuracy of {k} nearest neighbours",
    "knn_accuracy_class_mean": "accuracy of {k} nearest neighbours, mean over classes",
}
BELOW = "Rows without a counterpart in the paper"
EXPLANATION = (
    "All figures are percentages; in brackets is the 95% interval of a bootstrap over the evaluation images. A row of "
    "several networks, such as random ones, shows the mean over these networks. Beside the first figure stands its "
    "difference to the row in the heading, with a paired bootstrap."
)
PAPERS_IMAGES = (
    " The paper's numbers of detection may be for other images of VOC 2012 (its Table 1 is for the test images), so a "
    "difference to them is not an error."
)


class Line(NamedTuple):
    """A row of a task.

    Attributes:
        values, draws: the figures by name, and their values (B,) in each draw of the evaluation images.
        counterpart: whether the paper has such a row.
        printed: the paper's number, if it is of the same images.
        reason: why there are no figures.
    """

    id: str
    label: str
    external: str
    values: Mapping[str, float]
    draws: Mapping[str, np.ndarray]
    counterpart: bool
    printed: float | None
    reason: str | None


def section6_table(
    *,
    rows: Block,
    cells: Sequence[str | Path],
    bootstraps: Sequence[str | Path],
    external: str | Path,
    protocol: str,
    papers_data: Sequence[str] = (),
    ridge: float = np.inf,
    figure7: bool = False,
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
        papers_data: rows, as `{task}/{id}`, of the paper's images, layer and number of neighbours; only there the
            paper's numbers stand beside ours.
        ridge: setting of ELDA's ridge; the table says where a larger one was needed.
        figure7: whether there is a page of figure 7, to which this page links.
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
    printed = paper_numbers(paper)
    tasks = {
        task: [
            _line(
                row,
                [by_system[task, system] for system in _systems(row)],
                [draws.get((task, system), {}) for system in _systems(row)],
                external=texts[f"{task}/{row.id}"],
                printed=printed[task, row.paper] if row.paper and f"{task}/{row.id}" in papers_data else None,
            )
            for row in own
        ]
        for task in TITLES
        if (own := getattr(settings, task))
    }
    shown = {}
    for task, lines in tasks.items():
        of_task = [cell for (of, _), cell in by_system.items() if of == task and cell["value"] is not None]
        k = next((cell["k"] for cell in of_task if "k" in cell), None)
        figures = next((list(line.values) for line in lines if line.values), [])
        above, below = ([line for line in lines if line.counterpart is known] for known in (True, False))
        titled = [("", above), (BELOW if above else "", below)]
        groups = [(title, _shown(group, lines[0], figures, k)) for title, group in titled if group]
        shown[task] = (_notes(task, of_task, ridge), groups, _plotted([*above, *below], k))
    reasons = list(
        dict.fromkeys(f"{line.label}: {line.reason}" for each in tasks.values() for line in each if line.reason)
    )
    mixed = mixed_versions(versions)
    write_csv(
        table, [entry for task, lines in tasks.items() for line in lines for entry in _entries(task, line, lines[0])]
    )
    of_detection = any(line.printed for line in tasks.get("detection", []))
    explanation = EXPLANATION + (PAPERS_IMAGES if of_detection else "")
    sections = [f"# Section 6 ({protocol})", explanation]
    for task, (notes, groups, _) in shown.items():
        sections += [f"## {TITLES[task]}", *notes]
        for title, group in groups:
            sections += [*([f"### {title}"] if title else []), grid(group)]
    sections += ["## Empty cells", "\n".join(f"- {reason}" for reason in reasons)] if reasons else []
    sections += ["## Library versions", NOTE, grid(mixed)] if mixed else []
    with atomic(markdown) as temporary:
        temporary.write_text("\n\n".join(sections) + "\n")
    render(
        "section6.html.jinja",
        page,
        protocol=protocol,
        explanation=explanation,
        tasks=[
            (TITLES[task], notes, [(title, pd.DataFrame(group)) for title, group in groups], bars)
            for task, (notes, groups, bars) in shown.items()
        ],
        figure7=figure7,
        reasons=reasons,
        versions=pd.DataFrame(mixed),
        versions_note=NOTE,
    )
    return {f"{task}.{line.id}": _first(line) for task, lines in tasks.items() for line in lines if line.values}


def paper_numbers(path: str | Path = PAPER) -> dict[tuple[str, str], float]:
    """The paper's number in percent by task and row."""
    with open(path, newline="") as file:
        return {(row["task"].split()[0], row["system"]): float(row["value_pct"]) for row in csv.DictReader(file)}


def _systems(row: DetectionRow | RetrievalRow | ScenesRow) -> list[str]:
    """What a row's cells are named after: the row in detection, else its models or its method."""
    return [row.id] if isinstance(row, DetectionRow) else [*row.models] or [row.method]


def _line(
    row: DetectionRow | RetrievalRow | ScenesRow,
    cells: Sequence[Cell],
    draws: Sequence[Mapping[str, np.ndarray]],
    *,
    external: str,
    printed: float | None,
) -> Line:
    """A row from its cells, one a system, whose figures are averaged."""
    reason = next((cell["reason"] for cell in cells if cell["value"] is None), None)
    figures = [] if reason else list(cells[0]["figures"])
    return Line(
        row.id,
        row.label,
        external,
        {name: float(np.mean([cell["figures"][name]["value"] for cell in cells])) for name in figures},
        {name: np.mean([each[name] for each in draws], axis=0) for name in figures},
        row.paper is not None,
        printed,
        reason,
    )


def _notes(task: str, cells: Sequence[Cell], ridge: float) -> list[str]:
    """What a table's figures are to be read with: the figure of chance, and a ridge that ELDA had to grow."""
    notes = []
    if task == "retrieval" and cells:
        notes.append(f"Windows at random have a precision of {cells[0]['chance']:.1f}.")
    if task == "scenes" and cells:
        number = len(cells[0]["classes"])
        notes.append(f"A guess among the {number} categories has an accuracy of {100 / number:.1f}.")
    if largest := max((cell["ridge"] for cell in cells if cell.get("ridge", 0) > ridge), default=None):
        notes.append(
            f"ELDA needed a ridge of {largest:g} in place of {ridge:g}: with less, its covariance is singular."
        )
    return notes


def _entries(task: str, line: Line, first: Line) -> list[dict[str, Any]]:
    """The lines of the CSV file for a row: one for each figure; the paper's number stands beside the first one."""
    shared = {"task": task, "id": line.id, "row": line.label, "external": line.external}
    entries = []
    for place, name in enumerate(line.values or [""]):
        value, draws = line.values.get(name), line.draws.get(name)
        difference, paired = _difference(line, first, name)
        figures = {"figure": name, **_numbers(("value", "low", "high"), value, draws)}
        figures |= {"paper": line.printed if place == 0 else None}
        figures |= _numbers(("difference", "difference_low", "difference_high"), difference, paired)
        entries.append(shared | figures | {"reason": line.reason})
    return entries


def _numbers(names: Sequence[str], value: float | None, draws: np.ndarray | None) -> dict[str, float | None]:
    """A figure and the bounds of its interval, by three names; None where there is none."""
    if value is None or draws is None:
        return dict.fromkeys(names)
    low, high = interval(draws) or (np.nan, np.nan)
    return dict(zip(names, (round(value, 2), round(low, 2), round(high, 2)), strict=True))


def _shown(lines: Sequence[Line], first: Line, figures: Sequence[str], k: int | None) -> list[dict[str, str]]:
    """A table as text: the first figure, the paper's number, the difference to the task's first row, and the rest."""
    table = []
    for line in lines:
        texts = {_words(name, k): _text(line.values.get(name), line.draws.get(name)) for name in figures}
        beside = {f"against {first.label}": _text(*_difference(line, first, next(iter(figures), "")), sign="+")}
        if any(each.printed is not None for each in lines):
            beside = {"paper": "-" if line.printed is None else f"{line.printed:.1f}"} | beside
        columns = list(texts.items())
        table.append({"row": line.label, "external": line.external, **dict(columns[:1]), **beside, **dict(columns[1:])})
    return table


def _words(figure: str, k: int | None) -> str:
    return WORDS.get(figure, figure).format(k=k)


def _difference(line: Line, first: Line, figure: str) -> tuple[float | None, np.ndarray | None]:
    """The difference to the first row and its draws; None for the first row itself, and without figures."""
    if line is first or not line.values or not first.values:
        return None, None
    return line.values[figure] - first.values[figure], line.draws[figure] - first.draws[figure]


def _text(value: float | None, draws: np.ndarray | None, sign: str = "") -> str:
    if value is None or draws is None:
        return "-"
    bounds = interval(draws)
    return f"{value:{sign}.1f}" + (f" [{bounds[0]:{sign}.1f}, {bounds[1]:{sign}.1f}]" if bounds else "")


def _first(line: Line) -> float:
    return next(iter(line.values.values()))


def _plotted(lines: Sequence[Line], k: int | None) -> Picture | None:
    """The first figure of each row as bars with their intervals; None where no row has one."""
    known = [line for line in lines if line.values]
    if not known:
        return None
    name = next(iter(known[0].values))
    words = _words(name, k)
    figure = Figure(figsize=(8, 0.4 * len(known) + 1), layout="constrained")
    axes = figure.subplots()
    places = range(len(known))
    axes.barh(places, [_first(line) for line in known], color="#8fb3d9")
    for place, line in zip(places, known, strict=True):
        if bounds := interval(line.draws[name]):
            axes.hlines([place], [bounds[0]], [bounds[1]], color="#333")
    axes.set_yticks(places, [line.label for line in known])
    axes.invert_yaxis()
    axes.set_xlabel(f"{words}, %")
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110)
    return Picture(image.getvalue(), f"{words} with its 95% interval")
