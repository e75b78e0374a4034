"""Do the rows fall in the paper's order? Means over seeds, with intervals over seeds and test images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from tracklearn.experiment.model_graph import seed_name
from tracklearn.npz import read_arrays
from tracklearn.settings.base import Block
from tracklearn.settings.tables import CHANCE, Evidence
from tracklearn.tables.bootstrap import finite_mean, interval
from tracklearn.tables.cells import MEAN, read_cell
from tracklearn.tables.formats import grid, write_csv, write_markdown
from tracklearn.tables.versions import NOTE, mixed_versions

STUDENT = "Variation between seeds enters by Student's t, which is wide for few seeds."
ONE_SEED = "With one seed the intervals hold nothing of how training seeds vary."

BySeed = Mapping[str, np.ndarray]  # by row or line: the figures of each seed


def evidence_table(
    *,
    evidence: Block,
    means: Sequence[str | Path],
    bootstraps: Sequence[str | Path],
    retrieval: Sequence[str | Path],
    retrieval_bootstraps: Sequence[str | Path],
    markdown: str | Path,
    table: str | Path,
    versions: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Write the rows, their differences and retrieval over all seeds.

    Args:
        evidence: block `settings.tables.Evidence`; the lines of `retrieval` are compared with its first line.
        means: the mAP.json of every row and seed.
        bootstraps: their replicates `mAP` (B,), drawn from the same test images in every row; each file is named after
            its row.
        retrieval: the cells of the retrieval models and seeds, each named after its model.
        retrieval_bootstraps: their replicates `precision` (B,), drawn from the same test images for every model; each
            file is named after its model.
        markdown, table: the files to write.
        versions: number of runs behind the table by library and version.

    Returns:
        Mean mAP of each row, mean precision of each line, and the lower end of each difference of either.
    """
    settings = Evidence.read(evidence)
    seeds = range(1, settings.seeds + 1)
    values = {cell["row"]: cell["value"] for cell in map(read_cell, means)}
    draws = {Path(path).stem: read_arrays(path, MEAN)[MEAN] for path in bootstraps}
    cells = {Path(path).stem: read_cell(path) for path in retrieval}
    precisions = {name: cell["value"] for name, cell in cells.items()}

    rows = {row: np.array([values[seed_name(row, seed)] for seed in seeds], float) for row in settings.rows}
    drawn = {Path(path).stem: read_arrays(path, "precision")["precision"] for path in retrieval_bootstraps}
    nearest, nearest_draws = (
        {
            line: np.array([[found[seed_name(model, seed)] for model in models] for seed in seeds], float)
            for line, models in settings.retrieval.items()
        }
        for found in (precisions, drawn)
    )  # by line: (S, M), (S, M, B)
    replicates = {row: np.stack([draws[seed_name(row, seed)] for seed in seeds]) for row in rows}  # (S, B) each
    compared = [compare(better, worse, rows, replicates) for better, worse in settings.comparisons]
    first = next(iter(nearest))
    by_seed = [{line: found.mean(axis=1) for line, found in each.items()} for each in (nearest, nearest_draws)]
    closer = [compare(line, first, *by_seed) for line in nearest if line != first]
    row_means = [_statistics(row, found, found, replicates[row]) for row, found in rows.items()]
    line_means = [
        _statistics(line, found.ravel(), *(each[line] for each in by_seed)) for line, found in nearest.items()
    ]
    line_means += [_known(CHANCE, next(iter(cells.values()))[CHANCE])]  # all have the same windows
    _write(settings, markdown, table, row_means, compared, line_means, closer, mixed_versions(versions))
    return (
        {f"mAP.{row}": float(found.mean()) for row, found in rows.items()}
        | {f"precision.{line}": float(found.mean()) for line, found in nearest.items()}
        | {f"low.{line['row']}-{line['against']}": line["low"] for line in compared}
        | {f"low.precision.{line['row']}-{line['against']}": line["low"] for line in closer}
    )


