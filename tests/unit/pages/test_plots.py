from xml.etree import ElementTree

import numpy as np
import pytest

from tracklearn.pages.plots import Line, Plot
from tracklearn.pages.rendering import TEMPLATES


def test_points_lie_where_their_numbers_say():
    line = Line("precision", "red", np.array([0, 0.5, 1]), np.array([1, 0.25, 0]))
    plot = Plot("P", "recall", 0, 1, [line])
    assert plot.points(line) == "0.0,0.0 170.0,165.0 340.0,220.0"
    assert plot.ticks(3) == [(0.0, "0"), (170.0, "0.5"), (340.0, "1")]


@pytest.mark.parametrize(
    ("low", "high", "numbers"),
    [
        (0, 1, "0 0.2 0.4 0.6 0.8 1"),
        (-1.042, 1.6, "-1 -0.5 0 0.5 1 1.5"),
        (-1.042, -0.09729, "-1 -0.8 -0.6 -0.4 -0.2"),
        (0.30001, 0.30019, "0.30005 0.3001 0.30015"),
        (-250, 900, "-200 0 200 400 600 800"),
        (2.0371, 2.0371, "2.04"),
    ],
)
def test_the_axis_has_round_numbers(low, high, numbers):
    ticks = Plot("P", "score", low, high, []).ticks()
    assert " ".join(number for _, number in ticks) == numbers
    assert all(0 <= place <= 340 for place, _ in ticks)


def test_of_many_points_in_a_column_the_first_and_the_last_are_kept():
    rng = np.random.default_rng(0)
    x = np.sort(rng.random(50_000))[::-1] * 4 - 2
    line = Line("recall", "red", x, rng.random(50_000))
    plot = Plot("P", "score", -2, 2, [line])
    kept = plot.points(line).split()
    assert len(kept) <= 2 * 341
    assert kept[0] == "{},{}".format(*plot.place(line, 0))
    assert kept[-1] == "{},{}".format(*plot.place(line, 49_999))


def test_the_macro_draws_each_line_with_its_name_and_mark():
    score = np.array([2.0])
    plot = Plot(
        "a < b", "score", 2, 2, [Line("F1", "red", score, np.array([0.5]), 0), Line("R", "blue", score, score / 4)]
    )
    svg = ElementTree.fromstring(str(TEMPLATES.get_template("plots.html.jinja").module.plot(plot)))
    assert svg.get("aria-label") == "a < b"
    assert [line.get("stroke") for line in svg.iter("polyline")] == ["red", "blue"]
    (mark,) = svg.iter("circle")
    assert (mark.get("cx"), mark.get("cy")) == ("0.0", "110.0")
    assert {"F1", "R", "score"} <= {text.text for text in svg.iter("text")}
