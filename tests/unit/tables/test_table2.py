import csv
import json
from typing import get_args

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.settings.tables import NormalsRow
from tracklearn.tables.bootstrap import interval
from tracklearn.tables.cells import write_empty_cell, write_figures
from tracklearn.tables.table2 import WORDS, paper_numbers, table2_table

ROWS = [
    {"id": "scratch", "label": "from scratch", "models": ["scratch-1", "scratch-2"], "paper": "scratch"},
    {"id": "unsup", "label": "unsup + ft", "external": "8M", "models": ["unsup-1.5M"], "paper": "unsup + ft"},
    {"id": "imagenet", "label": "ImageNet + ft", "models": ["imagenet"], "paper": "ImageNet + ft"},
    {"id": "axis", "label": "camera <axis>", "method": "camera_axis"},
]
OF_IMAGES = np.random.default_rng(0).normal(0, 1, 1000)  # what a draw of images adds to every system
TRUTH = {"truth": "planes fitted to the depth", "mask": "measured by the Kinect", "images": 654, "height": 480}
TRUTH |= {"width": 640, "pixels": 150_000_000, "papers_images": True}


@pytest.fixture
def made(tmp_path):
    """Joins the cells of `ROWS`: means of 38 and 40 from scratch, 34 of unsup, none of ImageNet, 50 of the axis."""

    def write(system, mean, **shared):
        pair = tmp_path / f"cells/{system}.json", tmp_path / f"bootstraps/{system}.npz"
        for path in pair:
            path.parent.mkdir(exist_ok=True)
        values = {name: mean if name == "mean" else mean / 2 for name in WORDS}
        values |= {f"image_{name}": value + 1 for name, value in values.items()}
        write_figures(
            *pair, values=values, draws={name: value + OF_IMAGES for name, value in values.items()}, **TRUTH | shared
        )
        return pair

    def join(*, others=(), rows=ROWS, **shared):
        pairs = [write(system, mean, **shared) for system, mean in (("scratch-1", 38.0), ("scratch-2", 40.0))]
        pairs += [write("unsup-1.5M", 34.0, **shared), write("camera_axis", 50.0, **shared | dict(others))]
        write_empty_cell(tmp_path / "cells/imagenet.json", reason="no images; put them there")
        (tmp_path / "external.json").write_text(json.dumps({row["id"]: row.get("external", "0") for row in rows}))
        metrics = table2_table(
            rows=rows, cells=[*(cell for cell, _ in pairs), tmp_path / "cells/imagenet.json"],
            bootstraps=[path for _, path in pairs], external=tmp_path / "external.json", protocol="val", figure8=True,
            table=tmp_path / "t.csv", markdown=tmp_path / "t.md", page=tmp_path / "t.html",
        )  # fmt: skip
        with open(tmp_path / "t.csv", newline="") as file:
            lines = list(csv.DictReader(file))
        return metrics, lines, (tmp_path / "t.md").read_text(), (tmp_path / "t.html").read_text()

    return join


def test_every_figure_stands_beside_the_papers(made):
    metrics, rows, markdown, _ = made()
    assert metrics == {"mean.scratch": 39, "mean.unsup": 34, "mean.axis": 50}
    low, high = interval(34 + OF_IMAGES)
    assert f"| unsup + ft | 8M | 34.0 [{low:.1f}, {high:.1f}] | 34.2 | -5.0 [-5.0, -5.0] | 17.0 [" in markdown
    (line,) = [row for row in rows if (row["id"], row["figure"]) == ("unsup", "within_22.5")]
    assert [line[name] for name in ("value", "paper", "difference")] == ["17.0", "50.6", "-2.5"]
    assert float(line["low"]) == pytest.approx(interval(17 + OF_IMAGES)[0], abs=0.006)


def test_means_over_images_are_a_table_of_their_own(made):
    _, rows, markdown, page = made()
    for text in (markdown, page):
        first, second = text.split("Means over the images")
        assert "34.0 [" in first
        assert "35.0 [" in second
        assert "34.2" not in second
    assert {row["figure"] for row in rows if row["id"] == "axis"} == {*WORDS, *(f"image_{name}" for name in WORDS)}


