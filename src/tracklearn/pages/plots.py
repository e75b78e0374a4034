"""Plots of shares against a number as SVG inside a page: a page of many plots takes no time, and they stay sharp."""

from typing import NamedTuple

import numpy as np

WIDTH, HEIGHT = 340, 220  # pixels of the axes
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"  # apart for the colour-blind too (Okabe and Ito, 2008)


class Line(NamedTuple):
    """A line of a plot.

    Attributes:
        name: in the legend.
        colour: of CSS.
        x: (T,) rising or falling.
        y: (T,) from 0 to 1.
        mark: index of a point that a dot marks; None for none.
    """

    name: str
    colour: str
    x: np.ndarray
    y: np.ndarray
    mark: int | None = None


class Plot(NamedTuple):
    """Lines over one axis; the macro `plot` of `plots.html.jinja` draws it.

    Attributes:
        low, high: ends of the horizontal axis.
    """

    title: str
    x_label: str
    low: float
    high: float
    lines: list[Line]

    def place(self, line: Line, index: int) -> tuple[float, float]:
        """Where a point of a line lies, in pixels from the upper left corner of the axes."""
        return round(self._column(line.x[index]), 1), round(HEIGHT * (1 - float(line.y[index])), 1)

    def points(self, line: Line) -> str:
        """The points of a line for SVG; of the points in one column of pixels, the first and the last one."""
        column = np.array([self._column(x) for x in line.x]).astype(int)
        ends = np.flatnonzero(np.diff(column, prepend=-1))
        kept = np.unique([*ends, *(ends[1:] - 1), len(column) - 1])
        return " ".join("{},{}".format(*self.place(line, index)) for index in kept)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Where the horizontal axis has numbers, and the numbers: multiples of 1, 2 or 5 times a power of ten."""
        if self.low == self.high:
            return [(0.0, f"{self.low:.3g}")]
        power = 10.0 ** np.floor(np.log10((self.high - self.low) / most))
        for step in power * np.array([1, 2, 5, 10, 20]):
            first, last = np.ceil(self.low / step - 1e-6), np.floor(self.high / step + 1e-6)
            if last - first < most:
                break
        values = step * np.arange(first, last + 1) + 0.0  # no -0
        return [(round(self._column(value), 1), f"{value:.10g}") for value in values]

    def _column(self, x: float) -> float:
        return WIDTH * float(x - self.low) / ((self.high - self.low) or 1)
