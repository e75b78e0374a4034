"""What all figures share: width, type and resolution of print, and the description that stands beside each figure."""

from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tracklearn.files import atomic, write_json

WIDTH = 6.9  # inches: two columns of a conference paper, or the text of an A4 page
DPI = 300
SMALL, NORMAL = 5.5, 7  # points
TRIES = 20  # drawn for each picture of a figure, since some cannot be shown
STYLE: Any = {"font.size": NORMAL, "font.family": "sans-serif", "axes.titlesize": NORMAL, "svg.hashsalt": "tracklearn"}

in_print = mpl.rc_context(STYLE)
"""Decorator of the functions that draw a figure: type of print, and SVG files that are equal for equal figures."""


class Outputs(NamedTuple):
    """The files of one figure: a PNG of 300 dpi, the same as SVG, and a JSON file that describes what was drawn."""

    png: str | Path
    svg: str | Path
    description: str | Path


def new_figure(height: float) -> Figure:
    """An empty figure of the width of print, `height` inches high."""
    return Figure(figsize=(WIDTH, height), dpi=DPI)


def inches(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes without frame and ticks at a place in inches from the figure's upper left corner."""
    whole_width, whole_height = figure.get_size_inches()
    bottom = (whole_height - top - height) / whole_height
    axes = figure.add_axes((left / whole_width, bottom, width / whole_width, height / whole_height))
    axes.axis("off")
    return axes


def write_figure(
    figure: Figure, outputs: Outputs, *, caption: str, drawn: Sequence[str] = (), notes: Sequence[str] = ()
) -> None:
    """Write a figure's files; equal figures give equal files.

    Args:
        caption: what the figure shows, and by which rule it was drawn.
        drawn: what each picture of the figure is.
        notes: what could not be shown.
    """
    for path, metadata in ((outputs.png, {}), (outputs.svg, {"Date": None})):
        with atomic(path) as temporary:
            figure.savefig(temporary, dpi=DPI, metadata=metadata)
    _describe(outputs, caption=caption, drawn=list(drawn), notes=list(notes))


def write_placard(outputs: Outputs, reason: str) -> None:
    """Write a figure that only says why there is nothing to show."""
    figure = new_figure(0.6)
    figure.text(0.5, 0.5, reason, ha="center", va="center", wrap=True)
    write_figure(figure, outputs, caption="", notes=[reason])


def _describe(outputs: Outputs, **content: Any) -> None:
    write_json(outputs.description, content)


def draw_without_replacement(total: int, pictures: int, *seed: int) -> list[int]:
    """`TRIES` numbers below `total` for each of some pictures, or all numbers, in random order."""
    return np.random.default_rng(seed).choice(total, min(total, TRIES * pictures), replace=False).tolist()


def repeats_last(keys: Sequence[Hashable]) -> list[int]:
    """Places of a sequence in its order, but each key's second place after all first places, and so on."""
    seen: Counter[Hashable] = Counter()
    turns = []
    for key in keys:
        turns.append(seen[key])
        seen[key] += 1
    return sorted(range(len(keys)), key=turns.__getitem__)
