import csv
import json

import numpy as np
import pytest

from tracklearn.tables.table1 import PAPER, compare, grid, paper_rows, table1

ROWS = [
    {"id": "scratch", "label": "scratch", "external": "0", "models": ["a"]},
    {"id": "unsup", "label": "unsup + ft", "external": "8M", "models": ["b"]},
]


def write_cell(folder, row, name, value, **more):
    path = folder / f"{row}.{name}.json"
    interval = None if value is None else [value - 1, value + 1]
    cell = {"row": row, "class": name, "value": value, "interval": interval, "reason": None, "classes": 1} | more
    path.write_text(json.dumps(cell))
    return path


@pytest.fixture
def made(tmp_path):
    """Table 1 of two rows and two classes, one of them without a test object."""
    cells = []
    for row, value in (("scratch", 40.0), ("unsup", 44.0)):
        cells += [
            write_cell(tmp_path, row, "horse", value),
            write_cell(tmp_path, row, "sheep", None, reason="no object in the test images"),
            write_cell(tmp_path, row, "mAP", value, value_11point=42.0),
        ]
    draws = np.random.default_rng(0).normal(40, 3, 500)
    for row, shift in (("scratch", 0), ("unsup", 4)):
        np.savez(tmp_path / f"{row}.npz", mAP=draws + shift)
    paper = tmp_path / "paper.csv"
    paper.write_text("row,external,horse,sheep,mAP\nscratch,0,49.8,52.6,44.0\nunsup + ft,8M,54.7,52.5,47.5\n")
    result = table1(
        rows=ROWS, classes=["horse", "sheep"], cells=cells, bootstraps=[tmp_path / f"{row['id']}.npz" for row in ROWS],
        paper=paper, comparisons=[["unsup", "scratch"]], protocol="voc2012-val", table=tmp_path / "t.csv",
        markdown=tmp_path / "t.md", differences=tmp_path / "d.csv",
    )  # fmt: skip
    return tmp_path, result


def test_csv_holds_every_row_and_leaves_the_empty_cell_empty(made):
    folder, result = made
    with open(folder / "t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["horse"], row["sheep"], row["mAP"]) for row in rows] == [
        ("scratch", "40.0", "", "40.0"),
        ("unsup", "44.0", "", "44.0"),
    ]
    assert result == {"mAP.scratch": 40.0, "mAP.unsup": 44.0}


def test_markdown_sets_the_papers_number_beside_ours_and_explains_the_empty_cell(made):
    text = (made[0] / "t.md").read_text()
    assert "| unsup + ft | 8M | 44.0 | [43.0, 45.0] | 42.0 | 1 of 2 | 47.5 | -3.5 |" in text
    assert "44.0 [43.0, 45.0]<br>54.7 (-10.7)" in text
    assert "- sheep: no object in the test images" in text


def test_paired_difference_is_sharper_than_the_rows_own_intervals(made):
    with open(made[0] / "d.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    # Both rows move together from draw to draw, so their difference is exact here.
    assert (float(line["difference"]), float(line["low"]), float(line["high"])) == (4.0, 4.0, 4.0)


def test_a_row_without_mean_has_no_difference():
    cells = {("a", "mAP"): {"value": None}, ("b", "mAP"): {"value": 3.0}}
    (line,) = compare([["a", "b"]], cells, {})
    assert line["difference"] == ""


def test_three_rows_of_the_paper_share_a_label():
    rows = paper_rows(PAPER)
    assert [rows["unsup + ft", size]["mAP"] for size in ("1.5M", "5M", "8M")] == [46.2, 47.0, 47.5]
    assert len(rows) == 12


def test_grid_is_markdown():
    assert grid(["a", "b"], [[1, 2]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
