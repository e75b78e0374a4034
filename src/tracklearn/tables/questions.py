"""Tables of questions: lines of networks over seeds, their differences, and slopes against the size of the data."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tracklearn.errors import UserError
from tracklearn.experiment.model_graph import seed_name
from tracklearn.experiment.questions_plan import ensemble
from tracklearn.npz import read_arrays
from tracklearn.settings.base import Block
from tracklearn.settings.tables import REFERENCES, Question
from tracklearn.tables.cells import Cell, read_cell
from tracklearn.tables.evidence import ONE_SEED, STUDENT, bounds, compare
from tracklearn.tables.formats import grid, write_csv, write_markdown
from tracklearn.tables.versions import NOTE, mixed_versions

MAP = "mAP"
EXPLANATION = (
    "Figures are percentages, means over {seeds} training seeds; with each seed every network is trained from new "
    "weights, and so are the networks that it starts from. In brackets is the 95% interval over training seeds and "
    "{units}. Differences are paired by both, and stand beside the differences by seed. {spread}"
)
SPREAD = (
    "Spread of the unit features in the last batches of ranking, by seed (at most 1; near 0, the features of all "
    "patches have collapsed to one):"
)
OF_MASKS = (
    "chance: the first frame's masks, which stay in place; true cells: the true share of each object in each cell"
)


class Sample(NamedTuple):
    """A figure of a line, or of a reference that all networks share.

    Attributes:
        values: (S,), by seed.
        draws: (S, B), the figure of each seed in each draw of the photos, sequences or clips.
    """

    values: np.ndarray
    draws: np.ndarray


def question_table(
    *,
    question: Block,
    cells: Sequence[str | Path],
    bootstraps: Sequence[str | Path],
    logs: Sequence[str | Path],
    detections: Sequence[str | Path],
    detection_bootstraps: Sequence[str | Path],
    markdown: str | Path,
    table: str | Path,
    versions: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Write the lines of a question, their differences, and their slopes.

    Args:
        question: block `settings.tables.Question`.
        cells, bootstraps: of the frozen networks or ensembles of all seeds, each `{column}/{system}`.
        logs: the log.csv of those of the networks that ranking trained, each in the folder of its network.
        detections, detection_bootstraps: cells with the mAP of the rows of all seeds, each `{row}/mAP.json`, and the
            replicates, each named after its row.
        markdown, table: the files to write.
        versions: number of runs behind the table by library and version.

    Returns:
        The mean of each figure by `{figure}.{line}`, and the lower end of each difference.

    Raises:
        UserError: a cell is empty or not a cell; or a slope is asked, and a line learned from
            no pairs, or all lines from equally many.
    """
    asked = Question.read(question)
    by_system = {(Path(path).parent.name, Path(path).stem): _filled(path) for path in cells}
    found = _frozen(asked, by_system, bootstraps) | _detected(asked, detections, detection_bootstraps)
    columns = dict.fromkeys(figure for figure, _ in found)
    lines = [
        *dict.fromkeys([*asked.lines, *asked.detection]),
        *(line for line in REFERENCES if any(line == name for _, name in found)),
    ]
    means = [_mean(figure, line, sample) for (figure, line), sample in found.items()]
    differences = [
        _difference(figure, pair, found)
        for figure in columns
        for pair in asked.comparisons
        if all((figure, line) in found for line in pair)
    ]
    pairs = _pairs(asked, by_system)
    learned = [f"{line} {' + '.join(map(_count, counts))}" for line, counts in pairs.items() if any(counts)]
    sizes = _sizes(asked, pairs)
    slopes = [_slope(figure, [found[figure, line] for line in asked.lines], sizes) for figure in columns if sizes]
    write_csv(table, [{"kind": kind, **row} for kind, rows in _kinds(means, differences, slopes) for row in rows])
    sections = [
        f"## {asked.question}",
        asked.data,
        EXPLANATION.format(seeds=asked.seeds, units=_units(columns), spread=STUDENT if asked.seeds > 1 else ONE_SEED),
        grid(_by_line(lines, columns, found), ["line", *columns]),
    ]
    if by_system:
        sections.append(f"{_evaluated(by_system)}.")
    if learned:
        sections.append(f"Pairs learned from: {', '.join(learned)}.")
    if spreads := _spreads(asked, logs):
        sections.append(f"{SPREAD} {'; '.join(spreads)}.")
    if sizes:
        sections += [
            "The slope is that of the least squares of a figure against the logarithm of the pairs, in points for each "
            "doubling.",
            grid(slopes),
        ]
    sections += [grid(differences)] if differences else []
    if mixed := mixed_versions(versions):
        sections += [NOTE, grid(mixed)]
    write_markdown(markdown, sections)
    trained = [row for row in means if row["line"] not in REFERENCES]
    return {f"{row['figure']}.{row['line']}": row["value"] for row in trained} | {
        f"low.{row['figure']}.{row['row']}-{row['against']}": row["low"] for row in differences
    }


