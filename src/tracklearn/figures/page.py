"""One page that says in words what the paper's figures show, beside the figures of this experiment."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from tracklearn.files import read_json
from tracklearn.pages.rendering import Picture, render

PREVIEW = 1600  # pixels, width of a figure on the page; its files have 300 dpi
QUALITY = 88

PAPER = {
    "figure2": (
        "Figure 2, section 4",
        "How a frame is chosen. On frames of a video of buses it shows the SURF points and their motion. Frames in "
        "which nearly nothing moves and frames in which the camera moves are rejected. In an accepted frame the box "
        "that holds most moving points is tracked, and the first and the last box of the track are a pair.",
    ),
    "figure3": (
        "Figure 3, section 4",
        "Examples of mined pairs, each with the query patch and the tracked patch: the same thing 30 frames later, in "
        "another pose, at another size or in another light.",
    ),
    "figure5": (
        "Figure 5, section 6.1",
        "What units of pool5 of the network learned from video respond to. Each row has the windows that excite one of "
        "five units most, cropped to the unit's receptive field.",
    ),
    "figure6": (
        "Figure 6, section 6.1",
        "The filters of conv1, (a) as learned from video without labels and (b) after fine-tuning on VOC 2012. The "
        "paper finds the filters sharper after fine-tuning.",
    ),
    "figure7": (
        "Figure 7, section 6.1",
        "Queries and the windows nearest to them by pool5, for a random network and for the network learned from "
        "video.",
    ),
    "figure8": (
        "Figure 8, section 6.2.2",
        "Photos of rooms of NYUv2 and their surface normals as networks predict them. Blue, green and red stand for "
        "a normal's x, y and z.",
    ),
}
WITHOUT_FIGURE7 = "it needs annotated evaluation images and a network in the rows of retrieval"


class Shown(NamedTuple):
    """A figure of the page: the paper's number and words, and ours or the reason why there is none.

    Attributes:
        page: file of the figure's own page, and the link to it; None if it has none.
    """

    paper: str
    words: str
    picture: Picture | None
    files: Mapping[str, str]
    description: Mapping[str, Any]
    page: tuple[str, str] | None


def figures_page(
    *,
    pngs: Sequence[str | Path],
    svgs: Sequence[str | Path],
    descriptions: Sequence[str | Path],
    left_out: Mapping[str, str],
    pages: Mapping[str, str],
    protocol: str,
    page: str | Path,
) -> dict[str, float]:
    """Write the page. Its pictures are inside the file, smaller than those of print, which it links to.

    The links begin with `../../`, the folder of the results. A copy of the page in that folder needs links without
    this beginning.

    Args:
        pngs, svgs, descriptions: the files of each figure, named after it, in the same order.
        left_out: why a figure is not there, by its name.
        pages: pages of single figures by the figure's name. That of figure 7 is a target of its own and need not be
            there yet.
        protocol: name of the evaluation.
        page: the HTML file to write, two folders below that of the results.

    Returns:
        The numbers of `figures` on the page and of those `left_out`.
    """
    drawn = {Path(png).stem: files for png, *files in zip(pngs, pngs, svgs, descriptions, strict=True)}
    reasons = {"figure7": WITHOUT_FIGURE7, **left_out}
    figures = []
    for name, (paper, words) in PAPER.items():
        own = (pages[name], _link(pages[name], page)) if name in pages else None
        if name in drawn:
            png, svg, description = drawn[name]
            content = read_json(description)
            links = {"PNG, 300 dpi": _link(png, page), "SVG": _link(svg, page)}
            figures.append(Shown(paper, words, _preview(png, content["caption"]), links, content, own))
        else:
            content = {"caption": "" if own else reasons[name], "drawn": [], "notes": []}
            figures.append(Shown(paper, words, None, {}, content, own))
    render("figures.html.jinja", page, protocol=protocol, figures=figures)
    return {"figures": float(len(drawn)), "left_out": float(len(PAPER.keys() - drawn.keys() - pages.keys()))}


def _link(file: str | Path, page: str | Path) -> str:
    return f"../../{os.path.relpath(file, Path(page).parents[2])}"


def _preview(png: str | Path, caption: str) -> Picture:
    with Image.open(png) as image:
        small = image.convert("RGB")
    small.thumbnail((PREVIEW, PREVIEW * 4))
    data = io.BytesIO()
    small.save(data, format="JPEG", quality=QUALITY)
    return Picture(data.getvalue(), caption, "jpeg")
