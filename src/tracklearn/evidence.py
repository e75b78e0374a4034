"""Do the rows fall in the paper's order? Means over seeds, with intervals over seeds and test images."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracklearn.experiment import seed_name
from tracklearn.files import atomic
from tracklearn.tables import grid


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
        evidence: the config's block: `seeds`, `rows`, `comparisons`, `retrieval`.
        means: the mAP.json of every row and seed.
        bootstraps: their replicates (B,), drawn from the same test images in every row.
        retrieval: the cells of the retrieval models and seeds.
        markdown, table: where to write.

    Returns:
        Mean mAP of each row, mean precision of each retrieval model, and the lower end of each difference.
    """
    seeds = range(1, evidence["seeds"] + 1)
    values = {cell["row"]: cell["value"] for cell in (json.loads(Path(path).read_text()) for path in means)}
    draws = {Path(path).stem: np.load(path)["mAP"] for path in bootstraps}
    nearest = {Path(path).stem: json.loads(Path(path).read_text()) for path in retrieval}

    rows = {row: np.array([values[seed_name(row, seed)] for seed in seeds]) for row in evidence["rows"]}
    precision = {
        model: np.array([nearest[seed_name(model, seed)]["precision"] for seed in seeds])
        for model in evidence["retrieval"]
    }
    replicates = {row: np.stack([draws[seed_name(row, seed)] for seed in seeds]) for row in rows}  # (S, B) each
    compared = [_comparison(better, worse, rows, replicates) for better, worse in evidence["comparisons"]]
    _write(markdown, table, rows, compared, precision)
    return (
        {f"mAP.{row}": float(found.mean()) for row, found in rows.items()}
        | {f"precision.{model}": float(found.mean()) for model, found in precision.items()}
        | {f"low.{line['row']}-{line['against']}": line["low"] for line in compared}
    )


def _comparison(
    better: str, worse: str, rows: Mapping[str, np.ndarray], draws: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Mean difference over seeds; its 95% interval draws test images (paired) and seeds (S, B) with replacement."""
    gaps = draws[better] - draws[worse]  # (S, B)
    seeds, count = gaps.shape
    chosen = np.random.default_rng(0).integers(seeds, size=(seeds, count))
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
    precision: Mapping[str, np.ndarray],
) -> None:
    lines = [["mAP", name, *_spread(found)] for name, found in rows.items()]
    lines += [["precision", name, *_spread(found)] for name, found in precision.items()]
    with atomic(table) as temporary, open(temporary, "w", newline="") as file:
        csv.writer(file).writerows([["figure", "of", "mean", "sd", "by_seed"], *lines])
    sections = [
        "# Evidence on the small world",
        f"Means over {len(next(iter(rows.values())))} seeds; each seed trains every network anew on the same videos.",
        "## mAP of the test set, %",
        grid(["row", "mean", "sd over seeds", "by seed"], [line[1:] for line in lines if line[0] == "mAP"]),
        "## Differences",
        "In points of mAP; the 95% interval draws test images (paired) and seeds.",
        grid(list(compared[0]), [list(line.values()) for line in compared]),
        "## Retrieval without fine-tuning: precision among the nearest windows, %",
        grid(["network", "mean", "sd over seeds", "by seed"], [line[1:] for line in lines if line[0] == "precision"]),
    ]
    with atomic(markdown) as temporary:
        temporary.write_text("\n\n".join(sections) + "\n")


def _spread(values: np.ndarray) -> list[str]:
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    return [f"{values.mean():.1f}", f"{deviation:.1f}", " ".join(f"{value:.1f}" for value in values)]
