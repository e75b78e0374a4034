"""The page of Table 1, with some of the pairs behind it."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from tracklearn.files import read_json
from tracklearn.pages.rendering import Picture, render
from tracklearn.tables.versions import NOTE, mixed_versions

FIRST = ["row", "external", "mAP", "mAP_low", "mAP_high", "mAP_11point", "classes_in_mean"]
QUALITY = 85  # of the JPEG of a contact sheet


def table1_page(
    *,
    table: str | Path,
    differences: str | Path,
    sheets: Sequence[str | Path],
    summaries: Sequence[str | Path],
    protocol: str,
    section6: bool = False,
    table2: bool = False,
    rows_with_pages: Sequence[str] = (),
    compared: Sequence[Sequence[str]] = (),
    page: str | Path,
    versions: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Write a page to look at a run; every picture is inside the file.

    Args:
        table, differences: CSV files of `tables.table1`.
        sheets, summaries: contact sheet and summary of the first patch shards, in the same order.
        protocol: name of the evaluation.
        section6: whether there are pages of section 6 and of the figures, to which this one links.
        table2: whether there is a page of Table 2, to which this one links.
        rows_with_pages: ids of the rows whose detections have pages, to which this one links.
        compared: pairs of rows whose detections are compared on a page, to which this one links.
        page: the HTML file to write.
        versions: number of runs behind the table by library and version.

    Returns:
        The number of `pictures` on the page.
    """
    results = pd.read_csv(table)
    pictures = {
        "means": Picture.of(mean_bars(results), "mAP with its 95% interval"),
        "sheets": [_photos(sheet, _caption(path)) for sheet, path in zip(sheets, summaries, strict=True)],
    }
    render(
        "table1.html.jinja",
        page,
        protocol=protocol,
        # The means stand beside the rows' names, before the classes.
        columns=[*FIRST, *(classes := list(results.columns.difference([*FIRST, "id"], sort=False)))],
        classes=classes,
        results=results.to_dict("records"),
        rows_with_pages=rows_with_pages,
        compared=compared,
        differences=pd.read_csv(differences),
        section6=section6,
        table2=table2,
        versions=pd.DataFrame(mixed_versions(versions)),
        versions_note=NOTE,
        **pictures,
    )
    return {"pictures": len(sheets) + 1}


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


def _caption(summary: str | Path) -> str:
    counts = read_json(summary)
    found = f"{counts['pairs']} pairs from {counts['videos']} videos"
    return f"shard {Path(summary).stem}: {found}; query above, tracked below"


def _photos(path: str | Path, caption: str) -> Picture:
    """A picture of photos as JPEG, which takes a fifth of the bytes of its PNG."""
    data = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(data, format="JPEG", quality=QUALITY)
    return Picture(data.getvalue(), caption, "jpeg")