def slope_per_doubling(sizes: Sequence[float], figures: np.ndarray) -> np.ndarray:
    """Slope of the least squares of figures (L, ...) against the base-2 logarithm of the sizes (L,): (...).

    Raises:
        UserError: all sizes are equal.
    """
    places = np.log2(sizes)
    places -= places.mean()
    if not (spread := places @ places) > 0:
        raise UserError(f"all lines learned from {sizes[0]:g} pairs; a slope needs lines of different sizes")
    slope: np.ndarray = np.tensordot(places, figures, axes=1) / spread
    return slope


def _frozen(
    asked: Question, by_system: Mapping[tuple[str, str], Cell], bootstraps: Iterable[str | Path]
) -> dict[Any, Sample]:
    """The samples of frozen networks, and of the references that their cells have, by figure and line."""
    draws = {(Path(path).parent.name, Path(path).stem): read_arrays(path) for path in bootstraps}
    found = {}
    for figure in asked.figures:
        column, _, name = figure.rpartition(".")
        for line, models in asked.lines.items():
            by_seed = [
                [(column, system) for system in _systems(asked, models, seed)] for seed in range(1, asked.seeds + 1)
            ]
            found[figure, line] = Sample(
                np.array([np.mean([by_system[key]["figures"][name]["value"] for key in keys]) for keys in by_seed]),
                np.stack([np.mean([draws[key][name] for key in keys], axis=0) for keys in by_seed]),
            )
        for reference in REFERENCES:
            key = by_seed[0][0]
            values = {cell.get(reference, {}).get(name) for (of, _), cell in by_system.items() if of == column}
            if len(values) == 1 and (value := values.pop()) is not None:  # layers of other cells have other true cells
                drawn = draws[key].get(f"{reference}.{name}", np.full_like(draws[key][name], value))
                found[figure, reference] = Sample(np.full(asked.seeds, value), np.tile(drawn, (asked.seeds, 1)))
    return found


def _systems(asked: Question, models: Sequence[str], seed: int) -> list[str]:
    return [ensemble(list(models), seed)] if asked.ensembles else [seed_name(model, seed) for model in models]


def _detected(asked: Question, cells: Iterable[str | Path], bootstraps: Iterable[str | Path]) -> dict[Any, Sample]:
    """The samples of rows of Table 1 by figure and line."""
    by_row = {Path(path).parent.name: _filled(path)["value"] for path in cells}
    draws = {Path(path).stem: read_arrays(path, MAP)[MAP] for path in bootstraps}
    seeds = range(1, asked.seeds + 1)
    return {
        (MAP, line): Sample(
            np.array([by_row[seed_name(row, seed)] for seed in seeds], float),
            np.stack([draws[seed_name(row, seed)] for seed in seeds]),
        )
        for line, row in asked.detection.items()
    }


def _filled(path: str | Path) -> Cell:
    cell = read_cell(path)
    if cell["value"] is None:
        raise UserError(f"{path}: an empty cell: {cell['reason']}; take its network out of the question")
    return cell


def _pairs(asked: Question, by_system: Mapping[tuple[str, str], Cell]) -> dict[str, list[int | None]]:
    """Number of pairs that each network of each line learned from, by line; None for one that learned from none."""
    if not asked.lines:
        return {}
    column = asked.figures[0].rpartition(".")[0]
    systems = {line: _systems(asked, models, seed=1) for line, models in asked.lines.items()}
    return {
        line: [count for system in own for count in by_system[column, system]["learned_pairs"]]
        for line, own in systems.items()
    }


def _count(pairs: int | None) -> str:
    return "none" if pairs is None else f"{pairs:,}"


def _evaluated(by_system: Mapping[tuple[str, str], Cell]) -> str:
    """What each column is measured on, and the layer that describes it."""
    by_column = {column: cell for (column, _), cell in by_system.items()}
    told = []
    for column, cell in by_column.items():
        if "sequences" in cell:
            on = f"masks of {len(cell['sequences'])} sequences, carried by {cell['features']} ({OF_MASKS})"
        elif "clips" in cell:
            on = f"{cell['pairs']:,} pairs of {cell['clips']} clips by {cell['features']}"
        else:
            on = f"{cell['images']:,} photos by {cell['features']}"
        told.append(f"{column}: {on}")
    return "; ".join(told)


