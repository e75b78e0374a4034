import csv
import json

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.tables.evidence_normals import FIGURES, evidence_normals_table

SHARED = {
    "truth": "planes",
    "mask": "measured",
    "images": 80,
    "height": 48,
    "width": 64,
    "pixels": 9,
    "papers_images": False,
}


@pytest.fixture
def arguments(tmp_path):
    """Two lines of one model each, and three seeds: errors of 40, 42 and 41 degrees against 37, 38 and 37.5."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(200)
    cells, bootstraps = [], []
    for name, mean in {
        "a": 40.0,
        "a-seed2": 42.0,
        "a-seed3": 41.0,
        "b": 37.0,
        "b-seed2": 38.0,
        "b-seed3": 37.5,
    }.items():
        figures = {figure: {"value": mean, "interval": [0, 1]} for figure in FIGURES}
        cells.append(tmp_path / f"{name}.json")
        cells[-1].write_text(json.dumps({"value": mean, "figures": figures} | SHARED))
        bootstraps.append(tmp_path / f"{name}.npz")
        np.savez(bootstraps[-1], **dict.fromkeys(FIGURES, mean + noise))
    return {
        "evidence": {"seeds": 3, "lines": {"scratch": ["a"], "unsup": ["b"]}},
        "cells": cells,
        "bootstraps": bootstraps,
        "markdown": tmp_path / "evidence.md",
        "table": tmp_path / "evidence.csv",
    }


def test_means_differences_and_intervals_over_seeds(arguments):
    found = evidence_normals_table(**arguments)
    assert (found["mean.scratch"], found["mean.unsup"]) == (41.0, 37.5)
    # The noise of the images is common to both lines and cancels; the differences by seed, -3, -4 and -3.5, have a
    # standard error of 0.289, and Student's t is 4.303.
    assert [found["low.unsup"], found["high.unsup"]] == pytest.approx([-4.74, -2.26], abs=0.1)
    with open(arguments["table"], newline="") as file:
        rows = {row["figure"]: row for row in csv.DictReader(file) if row.get("row") == "unsup"}
    assert float(rows["mean"]["difference"]) == -3.5
    text = arguments["markdown"].read_text()
    assert "80 test images; truth: planes; mask: measured" in text
    assert "-3.0 -4.0 -3.5" in text
    assert "| scratch | 41.00 | " in text and " | 1.00 | 40.00 42.00 41.00 |" in text
    assert "The mean error of *unsup* is lower than that of *scratch*: difference -3.50 degrees [-4." in text


def test_what_an_interval_cannot_tell_apart_is_said_to_be_so(arguments):
    arguments["evidence"]["lines"] = {"scratch": ["a"], "other": ["a"]}
    evidence_normals_table(**arguments)
    assert "The mean error of *other* is not told apart from that of *scratch*" in arguments["markdown"].read_text()


def test_cells_of_another_truth_are_refused(arguments):
    cell = json.loads(arguments["cells"][3].read_text())
    arguments["cells"][3].write_text(json.dumps(cell | {"truth": "given"}))
    with pytest.raises(UserError, match="truth of the cell b is 'given', but that of a is 'planes'"):
        evidence_normals_table(**arguments)


def test_a_line_of_several_models_is_their_mean(arguments):
    arguments["evidence"]["lines"] = {"both": ["a", "b"]}
    assert evidence_normals_table(**arguments)["mean.both"] == pytest.approx((38.5 + 40) / 2)
