"""Tables whose rows have several figures and are compared with the first row: as CSV, Markdown and a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tracklearn.pages.rendering import Picture, render
from tracklearn.settings.tables import ComparedRow, DetectionRow
from tracklearn.tables.bootstrap import interval
from tracklearn.tables.cells import Cell
from tracklearn.tables.formats import grid, write_markdown
from tracklearn.tables.versions import NOTE, mixed_versions

BELOW = "Rows without a counterpart in the paper"


class Line(NamedTuple):
    """A row of a table.

    Attributes:
        counterpart: whether the paper has such a row.
        printed: the paper's numbers by figure, if they are of the same images.
        values, draws: the figures by name, and their values (B,) in each draw of the evaluation images.
        reason: why there are no figures.
    """

    id: str
    label: str
    external: str
    counterpart: bool
    printed: Mapping[str, float]
    values: Mapping[str, float] = MappingProxyType({})
    draws: Mapping[str, np.ndarray] = MappingProxyType({})
    reason: str | None = None


class Table(NamedTuple):
    """A table of texts; its title may be empty, and several columns may have the same head."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Part(NamedTuple):
    """A section of the page.

    Attributes:
        title: of the section; "" for what belongs to the head of the page.
    """

    title: str
    notes: Sequence[str]
    tables: Sequence[Table]
    bars: Picture | None


def systems(row: DetectionRow | ComparedRow) -> list[str]:
    """What a row's cells are named after: the row in detection, else its models or its method."""
    return [row.id] if isinstance(row, DetectionRow) else [*row.models] or [row.method]


def line_of(
    row: DetectionRow | ComparedRow,
    cells: Mapping[str, Cell],
    draws: Mapping[str, Mapping[str, np.ndarray]],
    *,
    external: str,
    printed: Mapping[str, float],
) -> Line:
    """A row, whose figures are means over those of its systems.

    Args:
        cells, draws: of `cells.write_figures` by system; a cell that is empty has no draws.
    """
    own = [cells[system] for system in systems(row)]
    reason = next((cell["reason"] for cell in own if cell["value"] is None), None)
    figures = [] if reason else list(own[0]["figures"])
    return Line(
        id=row.id,
        label=row.label,
        external=external,
        counterpart=row.paper is not None,
        printed=printed,
        values={name: float(np.mean([cell["figures"][name]["value"] for cell in own])) for name in figures},
        draws={name: np.mean([draws[system][name] for system in systems(row)], axis=0) for name in figures},
        reason=reason,
    )


def metrics(lines: Sequence[Line]) -> dict[str, float]:
    """The first figure of each row that has one, by the row's id."""
    return {each.id: next(iter(each.values.values())) for each in lines if each.values}