def _spreads(asked: Question, logs: Iterable[str | Path]) -> list[str]:
    """The spread at the end of the logs of each line that has some, by seed."""
    last = {Path(path).parent.name: _last_spread(path) for path in logs}
    told = []
    for line, models in asked.lines.items():
        seeds = range(1, asked.seeds + 1)
        found = [[f"{last[name]:.2f}" for model in models if (name := seed_name(model, s)) in last] for s in seeds]
        if any(found):
            told.append(f"{line} {', '.join(' + '.join(of_seed) for of_seed in found)}")
    return told


def _last_spread(log: str | Path) -> float:
    with open(log, newline="") as file:
        *_, row = csv.DictReader(file)
    return float(row["spread"])


def _sizes(asked: Question, pairs: Mapping[str, Sequence[int | None]]) -> list[int]:
    """Pairs that each line, which has one network, learned from; none without a slope."""
    if not asked.slope:
        return []
    if untrained := [line for line, (count,) in pairs.items() if count is None]:
        raise UserError(f"question {asked.id}: {untrained[0]} learned from no pairs; a slope needs trained networks")
    return [count or 0 for (count,) in pairs.values()]


def _mean(figure: str, line: str, sample: Sample) -> dict[str, Any]:
    by_seed = " ".join(f"{value:.1f}" for value in sample.values)
    value = round(float(sample.values.mean()), 2)
    ends = {end: min(max(bound, 0.0), 100.0) for end, bound in bounds(*sample).items()}  # figures are percentages
    return {"figure": figure, "line": line, "value": value, **ends, "by_seed": by_seed}


def _difference(figure: str, pair: tuple[str, str], found: Mapping[Any, Sample]) -> dict[str, Any]:
    values = {line: found[figure, line].values for line in pair}
    draws = {line: found[figure, line].draws for line in pair}
    return _with_verdict({"figure": figure} | compare(*pair, values, draws))


def _slope(figure: str, samples: Sequence[Sample], sizes: Sequence[int]) -> dict[str, Any]:
    """The slope of a figure; its interval draws seeds, each with all its sizes, and photos, the same for all sizes."""
    by_seed = slope_per_doubling(sizes, np.stack([sample.values for sample in samples]))  # (S,)
    draws = slope_per_doubling(sizes, np.stack([sample.draws for sample in samples]))  # (S, B)
    return _with_verdict(
        {
            "figure": figure,
            "slope": round(float(by_seed.mean()), 2),
            **bounds(by_seed, draws),
            "by_seed": " ".join(f"{value:+.1f}" for value in by_seed),
        }
    )


def _with_verdict(row: Mapping[str, Any]) -> dict[str, Any]:
    """A difference or slope, and whether it is above or below 0 as far as the interval can tell."""
    verdict = "higher" if row["low"] > 0 else "lower" if row["high"] < 0 else "not told apart"
    return {**row, "verdict": verdict}


def _by_line(lines: Sequence[str], columns: Iterable[str], found: Mapping[Any, Sample]) -> list[dict[str, str]]:
    """The table of means."""
    return [
        {"": line} | {figure: _text(figure, line, found.get((figure, line))) for figure in columns} for line in lines
    ]


def _text(figure: str, line: str, sample: Sample | None) -> str:
    if sample is None:
        return "-"
    row = _mean(figure, line, sample)
    if line in REFERENCES and row["low"] == row["high"]:  # known, and no estimate
        return f"{row['value']:.1f}"
    return f"{row['value']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"


def _kinds(*tables: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    return list(zip(("mean", "difference", "slope"), tables, strict=True))


def _units(columns: Iterable[str]) -> str:
    """What the intervals are drawn over beside the seeds, with the columns where these differ."""
    of_unit: dict[str, list[str]] = {}
    for figure in columns:
        of_unit.setdefault(_unit(figure), []).append(figure)
    if len(of_unit) == 1:
        return next(iter(of_unit))
    *first, last = (f"{unit} ({', '.join(figures)})" for unit, figures in of_unit.items())
    return f"{', '.join(first)} or {last}"


def _unit(figure: str) -> str:
    """What the interval of a column is drawn over beside the seeds."""
    units = {"J&F": "sequences", "J": "sequences", "F": "sequences", "recall": "clips", "recall_other_clips": "clips"}
    return units.get(figure.rpartition(".")[2], "photos")
