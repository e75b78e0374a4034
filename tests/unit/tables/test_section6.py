import csv
import json

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.settings.tables import Section6
from tracklearn.tables.bootstrap import interval
from tracklearn.tables.cells import write_empty_cell, write_figures
from tracklearn.tables.section6 import paper_numbers, section6_table

ROWS = {
    "detection": [{"id": "pool5", "label": "unsupervised pool5 + SVM (8M)", "external": "8M", "models": ["net"]}],
    "retrieval": [
        {"id": "random", "label": "random AlexNet", "models": ["random-1", "random-2"]},
        {"id": "elda", "label": "ELDA on HOG", "method": "elda"},
        {"id": "imagenet", "label": "ImageNet AlexNet", "models": ["imagenet"]},
    ],
}
IMAGES = np.random.default_rng(0).normal(0, 4, 1000)  # what a draw of images adds to every system
OWN = np.random.default_rng(1).normal(0, 2, 1000)


@pytest.fixture
def made(tmp_path):
    """Joins the cells of `ROWS`: 20 and 24 for two random nets, 25 for ELDA, no ImageNet, and a mAP of 30."""

    def write(task, system, draws, **values):
        cell = tmp_path / f"cells/section6/val/{task}/{system}.json"
        replicates = tmp_path / f"results/{task}/val/bootstraps/{system}.npz"
        for path in (cell, replicates):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_figures(cell, replicates, values=values, draws={name: values[name] + draws for name in values}, runs=[])
        return cell, replicates

    pairs = [
        write("detection", "pool5", IMAGES, mAP=30.0),
        write("retrieval", "random-1", IMAGES + OWN, precision=20.0, hit_rate=60.0),
        write("retrieval", "random-2", IMAGES - OWN, precision=24.0, hit_rate=70.0),
        write("retrieval", "elda", IMAGES, precision=25.0, hit_rate=80.0),
    ]
    cells, bootstraps = map(list, zip(*pairs, strict=True))
    empty = tmp_path / "cells/section6/val/retrieval/imagenet.json"
    write_empty_cell(empty, reason="no images; put them there")
    texts = {f"{task}/{row['id']}": row.get("external", "0") for task, rows in ROWS.items() for row in rows}
    (tmp_path / "external.json").write_text(json.dumps(texts))

    def join(**changes):
        metrics = section6_table(
            rows=ROWS, cells=[*cells, empty], bootstraps=bootstraps,
            external=tmp_path / "external.json", protocol="val",
            table=tmp_path / "t.csv", markdown=tmp_path / "t.md", page=tmp_path / "t.html", **changes,
        )  # fmt: skip
        with open(tmp_path / "t.csv", newline="") as file:
            return (
                metrics,
                list(csv.DictReader(file)),
                (tmp_path / "t.md").read_text(),
                (tmp_path / "t.html").read_text(),
            )

    return join


def test_a_row_of_several_networks_is_their_mean(made):
    metrics, rows, *_ = made()
    assert metrics == {"detection.pool5": 30, "retrieval.random": 22, "retrieval.elda": 25}
    random = {row["figure"]: row for row in rows if row["id"] == "random"}
    assert (random["precision"]["value"], random["hit_rate"]["value"]) == ("22.0", "65.0")
    # What the two networks do not share cancels out in this example.
    assert float(random["precision"]["low"]) == pytest.approx(interval(22 + IMAGES)[0], abs=0.006)


def test_differences_are_paired_by_the_draws(made):
    assert "| ELDA on HOG | 0 | 25.0 [" in made()[2]
    assert made()[2].count("| +3.0 [+3.0, +3.0] |") == 1  # what the images add to both cancels out


def test_an_empty_cell_says_why_and_has_no_figure(made):
    _, rows, markdown, page = made()
    assert [row["value"] for row in rows if row["id"] == "imagenet"] == [""]
    for text in (markdown, page):
        assert "ImageNet AlexNet: no images; put them there" in text


def test_the_papers_numbers_stand_only_beside_figures_of_its_images(made):
    assert "paper" not in made()[2]
    markdown = made(papers_data=["retrieval"])[2]
    assert "| ELDA on HOG | 0 | 25.0" in markdown
    assert "| 24.0 | +3.0" in markdown
    assert "26.1" not in markdown


def test_the_papers_numbers_are_those_of_section_6():
    numbers = paper_numbers()
    assert (numbers["retrieval", "ELDA on HOG"], numbers["scenes", "GIST + SVM"]) == (24, 21)
    assert numbers["detection", "ensemble of 5M and 8M pool5 + SVM"] == 28.2
    assert len(numbers) == 11


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "label": "a"}, "section6.retrieval row a: method network needs models"),
        ({"id": "a", "label": "a", "method": "elda", "models": ["m"]}, "row a: method elda has no use for models"),
    ],
)
def test_a_row_has_models_or_a_method(row, message):
    with pytest.raises(UserError, match=message):
        Section6.read({"retrieval": [row]})
