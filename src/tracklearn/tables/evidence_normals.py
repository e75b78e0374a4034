"""Does pretraining help to predict surface normals? Means over seeds, with intervals over seeds and test images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracklearn.experiment.model_graph import seed_name
from tracklearn.npz import read_arrays
from tracklearn.settings.base import Block
from tracklearn.settings.tables import NormalsEvidence
from tracklearn.tables.cells import read_cell
from tracklearn.tables.evidence import ONE_SEED, STUDENT, bounds, compare
from tracklearn.tables.formats import grid, write_csv, write_markdown
from tracklearn.tables.table2 import shared_entries
from tracklearn.tables.versions import NOTE, mixed_versions

FIGURES = {
    "mean": "mean error, degrees",
    "median": "median error, degrees",
    "within_11.25": "pixels within 11.25 degrees, %",
}


def evidence_normals_table(
    *,
    evidence: Block,
    cells: Sequence[str | Path],
    bootstraps: Sequence[str | Path],
    markdown: str | Path,
    table: str | Path,
    versions: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Write the lines and their differences to the first line over all seeds.

    Args:
        evidence: block `settings.tables.NormalsEvidence`.
        cells: the cells of all models and seeds, each named after its model.
        bootstraps: their replicates, drawn from the same test images, each named after its model.
        markdown, table: the files to write.
        versions: number of runs behind the table by library and version.

    Returns:
        Mean error of each line, and the bounds of each difference.
    """
    settings = NormalsEvidence.read(evidence)
    seeds = range(1, settings.seeds + 1)
    read = {Path(path).stem: read_cell(path) for path in cells}
    draws = {Path(path).stem: read_arrays(path) for path in bootstraps}
    shared = shared_entries(read)
    values = {
        (line, figure): np.array(
            [np.mean([read[seed_name(model, seed)]["figures"][figure]["value"] for model in models]) for seed in seeds]
        )
        for line, models in settings.lines.items()
        for figure in FIGURES
    }
    replicates = {
        (line, figure): np.stack(
            [np.mean([draws[seed_name(model, seed)][figure] for model in models], axis=0) for seed in seeds]
        )
        for line, models in settings.lines.items()
        for figure in FIGURES
    }  # (S, B) each
    first, *others = settings.lines
    means, differences = [], []
    for figure in FIGURES:
        of_figure = [{line: found[line, figure] for line in settings.lines} for found in (values, replicates)]
        for line in settings.lines:
            means.append({"line": line, "figure": figure} | _statistics(values[line, figure], replicates[line, figure]))
        differences += [{"figure": figure} | compare(line, first, *of_figure) for line in others]
    write_csv(table, [*means, *differences])
    sections = [
        "# Surface normals over seeds",
        f"Means over {settings.seeds} training seeds. With each seed every network is trained from new initial "
        f"weights, and so are the networks that it starts from. {shared['images']} test images; truth: "
        f"{shared['truth']}; mask: {shared['mask']}.",
        *(_verdict(line, first, difference) for line, difference in zip(others, differences, strict=False)),
        "The 95% intervals are over test images and seeds; those of differences are paired by both. "
        f"{STUDENT if settings.seeds > 1 else ONE_SEED}",
    ]
    for figure, title in FIGURES.items():
        sections += [
            f"## {title[0].upper()}{title[1:]}",
            *(grid(rows) for rows in (_of_figure(means, figure), _of_figure(differences, figure)) if rows),
        ]
    if mixed := mixed_versions(versions):
        sections += ["## Library versions", NOTE, grid(mixed)]
    write_markdown(markdown, sections)
    return {f"mean.{line}": float(values[line, "mean"].mean()) for line in settings.lines} | {
        f"{bound}.{row['row']}": row[bound] for row in differences[: len(others)] for bound in ("low", "high")
    }


def _of_figure(rows: Sequence[Mapping[str, Any]], figure: str) -> list[dict[str, Any]]:
    """The rows of one figure, without its name."""
    return [{key: row[key] for key in row if key != "figure"} for row in rows if row["figure"] == figure]


def _statistics(values: np.ndarray, replicates: np.ndarray) -> dict[str, str]:
    """Mean, its 95% interval by draws (S, B), standard deviation and values (S,) of a line, as text."""
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    listed = " ".join(f"{value:.2f}" for value in values)
    ends = {end: f"{bound:.2f}" for end, bound in bounds(values, replicates).items()}
    return {"mean": f"{values.mean():.2f}", **ends, "sd": f"{deviation:.2f}", "by_seed": listed}


def _verdict(line: str, first: str, difference: Mapping[str, Any]) -> str:
    """Whether a line's mean error is below that of the first line, as far as the interval can tell."""
    low, high = difference["low"], difference["high"]
    said = "is lower" if high < 0 else "is higher" if low > 0 else "is not told apart"
    than = "from that of" if said == "is not told apart" else "than that of"
    return (
        f"The mean error of *{line}* {said} {than} *{first}*: difference {difference['difference']:+.2f} degrees "
        f"[{low:+.2f}, {high:+.2f}]."
    )
