"""One page of a whole run: Table 1, the mined pairs, the filters and the curves."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from tracklearn.pages.rendering import Picture, render
from tracklearn.tables.versions import NOTE, mixed_versions

FIRST = ["row", "external", "mAP", "mAP_low", "mAP_high", "mAP_11point", "classes_in_mean"]
QUALITY = 85  # of the JPEG of a contact sheet
CURVES = ["loss", "violated", "positive_distance", "negative_distance"]


def table1_page(
    *,
    table: str | Path,
    differences: str | Path,
    sheets: Sequence[str | Path],
    summaries: Sequence[str | Path],
    conv1: Sequence[str | Path],
    logs: Sequence[str | Path],
    protocol: str,
    section6: bool = False,
    table2: bool = False,
    page: str | Path,
    versions: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Write a page to look at a run; every picture is inside the file.

    Args:
        table, differences: CSV files of `tables.table1`.
        sheets, summaries: contact sheet and summary of the first patch shards, in the same order.
        conv1, logs: pictures of filters and training logs, each in a folder named after its model.
        protocol: name of the evaluation.
        section6: whether there are pages of section 6 and of the figures, to which this one links.
        table2: whether there is a page of Table 2, to which this one links.
        page: the HTML file to write.
        versions: number of runs behind the table by library and version.

    Returns:
        The number of `pictures` on the page.
    """
    results = pd.read_csv(table)
    pictures = {
        "means": Picture.of(mean_bars(results), "mAP with its 95% interval"),
        "sheets": [_photos(sheet, _caption(path)) for sheet, path in zip(sheets, summaries, strict=True)],
        "conv1": [_loaded(path, Path(path).parent.name) for path in conv1],
        "curves": Picture.of(ranking_curves(logs), "loss, violated triplets and distances by iteration")
        if logs
        else None,
    }
    render(
        "table1.html.jinja",
        page,
        protocol=protocol,
        # The means stand beside the rows' names, before the classes.
        results=results[[*FIRST, *results.columns.difference([*FIRST, "id"], sort=False)]],
        differences=pd.read_csv(differences),
        section6=section6,
        table2=table2,
        versions=pd.DataFrame(mixed_versions(versions)),
        versions_note=NOTE,
        **pictures,
    )
    return {"pictures": len(sheets) + len(conv1) + (2 if logs else 1)}


def mean_bars(results: pd.DataFrame) -> Figure:
    """The rows' mAP as bars with their intervals."""
    figure = Figure(figsize=(8, 0.4 * len(results) + 1), layout="constrained")
    axes = figure.subplots()
    known = results.dropna(subset="mAP")
    names = known["row"] + known["external"].map(lambda e: "" if pd.isna(e) or str(e) in ("", "0") else f" {e}")
    axes.barh(known["id"], known["mAP"], color="#8fb3d9")
    measured = known.dropna(subset=["mAP_low", "mAP_high"])
    # Lines, not error bars: with few test images an estimate may lie outside its own percentiles.
    axes.hlines(measured["id"], measured["mAP_low"], measured["mAP_high"], color="#333")
    axes.set_yticks(known["id"], names)
    axes.invert_yaxis()
    axes.set_xlabel("mAP, %")
    return figure


def ranking_curves(logs: Sequence[str | Path]) -> Figure:
    """Loss, share of violated triplets and distances of positives and negatives against the iteration."""
    figure = Figure(figsize=(14, 3), layout="constrained")
    panels = figure.subplots(1, len(CURVES))
    for path in logs:
        log = pd.read_csv(path)
        for axes, column in zip(panels, CURVES, strict=True):
            axes.plot(log["iteration"], log[column], label=Path(path).parent.name, linewidth=1)
            axes.set(title=column.replace("_", " "), xlabel="iteration")
    panels[-1].legend(fontsize=8)
    return figure


def _caption(summary: str | Path) -> str:
    counts = json.loads(Path(summary).read_text())
    found = f"{counts['pairs']} pairs from {counts['videos']} videos"
    return f"shard {Path(summary).stem}: {found}; query above, tracked below"


def _loaded(path: str | Path, caption: str) -> Picture:
    return Picture(Path(path).read_bytes(), caption)


def _photos(path: str | Path, caption: str) -> Picture:
    """A picture of photos as JPEG, which takes a fifth of the bytes of its PNG."""
    data = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(data, format="JPEG", quality=QUALITY)
    return Picture(data.getvalue(), caption, "jpeg")