def csv_rows(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The lines of the CSV file: one for each figure of a row, with its difference to the first row."""
    rows = []
    for each in lines:
        for name in list(each.values or each.printed) or [""]:
            figures = _numbers(("value", "low", "high"), each.values.get(name), each.draws.get(name))
            beside = {"paper": each.printed.get(name)}
            difference = _numbers(
                ("difference", "difference_low", "difference_high"), *_difference(each, lines[0], name)
            )
            named = {"id": each.id, "row": each.label, "external": each.external, "figure": name}
            rows.append({**named, **figures, **beside, **difference, "reason": each.reason})
    return rows


def _numbers(names: Sequence[str], value: float | None, draws: np.ndarray | None) -> dict[str, float | None]:
    """A figure and the bounds of its interval, by three names; None where there is none."""
    if value is None or draws is None:
        return dict.fromkeys(names)
    low, high = interval(draws) or (np.nan, np.nan)
    return dict(zip(names, (round(value, 2), round(low, 2), round(high, 2)), strict=True))


def _difference(each: Line, first: Line, figure: str) -> tuple[float | None, np.ndarray | None]:
    """The difference to the first row and its draws; None for the first row itself, and without figures."""
    if each is first or not each.values or not first.values:
        return None, None
    return each.values[figure] - first.values[figure], each.draws[figure] - first.draws[figure]


def grouped(lines: Sequence[Line], words: Mapping[str, str]) -> list[Table]:
    """Tables of the rows that the paper has, and below them of the others.

    Args:
        words: the figures in the order of their columns, with the columns' heads.
    """
    above, below = ([each for each in lines if each.counterpart is known] for known in (True, False))
    titled = [("", above), (BELOW if above else "", below)]
    return [_table(title, group, lines[0], words) for title, group in titled if group]


def _table(title: str, lines: Sequence[Line], first: Line, words: Mapping[str, str]) -> Table:
    """Each figure beside the paper's number, and the difference of the first figure to the first row."""
    columns = [("row", [each.label for each in lines]), ("external", [each.external for each in lines])]
    printed = {name for each in lines for name in each.printed}
    for place, (name, word) in enumerate(words.items()):
        columns.append((word, [_text(each.values.get(name), each.draws.get(name)) for each in lines]))
        if name in printed:
            columns.append(("paper", [_text(each.printed.get(name)) for each in lines]))
        if place == 0:
            differences = [_text(*_difference(each, first, name), sign="+") for each in lines]
            columns.append((f"against {first.label}", differences))
    return Table(title, [head for head, _ in columns], list(zip(*(texts for _, texts in columns), strict=True)))


def _text(value: float | None, draws: np.ndarray | None = None, sign: str = "") -> str:
    if value is None:
        return "-"
    bounds = None if draws is None else interval(draws)
    return f"{value:{sign}.1f}" + (f" [{bounds[0]:{sign}.1f}, {bounds[1]:{sign}.1f}]" if bounds else "")


def bars(lines: Sequence[Line], words: str, unit: str) -> Picture | None:
    """The first figure of each row as bars with their intervals; None where no row has one."""
    known = sorted((each for each in lines if each.values), key=lambda each: not each.counterpart)  # as in the tables
    if not known:
        return None
    name = next(iter(known[0].values))
    figure = Figure(figsize=(8, 0.4 * len(known) + 1), layout="constrained")
    axes = figure.subplots()
    places = range(len(known))
    axes.barh(places, [each.values[name] for each in known], color="#8fb3d9")
    for place, each in zip(places, known, strict=True):
        if bounds := interval(each.draws[name]):
            axes.hlines([place], [bounds[0]], [bounds[1]], color="#333")
    axes.set_yticks(places, [each.label for each in known])
    axes.invert_yaxis()
    axes.set_xlabel(f"{words}, {unit}")
    return Picture.of(figure, f"{words} with its 95% interval")


def write_compared(
    *,
    title: str,
    explanation: str,
    parts: Sequence[Part],
    lines: Sequence[Line],
    versions: Mapping[str, Mapping[str, int]] | None,
    markdown: str | Path,
    template: str,
    page: str | Path,
    **links: Any,
) -> None:
    """Write the table as Markdown and as a page, with the reasons of empty cells and libraries of several versions.

    Args:
        lines: all rows.
        versions: number of runs behind the table by library and version.
        template: one that extends `compared.html.jinja`; `links` are its further variables.
    """
    reasons = list(dict.fromkeys(f"{each.label}: {each.reason}" for each in lines if each.reason))
    mixed = mixed_versions(versions)
    sections = [f"# {title}", explanation]
    for part in parts:
        sections += [*([f"## {part.title}"] if part.title else []), *part.notes]
        for table in part.tables:
            rows = [dict(enumerate(row)) for row in table.rows]
            sections += [*([f"### {table.title}"] if table.title else []), grid(rows, table.header)]
    sections += ["## Empty cells", "\n".join(f"- {reason}" for reason in reasons)] if reasons else []
    sections += ["## Library versions", NOTE, grid(mixed)] if mixed else []
    write_markdown(markdown, sections)
    render(
        template,
        page,
        explanation=explanation,
        parts=[part._asdict() | {"tables": [_frame(table) for table in part.tables]} for part in parts],
        reasons=reasons,
        versions=pd.DataFrame(mixed),
        versions_note=NOTE,
        **links,
    )


def _frame(table: Table) -> tuple[str, pd.DataFrame]:
    return table.title, pd.DataFrame(table.rows, columns=list(table.header))
