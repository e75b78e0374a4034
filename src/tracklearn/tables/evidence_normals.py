"""Does pretraining help to predict surface normals? Means over seeds, with intervals over seeds and test images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tracklearn.experiment.model_graph import seed_name
from tracklearn.files import atomic
from tracklearn.settings.base import Block
from tracklearn.settings.tables import NormalsEvidence
from tracklearn.tables.cells import read_cell
from tracklearn.tables.evidence import compare, statistics
from tracklearn.tables.formats import grid, write_csv
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
    draws = {Path(path).stem: dict(np.load(path)) for path in bootstraps}
    found, differences, entries = {}, {}, []
    for figure in FIGURES:
        values = {
            line: np.array(
                [
                    _mean([read[seed_name(model, seed)]["figures"][figure]["value"] for model in models])
                    for seed in seeds
                ]
            )
            for line, models in settings.lines.items()
        }
        replicates = {
            line: np.stack([_mean([draws[seed_name(model, seed)][figure] for model in models]) for seed in seeds])
            for line, models in settings.lines.items()
        }  # (S, B) each
        first, *others = settings.lines
        found[figure] = [statistics(line, of_line) for line, of_line in values.items()]
        differences[figure] = [compare(line, first, values, replicates) for line in others]
        entries += [{"figure": figure, **line} for line in found[figure]]
        entries += [{"figure": f"{figure}, difference", **line} for line in differences[figure]]
    write_csv(table, entries)
    any_cell = next(iter(read.values()))
    sections = [
        "# Surface normals over seeds",
        f"Means over {settings.seeds} seeds. Every seed trains every network from new weights, with all that it "
        f"learned from. {any_cell['images']} test images; truth: {any_cell['truth']}; mask: {any_cell['mask']}.",
        "The 95% interval of a difference draws test images (paired) and seeds; a few seeds say little about their own "
        "spread, so the differences by seed stand beside it.",
    ]
    for figure, title in FIGURES.items():
        sections += [f"## {title[0].upper()}{title[1:]}", grid(found[figure], ["row", "mean", "sd", "by seed"])]
        sections += [grid(differences[figure])] if differences[figure] else []
    if mixed := mixed_versions(versions):
        sections += ["## Library versions", NOTE, grid(mixed)]
    with atomic(markdown) as temporary:
        temporary.write_text("\n\n".join(sections) + "\n")
    return {f"mean.{line['of']}": float(line["mean"]) for line in found["mean"]} | {
        f"{bound}.{line['row']}": line[bound] for line in differences["mean"] for bound in ("low", "high")
    }


def _mean(values: Sequence[float] | Sequence[np.ndarray]) -> np.ndarray:
    return np.mean(values, axis=0)
