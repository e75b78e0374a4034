"""Do the rows fall in the paper's order? Means over seeds, with intervals over seeds and test images."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracklearn.experiment.configuration import seed_name
from tracklearn.files import atomic
from tracklearn.tables.table1 import grid


def evidence_table(
    *,
    evidence: Mapping[str, Any],
    means: Sequence[str | Path],
    bootstraps: Sequence[str | Path],
    retrieval: Sequence[str | Path],
    markdown: str | Path,
    table: str | Path,
) -> dict[str, float]:
    """Write the rows, their differences and retrieval over all seeds.

    Args:
        evidence: the config's block: `seeds`, `rows`, `comparisons`, and `retrieval`, models by the name of their line;
            the first line is what the others are compared with.
        means: the mAP.json of every row and seed.
        bootstraps: their replicates (B,), drawn from the same test images in every row.
        retrieval: the cells of the retrieval models and seeds.
        markdown, table: where to write.

    Returns:
        Mean mAP of each row, mean precision of each line, and the lower end of each difference.
    """
    seeds = range(1, evidence["seeds"] + 1)
    values = {cell["row"]: cell["value"] for cell in (json.loads(Path(path).read_text()) for path in means)}
    draws = {Path(path).stem: np.load(path)["mAP"] for path in bootstraps}
    precisions = {Path(path).stem: json.loads(Path(path).read_text())["precision"] for path in retrieval}

    rows = {row: np.array([values[seed_name(row, seed)] for seed in seeds], float) for row in evidence["rows"]}
    nearest = {
        line: np.array([precisions[seed_name(model, seed)] for seed in seeds for model in models], float)
        for line, models in evidence["retrieval"].items()
    }
    replicates = {row: np.stack([draws[seed_name(row, seed)] for seed in seeds]) for row in rows}  # (S, B) each
    compared = [compare(better, worse, rows, replicates) for better, worse in evidence["comparisons"]]
    _write(markdown, table, rows, compared, nearest)
    return (
        {f"mAP.{row}": float(found.mean()) for row, found in rows.items()}
        | {f"precision.{line}": float(found.mean()) for line, found in nearest.items()}
        | {f"low.{line['row']}-{line['against']}": line["low"] for line in compared}
    )


def compare(
    better: str, worse: str, rows: Mapping[str, np.ndarray], replicates: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Mean difference over seeds (S,) and its 95% interval over test images (paired) and seeds.

    Each draw takes S seeds with replacement and one draw of the images for each. S values drawn from S have (S - 1) / S
    of the variance of the population, so their distances from the mean are stretched first.
    """
    gaps = replicates[better] - replicates[worse]  # (S, B)
    count, drawn = gaps.shape
    if count > 1:
        centre = gaps.mean(axis=0)
        gaps = centre + (gaps - centre) * np.sqrt(count / (count - 1))
    chosen = np.random.default_rng(0).integers(count, size=(count, drawn))
    spread = np.take_along_axis(gaps, chosen, axis=0).mean(axis=0)  # (B,)
    low, high = np.percentile(spread[np.isfinite(spread)], [2.5, 97.5])
    by_seed = rows[better] - rows[worse]
    return {
        "row": better,
        "against": worse,
        "difference": round(float(by_seed.mean()), 2),
        "low": round(float(low), 2),
        "high": round(float(high), 2),
        "by_seed": " ".join(f"{gap:+.1f}" for gap in by_seed),
    }


def _write(
    markdown: str | Path,
    table: str | Path,
    rows: Mapping[str, np.ndarray],
    compared: Sequence[Mapping[str, Any]],
    nearest: Mapping[str, np.ndarray],
) -> None:
    means = [[name, *_spread(found)] for name, found in rows.items()]
    first = next(iter(nearest.values())).mean()
    precisions = [[name, *_spread(found), f"{found.mean() / first:.2f}"] for name, found in nearest.items()]
    with atomic(table) as temporary, open(temporary, "w", newline="") as file:
        lines = [["mAP", *line, ""] for line in means] + [["precision", *line] for line in precisions]
        csv.writer(file).writerows([["figure", "of", "mean", "sd", "values", "ratio"], *lines])
    sections = [
        "# Evidence on the small world",
        f"Means over {len(next(iter(rows.values())))} seeds; each trains every network anew on the same videos.",
        "## mAP of the test set, %",
        grid(["row", "mean", "sd", "by seed"], means),
        "## Differences",
        "In points of mAP. The 95% interval draws test images (paired) and seeds; a few seeds say little about their "
        "own spread, so the differences by seed stand beside it.",
        grid(list(compared[0]), [list(line.values()) for line in compared]),
        "## Retrieval without fine-tuning: precision among the nearest windows, %",
        grid(["network", "mean", "sd", "by network", f"ratio to {next(iter(nearest))}"], precisions),
    ]
    with atomic(markdown) as temporary:
        temporary.write_text("\n\n".join(sections) + "\n")


def _spread(values: np.ndarray) -> list[str]:
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    return [f"{values.mean():.1f}", f"{deviation:.1f}", " ".join(f"{value:.1f}" for value in values)]