def test_the_papers_other_methods_stand_between_its_rows_and_ours(made):
    _, rows, markdown, _ = made()
    ours, printed, others = markdown.split("Means over")[0].split("###")
    assert "| from scratch |" in ours
    assert printed.startswith(" Printed in the paper")
    assert "| UNFOLD [13] | 35.1 | 19.2 | 37.6 | 53.3 | 58.9 |" in printed
    assert "camera" not in printed
    assert others.startswith(" Rows without a counterpart in the paper")
    assert "| camera <axis> | 0 | 50.0" in others
    assert [row["paper"] for row in rows if row["row"] == "3DP (MW) [12]"] == ["36.0", "20.5", "35.9", "52.0", "57.8"]


def test_where_no_row_has_a_counterpart_the_paper_s_rows_come_last(made):
    rows = [{key: value for key, value in row.items() if key != "paper"} for row in ROWS]
    ours, printed = made(rows=rows)[2].split("Means over")[0].split("###")
    assert "| from scratch |" in ours
    assert "| unsup + ft | 34.2 |" in printed


def test_a_row_of_the_paper_without_one_of_ours_is_printed_too(made):
    printed = made(rows=ROWS[:1] + ROWS[2:])[2].split("###")[1]
    assert "| unsup + ft | 34.2 |" in printed
    assert "| scratch |" not in printed


def test_on_other_images_no_number_of_the_paper_is_shown(made):
    _, rows, markdown, page = made(papers_images=False)
    for text in (markdown, page):
        assert "The paper used other test images, so its numbers are left out." in text
        assert "34.2" not in text
        assert "UNFOLD" not in text
    assert {row["paper"] for row in rows} == {""}


def test_an_empty_cell_says_why_and_the_papers_number_stays(made):
    _, rows, markdown, page = made()
    empty = [row for row in rows if row["id"] == "imagenet"]
    assert {row["value"] for row in empty} == {""}
    assert [row["paper"] for row in empty] == ["33.3", "20.8", "36.7", "51.7", "58.1"]
    assert "| ImageNet + ft | 0 | - | 33.3 | - |" in markdown
    for text in (markdown, page):
        assert "ImageNet + ft: no images; put them there" in text


def test_the_page_says_what_the_figures_are_of(made):
    for text in made(truth="given: norms.mat")[2:]:
        assert "654 test images of 640 x 480 pixels." in text
        assert "True normals: given: norms.mat. Pixels that count: measured by the Kinect, 150,000,000 in all." in text
    page = made()[3]
    assert 'href="../../normals/val/figure8.html"' in page
    assert "camera &lt;axis&gt;" in page
    assert page.count("<img ") == 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("truth", "given: a.mat", "is 'given: a.mat', but that of scratch-1 is 'planes fitted to the depth'"),
        ("images", 80, "is 80, but that of scratch-1 is 654"),
        ("papers_images", False, "is False, but that of scratch-1 is True"),
    ],
)
def test_cells_of_different_truths_or_images_are_refused(made, name, value, message):
    with pytest.raises(UserError, match=f"Table 2: {name} of the cell camera_axis {message}; expected the same in all"):
        made(others={name: value})


def test_a_row_may_name_every_system_of_the_paper_that_learned():
    named = get_args(get_args(NormalsRow.model_fields["paper"].annotation)[0])
    assert {*named} == {name for name in paper_numbers() if "[" not in name}
    assert paper_numbers()["ImageNet + ft"] == {
        "mean": 33.3, "median": 20.8, "within_11.25": 36.7, "within_22.5": 51.7, "within_30": 58.1
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "label": "a"}, "table2 row a: method network needs models"),
        ({"id": "a", "label": "a", "method": "words", "models": ["m"]}, "table2 row a: method words has no use for"),
    ],
)
def test_a_row_has_models_or_a_method(row, message):
    with pytest.raises(UserError, match=message):
        NormalsRow.read(row)
