"""One self-contained page: Table 1, the mined pairs, the filters, the curves and retrieval."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from tracklearn.files import atomic
from tracklearn.pages.document import document, embedded


def table1_page(
    *,
    table: str | Path,
    differences: str | Path,
    sheets: Sequence[str | Path],
    summaries: Sequence[str | Path],
    conv1: Sequence[str | Path],
    logs: Sequence[str | Path],
    retrieval: Sequence[str | Path],
    protocol: str,
    page: str | Path,
) -> dict[str, float]:
    """Write the page that a run is looked at with; every picture is inside the file.

    Args:
        table, differences: CSV files of `tables.table1`.
        sheets, summaries: contact sheet and summary of the first patch shards, in the same order.
        conv1, logs: pictures of filters and training logs, in folders named as their models.
        retrieval: cells of `retrieval.precision_at_k`, named as their models.
        protocol: name of the evaluation.
        page: the HTML file to write.
    """
    results = pd.read_csv(table)
    captions = [_summary_words(path) for path in summaries]
    sections = {
        f"Table 1 ({protocol})": _frame(_means_first(results))
        + _figure(mean_bars(results), "mAP with its 95% interval"),
        "Differences between rows": _frame(pd.read_csv(differences)),
        "Mined pairs": "".join(map(_picture, sheets, captions)),
        "Filters of conv1": "".join(_picture(path, Path(path).parent.name) for path in conv1),
        "Ranking training": _figure(ranking_curves(logs), "loss, violated triplets and distances by iteration"),
        "Retrieval without fine-tuning": _frame(_retrieval(retrieval)),
    }
    with atomic(page) as temporary:
        temporary.write_text(document("Table 1", "Visual features from tracking", sections))
    return {"pictures": len(sheets) + len(conv1) + 2}


def _means_first(results: pd.DataFrame) -> pd.DataFrame:
    """The rows with their means beside their names, before the classes."""
    first = ["row", "external", "mAP", "mAP_low", "mAP_high", "mAP_11point", "classes_in_mean"]
    return results[[*first, *results.columns.difference([*first, "id"], sort=False)]]


def mean_bars(results: pd.DataFrame) -> Figure:
    """The rows' mAP as bars with their intervals."""
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(results) + 1), layout="constrained")
    known = results.dropna(subset="mAP")
    names = known["row"] + known["external"].map(lambda e: "" if pd.isna(e) or str(e) in ("", "0") else f" {e}")
    axes.barh(known["id"], known["mAP"], color="#8fb3d9")
    measured = known.dropna(subset=["mAP_low", "mAP_high"])
    # Lines, not error bars: few test images can put an estimate outside its own percentiles.
    axes.hlines(measured["id"], measured["mAP_low"], measured["mAP_high"], color="#333")
    axes.set_yticks(known["id"], names)
    axes.invert_yaxis()
    axes.set_xlabel("mAP, %")
    return figure


def ranking_curves(logs: Sequence[str | Path]) -> Figure:
    """Loss, share of violated triplets and distances of positives and negatives against the iteration."""
    shown = ["loss", "violated", "positive_distance", "negative_distance"]
    figure, panels = plt.subplots(1, len(shown), figsize=(14, 3), layout="constrained")
    for path in logs:
        log = pd.read_csv(path)
        for axes, column in zip(panels, shown, strict=True):
            axes.plot(log["iteration"], log[column], label=Path(path).parent.name, linewidth=1)
            axes.set(title=column.replace("_", " "), xlabel="iteration")
    if logs:
        panels[-1].legend(fontsize=8)
    return figure


def _retrieval(cells: Sequence[str | Path]) -> pd.DataFrame:
    found: list[Mapping[str, object]] = []
    for path in cells:
        cell = json.loads(Path(path).read_text())
        row = {"model": Path(path).stem, "k": cell["k"], "precision": cell["precision"], "hit rate": cell["hit_rate"]}
        found.append(row | {"by chance": cell["chance"]})
    return pd.DataFrame(found)


def _summary_words(path: str | Path) -> str:
    summary = json.loads(Path(path).read_text())
    found = f"{summary['pairs']} pairs from {summary['videos']} videos"
    return f"shard {Path(path).stem}: {found}; query above, tracked below"


def _frame(table: pd.DataFrame) -> str:
    return table.to_html(index=False, border=0, na_rep="-", float_format=lambda value: f"{value:.1f}")


def _picture(path: str | Path, caption: str) -> str:
    return embedded(Path(path).read_bytes(), caption)


def _figure(figure: Figure, caption: str) -> str:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    plt.close(figure)
    return embedded(drawn.getvalue(), caption)