def compare(better: str, worse: str, rows: BySeed, replicates: BySeed) -> dict[str, Any]:
    """Mean difference over seeds (S,) and its 95% interval over test images (paired) and seeds."""
    by_seed = rows[better] - rows[worse]
    return {
        "row": better,
        "against": worse,
        "difference": round(float(by_seed.mean()), 2),
        **bounds(by_seed, replicates[better] - replicates[worse]),
        "by_seed": " ".join(f"{gap:+.1f}" for gap in by_seed),
    }


def bounds(values: np.ndarray, replicates: np.ndarray) -> dict[str, float]:
    """Ends of the 95% interval of a mean over seeds.

    Draws with replacement shift some figures: those of average precision are too high, as images that are drawn twice
    agree. The draws of each seed are therefore moved so that their mean is the seed's figure.

    Args:
        values: (S,), by seed.
        replicates: (S, B), the figure of each seed in each draw of the images.
    """
    moved = replicates + (values - finite_mean(replicates))[:, None]
    low, high = interval(drawn_over_seeds(moved)) or (np.nan, np.nan)
    return {"low": round(low, 2), "high": round(high, 2)}


def drawn_over_seeds(replicates: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Draws of a mean over seeds (B,) from the draws of the images of each seed (S, B).

    Each draw takes one draw of the images, and adds to its mean the standard error over seeds times a draw of Student's
    t of S - 1 degrees of freedom: without noise of the images, the interval is that of Student's t. Seeds drawn with
    replacement would give intervals of 95% that hold the mean of 3 seeds' population in 80% of all cases. One seed says
    nothing about its spread, and leaves the draws of the images alone.

    Args:
        seed: of the order in which the B quantiles of Student's t meet the draws of the images.
    """
    count, draws = replicates.shape
    mean: np.ndarray = replicates.mean(axis=0)
    if count == 1:
        return mean
    levels = (np.random.default_rng(seed).permutation(draws) + 0.5) / draws
    quantiles = special.stdtrit(count - 1, levels)  # of Student's t
    return mean + replicates.std(axis=0, ddof=1) / np.sqrt(count) * quantiles


def _write(
    settings: Evidence,
    markdown: str | Path,
    table: str | Path,
    means: Sequence[Mapping[str, Any]],
    compared: Sequence[Mapping[str, Any]],
    precisions: Sequence[Mapping[str, Any]],
    closer: Sequence[Mapping[str, Any]],
    mixed: Sequence[Mapping[str, Any]],
) -> None:
    named = [("mAP", line) for line in means] + [("precision", line) for line in precisions]
    write_csv(table, [{"figure": figure, **line} for figure, line in named])
    sections = [
        f"# {settings.title}",
        *([settings.grants] if settings.grants else []),
        f"Means over {settings.seeds} seeds. Every seed trains every network from new weights, on "
        "the same videos. The 95% intervals are over test images and seeds; those of differences are paired by both. "
        f"{STUDENT if settings.seeds > 1 else ONE_SEED}",
        "## mAP of the test set, %",
        grid(means, ["row", "mean", "low", "high", "sd", "by seed"]),
        "## Differences",
        "In points of mAP:",
        grid(compared),
        "## Retrieval without fine-tuning: precision among the nearest windows, %",
        grid(precisions, ["network", "mean", "low", "high", "sd", "by network"]),
    ]
    if closer:
        sections += ["In points of precision:", grid(closer)]
    if mixed:
        sections += ["## Library versions", NOTE, grid(mixed)]
    write_markdown(markdown, sections)


def _statistics(name: str, values: np.ndarray, by_seed: np.ndarray, replicates: np.ndarray) -> dict[str, str]:
    """Mean of the values of a row or line, their standard deviation, and the 95% interval of `bounds`, as text."""
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    listed = " ".join(f"{value:.1f}" for value in values)
    ends = {end: f"{bound:.1f}" for end, bound in bounds(by_seed, replicates).items()}
    return {"of": name, "mean": f"{values.mean():.1f}", **ends, "sd": f"{deviation:.1f}", "values": listed}


def _known(name: str, value: float) -> dict[str, str]:
    """A line of `_statistics` for a figure that is no estimate."""
    return {"of": name, "mean": f"{value:.1f}"} | dict.fromkeys(("low", "high", "sd", "values"), "")
