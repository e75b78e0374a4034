import csv
import json

import numpy as np
import pytest

from tracklearn.tables.table1 import PAPER, compare, paper_rows, table1

ROWS = [
    {"id": "scratch", "label": "scratch", "external": "0", "models": ["a"]},
    {"id": "unsup", "label": "unsup + ft", "external": "8M", "models": ["b"]},
]

EXTERNAL = {"scratch": "0", "unsup": "7.0M of 8M"}


def write_cell(folder, row, name, value, **more):
    path = folder / "cells/table1/voc2012-val" / row / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    interval = None if value is None else [value - 1, value + 1]
    cell = {"row": row, "class": name, "value": value, "interval": interval, "reason": None, "classes": 1} | more
    path.write_text(json.dumps(cell))
    return path


@pytest.fixture
def make(tmp_path):
    """Table 1 of two rows and two classes, one of them without a test object."""
    cells = []
    for row, value in (("scratch", 40.0), ("unsup", 44.0)):
        cells += [
            write_cell(tmp_path, row, "horse", value),
            write_cell(tmp_path, row, "sheep", None, reason="no object in the test images"),
            write_cell(tmp_path, row, "mAP", value, value_11point=42.0),
        ]
    (tmp_path / "external.json").write_text(json.dumps(EXTERNAL))
    draws = np.random.default_rng(0).normal(40, 3, 500)
    for row, shift in (("scratch", 0), ("unsup", 4)):
        np.savez(tmp_path / f"{row}.npz", mAP=draws + shift)
    paper = tmp_path / "paper.csv"
    paper.write_text("row,external,horse,sheep,mAP\nscratch,0,49.8,52.6,44.0\nunsup + ft,8M,54.7,52.5,47.5\n")

    def run(**changes):
        arguments = {"comparisons": [["unsup", "scratch"]], "paper": paper, "protocol": "voc2012-val"} | changes
        return table1(
            rows=ROWS, classes=["horse", "sheep"], cells=cells, external=tmp_path / "external.json",
            bootstraps=[tmp_path / f"{row['id']}.npz" for row in ROWS], table=tmp_path / "t.csv",
            markdown=tmp_path / "t.md", differences=tmp_path / "d.csv", **arguments,
        )  # fmt: skip

    return run


@pytest.fixture
def made(make, tmp_path):
    return tmp_path, make()


def test_csv_holds_every_row_and_leaves_the_empty_cell_empty(made):
    folder, result = made
    with open(folder / "t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["horse"], row["sheep"], row["mAP"]) for row in rows] == [
        ("scratch", "40.0", "", "40.0"),
        ("unsup", "44.0", "", "44.0"),
    ]
    assert [row["external"] for row in rows] == ["0", "7.0M of 8M"]
    assert result == {"mAP.scratch": 40.0, "mAP.unsup": 44.0}


def test_images_of_another_kind_have_no_difference_to_the_paper(make, tmp_path):
    make(protocol="labelled-test", of_voc=False)
    text = (tmp_path / "t.md").read_text()
    assert "| unsup + ft | 7.0M of 8M | 44.0 | [43.0, 45.0] | 42.0 | 1 of 2 |\n" in text
    assert "44.0 [43.0, 45.0] |" in text
    assert "paper" not in text


def test_markdown_sets_the_papers_number_beside_ours_and_explains_the_empty_cell(made):
    text = (made[0] / "t.md").read_text()
    assert "| unsup + ft | 7.0M of 8M | 44.0 | [43.0, 45.0] | 42.0 | 1 of 2 | 47.5 | -3.5 |" in text
    assert "44.0 [43.0, 45.0]<br>54.7 (-10.7)" in text
    assert "- sheep: no object in the test images" in text


def test_a_row_that_lacks_data_is_explained_in_one_line(make, tmp_path):
    for name in ("horse", "sheep", "mAP"):
        more = {"reason": "data/imagenet: no ImageNet there", "classes": 0}
        write_cell(tmp_path, "unsup", name, None, **more)
    np.savez(tmp_path / "unsup.npz", mAP=np.zeros(0))
    assert make() == {"mAP.scratch": 40.0}
    text = (tmp_path / "t.md").read_text()
    assert text.count("data/imagenet") == 1
    assert "- row unsup: data/imagenet: no ImageNet there" in text
    assert "| unsup + ft | 7.0M of 8M | - | - | - | 0 of 2 | 47.5 | - |" in text
    assert (tmp_path / "d.csv").read_text().splitlines()[1] == "unsup,scratch,,,,"


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


def test_without_comparisons_there_are_no_differences(make, tmp_path):
    make(comparisons=[])
    assert (tmp_path / "d.csv").read_text().splitlines() == ["row,against,difference,low,high,above_0"]
    assert "Differences" not in (tmp_path / "t.md").read_text()


def test_other_numbers_can_take_the_place_of_the_papers(make, tmp_path):
    (tmp_path / "other.csv").write_text("row,external,mAP\nscratch,0,41.0\n")
    make(paper=tmp_path / "other.csv")
    assert "| scratch | 0 | 40.0 | [39.0, 41.0] | 42.0 | 1 of 2 | 41.0 | -1.0 |" in (tmp_path / "t.md").read_text()


def test_a_library_of_several_versions_is_named(make, tmp_path):
    make(versions={"torch": {"2.11": 30, "2.12": 5}, "numpy": {"2.4": 35}})
    section = (tmp_path / "t.md").read_text().partition("## Library versions")[2]
    assert "re-runs nothing" in section
    assert "| torch | 2.11 | 30 |\n| torch | 2.12 | 5 |" in section
    assert "numpy" not in section


@pytest.mark.parametrize("versions", [None, {}, {"torch": {"2.11": 30}}])
def test_equal_versions_are_not_mentioned(make, tmp_path, versions):
    make(versions=versions)
    assert "versions" not in (tmp_path / "t.md").read_text()
