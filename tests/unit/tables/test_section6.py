import csv
import json
from typing import get_args

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.settings.tables import DetectionRow, RetrievalRow, ScenesRow, Section6
from tracklearn.tables.bootstrap import interval
from tracklearn.tables.cells import write_empty_cell, write_figures
from tracklearn.tables.section6 import paper_numbers, section6_table

ROWS = {
    "detection": [
        {
            "id": "pool5",
            "label": "unsupervised pool5 + SVM (8M)",
            "external": "8M",
            "models": ["net"],
            "paper": "unsupervised pool5 + SVM (8M)",
        }
    ],
    "retrieval": [
        {"id": "random", "label": "random AlexNet", "models": ["random-1", "random-2"]},
        {"id": "elda", "label": "ELDA", "method": "elda", "paper": "ELDA on HOG"},
        {"id": "imagenet", "label": "ImageNet AlexNet", "models": ["imagenet"]},
    ],
}
IMAGES = np.random.default_rng(0).normal(0, 4, 1000)  # what a draw of images adds to every system
OWN = np.random.default_rng(1).normal(0, 2, 1000)


@pytest.fixture
def made(tmp_path):
    """Joins the cells of `ROWS`: 20 and 24 for two random nets, 25 for ELDA, no ImageNet, and a mAP of 30."""

    def write(task, system, draws, shared=(), **values):
        cell = tmp_path / f"cells/section6/val/{task}/{system}.json"
        replicates = tmp_path / f"results/{task}/val/bootstraps/{system}.npz"
        for path in (cell, replicates):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_figures(
            cell, replicates, values=values, draws={name: values[name] + draws for name in values}, **dict(shared)
        )
        return cell, replicates

    k = {"k": 20, "chance": 12.34, "classes": 8}
    pairs = [
        write("detection", "pool5", IMAGES, mAP=30.0),
        write("retrieval", "random-1", IMAGES + OWN, k, precision=20.0, hit_rate=60.0),
        write("retrieval", "random-2", IMAGES - OWN, k, precision=24.0, hit_rate=70.0),
        write("retrieval", "elda", IMAGES, k | {"ridge": 0.1}, precision=25.0, hit_rate=80.0),
    ]
    cells, bootstraps = map(list, zip(*pairs, strict=True))
    empty = tmp_path / "cells/section6/val/retrieval/imagenet.json"
    write_empty_cell(empty, reason="no images; put them there")
    texts = {f"{task}/{row['id']}": row.get("external", "0") for task, rows in ROWS.items() for row in rows}
    (tmp_path / "external.json").write_text(json.dumps(texts))

    def join(**changes):
        metrics = section6_table(
            rows=changes.pop("rows", ROWS), cells=[*cells, empty], bootstraps=bootstraps,
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
    assert "| ELDA | 0 | 25.0 [" in made()[2]
    assert made()[2].count("| +3.0 [+3.0, +3.0] |") == 1  # what the images add to both cancels out


def test_an_empty_cell_says_why_and_has_no_figure(made):
    _, rows, markdown, page = made()
    assert [row["value"] for row in rows if row["id"] == "imagenet"] == [""]
    for text in (markdown, page):
        assert "ImageNet AlexNet: no images; put them there" in text


def test_the_papers_numbers_stand_only_beside_the_rows_of_its_images(made):
    _, rows, markdown, _ = made()
    assert "paper |" not in markdown
    assert {row["paper"] for row in rows} == {""}
    _, rows, markdown, _ = made(papers_data=["retrieval/elda", "retrieval/imagenet"])
    assert "| ELDA | 0 | 25.0" in markdown
    assert "| 24.0 | +3.0" in markdown
    assert "26.1" not in markdown
    assert "other images" not in markdown
    assert [(row["id"], row["figure"], row["paper"]) for row in rows if row["paper"]] == [("elda", "precision", "24.0")]
    markdown = made(papers_data=["detection/pool5"])[2]
    assert "26.1" in markdown
    assert "detection may be for other images" in markdown


def test_rows_that_the_paper_lacks_stand_below_the_others(made):
    _, _, markdown, page = made(papers_data=["retrieval/elda"])
    for text in (markdown, page):
        assert text.count("Rows without a counterpart in the paper") == 1  # the only row of detection has one
    above, below = markdown.split("Rows without a counterpart in the paper")
    assert "| ELDA | 0 |" in above
    assert (
        "against random AlexNet" in above
    )  # the first row of the configuration is still what others are compared with
    assert "| random AlexNet | 0 |" in below
    assert "| ImageNet AlexNet | 0 |" in below
    assert "paper" in above
    assert "paper" not in below
    own = {"retrieval": [{**row, "paper": None} for row in ROWS["retrieval"]]}
    assert "without a counterpart" not in made(rows=own)[2]


def test_k_chance_and_a_ridge_that_grew_are_stated(made):
    for text in made(ridge=0.01)[2:]:
        assert "precision at 20" in text
        assert "hit rate at 20" in text
        assert "Windows at random have a precision of 12.3." in text
        assert "ELDA needed a ridge of 0.1 in place of 0.01" in text
    assert "ridge" not in made(ridge=0.1)[2]


def test_the_csv_has_differences_and_reasons(made):
    rows = made()[1]
    (elda,) = [row for row in rows if (row["id"], row["figure"]) == ("elda", "precision")]
    assert [elda[name] for name in ("difference", "difference_low", "difference_high")] == ["3.0"] * 3
    (hits,) = [row for row in rows if (row["id"], row["figure"]) == ("elda", "hit_rate")]
    assert hits["difference"] == "15.0"
    assert {row["difference"] for row in rows if row["id"] in ("random", "pool5")} == {""}
    assert {row["id"]: row["reason"] for row in rows if row["reason"]} == {"imagenet": "no images; put them there"}


def test_the_page_links_to_the_figures(made):
    page = made()[3]
    assert 'href="../../figures/val/figures.html"' in page
    assert "figure7" not in page
    assert 'href="../../retrieval/val/figure7.html"' in made(figure7=True)[3]


def test_a_row_may_name_every_system_of_the_paper():
    named = {
        (task, system)
        for task, row in (("detection", DetectionRow), ("retrieval", RetrievalRow), ("scenes", ScenesRow))
        for system in get_args(get_args(row.model_fields["paper"].annotation)[0])
    }
    assert named == set(paper_numbers())


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
