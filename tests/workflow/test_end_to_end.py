"""The whole workflow, from raw video to Table 1, on a tiny world."""

import csv
import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from worlds.links import wrong_links
from worlds.web import serving

from tracklearn.networks.caffe.caffemodel import write_caffemodel
from tracklearn.networks.caffe.released import RELEASED
from tracklearn.networks.weights import build
from tracklearn.patches.store import PatchStore
from tracklearn.photos import read_photo
from tracklearn.runs.spool import Spool


@pytest.fixture
def results(finished):
    return finished.root / "demo/results"


def test_every_video_has_a_row_with_its_status_and_reason(finished, results):
    with open(finished.root / "demo/world/videos.tsv", newline="") as file:
        listed = [row["video_id"] for row in csv.DictReader(file, delimiter="\t")]
    rows = []
    for manifest in sorted((results / "videos").glob("0*.tsv")):
        with open(manifest, newline="") as file:
            rows += list(csv.DictReader(file, delimiter="\t"))
    assert [row["video_id"] for row in rows] == listed
    failed = {row["video_id"]: row["reason"] for row in rows if row["status"] == "failed"}
    assert set(failed) == {"empty", "page", "half"}
    assert all(failed.values())


def test_tracked_patches_lie_inside_the_frame(results):
    pairs = 0
    for path in sorted((results / "patches").glob("*.h5")):
        store = PatchStore(path)
        store.verify()
        for x, y, width, height in store.boxes.reshape(-1, 4):
            assert x >= 0
            assert y >= 0
            assert x + width <= 300
            assert y + height <= 224
        pairs += len(store)
    assert pairs > 10


def test_the_table_is_the_join_of_its_cells(results):
    with open(results / "table1.csv", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["scratch", "unsup-ft-8M", "unsup-ft-5M", "both", "rcnn-70K"]
    for row_id, row in rows.items():
        for path in (results / "cells/table1/labelled-test" / row_id).glob("*.json"):
            cell = json.loads(path.read_text())
            printed = row[cell["class"]]
            assert printed == "" if cell["value"] is None else float(printed) == pytest.approx(cell["value"], abs=0.006)
            assert cell["runs"], "a cell must name the runs that computed it"


def test_one_job_writes_a_card_with_its_figures_beside_each_trained_network(checkout):
    assert checkout.planned("cards") == {"models_card": 1, "cards": 1}
    checkout.snakemake("--", "cards")
    assert checkout.planned("cards", "all") == {}
    results = checkout.root / "demo/results"
    trained = {path.parent for path in (results / "models").rglob("log.csv")}
    assert {path.parent for path in (results / "models").rglob("card.md")} == trained
    mean = json.loads((results / "cells/table1/labelled-test/unsup-ft-8M/mAP.json").read_text())
    for model in ("labelled-test/unsup-8M-ft", "unsup-8M"):
        text = (results / "models" / model / "card.md").read_text()
        assert "| {:.1f} | [{:.1f}, {:.1f}] |".format(mean["value"], *mean["interval"]) in text


def test_the_table_says_what_each_row_learned_from(results):
    with open(results / "table1.csv", newline="") as file:
        external = {row["id"]: row["external"] for row in csv.DictReader(file)}
    patches = {path.stem: 2 * len(PatchStore(path)) for path in (results / "patches").glob("*.h5")}
    of_5m = patches["00001"] + patches["00002"] + patches["00003"]  # places 1/2, 1/4 and 3/4
    assert external == {
        "scratch": "0",
        "unsup-ft-8M": f"{sum(patches.values())} of 8M",
        "unsup-ft-5M": f"{of_5m} of 5M",
        "both": f"{sum(patches.values())} patches",
        "rcnn-70K": "32 labelled images",
    }


def test_the_page_contains_its_images(results):
    page = (results / "table1.html").read_text()
    assert page.count("data:image/png;base64,") == 1  # the bars of the rows
    assert page.count("data:image/jpeg;base64,") == 2  # contact sheets
    assert "<h2>Mined pairs</h2>" in page


def test_every_cell_of_table_1_leads_to_its_detections(results):
    table = (results / "tables/labelled-test/table1.html").read_text()
    linked = {link for link in re.findall(r'href="([^"]+)"', table) if "/detection/" in link}
    pages = list((results / "detection/labelled-test").rglob("*.html"))
    assert {(results / "tables/labelled-test" / link).resolve() for link in linked} == {*map(Path.resolve, pages)}
    for page in pages:
        assert page.stat().st_size < 2e6
        for link in re.findall(r'href="([^"#]+)', page.read_text()):
            assert (page.parent / link).is_file(), f"{page}: {link}"


def test_every_job_is_sent_to_mlflow_as_a_run(finished, results):
    keys = {path.name for path in (results / "mlflow/runs").iterdir()}
    sent = [sys.executable, "-m", "tracklearn.runs.sender", "send"]
    subprocess.run(sent, cwd=finished.root / "demo", check=True, timeout=120)
    with sqlite3.connect(results / "mlflow/mlflow.db") as store:
        query = "select t.value, r.status from tags t join runs r using (run_uuid) where t.key = 'key'"
        stored = dict(store.execute(query))
        curves = store.execute("select count(distinct step) from metrics where key='loss'").fetchone()[0]
    assert set(stored) == keys
    assert set(stored.values()) == {"FINISHED"}
    assert curves > 1


def test_one_query_of_mlflow_leads_from_a_cell_to_every_run_behind_it(finished, results):
    sent = [sys.executable, "-m", "tracklearn.runs.sender", "send"]
    subprocess.run(sent, cwd=finished.root / "demo", check=True, timeout=120)
    key = json.loads((results / "cells/table1/labelled-test/unsup-ft-8M/mAP.json").read_text())["runs"][0]
    spool, behind, waiting = Spool(results / "mlflow"), set(), [key]
    while waiting:
        behind.add(waiting.pop())
        inputs = [keys for one in behind for start in spool.attempts(one) for keys in start["inputs"].values()]
        waiting = list({maker for keys in inputs for maker in keys} - behind)
    with sqlite3.connect(results / "mlflow/mlflow.db") as store:
        query = "select k.value from tags k join tags c using (run_uuid) where k.key = 'key' and c.key = 'cells'"
        found = {run for (run,) in store.execute(f"{query} and c.value like ?", [f"%{key}%"])}
        query = "select tag_value from logged_model_tags where tag_key = 'model'"
        models = {model for (model,) in store.execute(query)}
    assert found == behind and len(found) > 10
    networks = (results / "models").rglob("weights.safetensors")
    assert models == {str(path.parent.relative_to(results / "models")) for path in networks}


def test_section_6_is_the_join_of_its_cells(finished, results):
    with open(results / "section6.csv", newline="") as file:
        lines = {(line["task"], line["id"], line["figure"]): line for line in csv.DictReader(file)}
    for task, rows in finished.settings["section6"].items():
        for row in rows:
            system = row["id"] if task == "detection" else row.get("models", [row.get("method")])[0]
            cell = json.loads((results / f"cells/section6/labelled-test/{task}/{system}.json").read_text())
            assert cell["runs"], "a cell must name the runs that computed it"
            for name, figure in cell["figures"].items():
                line = lines.pop((task, row["id"], name))
                assert float(line["value"]) == pytest.approx(figure["value"], abs=0.006)
                assert [float(line["low"]), float(line["high"])] == pytest.approx(figure["interval"], abs=0.006)
                assert line["difference"] or row is rows[0]
    assert not lines


def test_table_2_is_the_join_of_its_cells(finished, results):
    with open(results / "table2.csv", newline="") as file:
        lines = {(line["id"], line["figure"]): line for line in csv.DictReader(file)}
    for row in finished.settings["table2"]:
        system = row.get("models", [row.get("method")])[0]
        cell = json.loads((results / f"cells/table2/labelled-test/{system}.json").read_text())
        assert cell["runs"], "a cell must name the runs that computed it"
        for name, figure in cell["figures"].items():
            assert float(lines.pop((row["id"], name))["value"]) == pytest.approx(figure["value"], abs=0.006)
    assert not lines


def test_the_figures_are_pictures(results):
    folders = [results / "figures", results / "figures/labelled-test", results / "normals/labelled-test"]
    pictures = [picture for folder in folders for picture in folder.glob("*.png")]
    assert {"figure2", "figure3", "figure8"} <= {path.stem for path in pictures}
    for path in pictures:
        assert np.ptp(read_photo(path)) > 100, f"{path}: one shade"
        assert ElementTree.parse(path.with_suffix(".svg")).getroot().tag.endswith("svg")


def test_every_page_is_reached_and_no_link_is_dead(results):
    named = {"table1.html", "section6.html", "table2.html", "figures.html", "figure7.html", "figure8.html"}
    assert named | {"models.html", "scenes.html", "00000.html"} <= {page.name for page in results.rglob("*.html")}
    assert wrong_links(results) == []


@pytest.fixture
def without_images(checkout):
    """The experiment without ImageNet's images and what was trained on them, with an ensemble row that needs two nets.

    A released network lies on a server of this machine.
    """
    demo = checkout.root / "demo"
    write_caffemodel(demo / "released.caffemodel", build(demo / "results/models/imagenet-1/weights.safetensors"))
    content = (demo / "released.caffemodel").read_bytes()
    known = RELEASED["bvlc_reference_caffenet"]
    shutil.rmtree(demo / "results/models/imagenet-1")
    (demo / "world/imagenet").rename(demo / "world/moved")
    rows = checkout.settings["table1"]
    ensemble = {"id": "rcnn-70K-2x", "label": "RCNN 70K (2 ensemble)", "models": ["rcnn-70K-1", "rcnn-70K-2"]}
    checkout.configure({"table1": [*rows, ensemble], "comparisons": [["rcnn-70K-2x", "rcnn-70K"]]})
    with serving(content) as server:
        module = "src/tracklearn/networks/caffe/released.py"
        checkout.edit(module, known.urls[0], server.url("good", "bvlc_reference_caffenet.caffemodel"))
        checkout.edit(module, known.digest, hashlib.sha1(content).hexdigest())
        graph = "src/tracklearn/experiment/model_graph.py"
        checkout.edit(graph, '"width": 1, "input_size": 227', '"width": 0.25, "input_size": 99')
        yield checkout, server


def rows_of(checkout):
    with open(checkout.root / "demo/results/table1.csv", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_without_images_the_table_is_made_and_its_rows_are_filled_when_the_images_come(without_images):
    checkout, server = without_images
    checkout.configure({"models": {"imagenet-1": {"stand_in": None}}})
    output = checkout.snakemake()
    assert "world/imagenet: no ImageNet there, so the cells of rcnn-70K, rcnn-70K-2x are empty; put" in output
    rows = rows_of(checkout)
    assert (rows["rcnn-70K"]["mAP"], rows["rcnn-70K-2x"]["mAP"]) == ("", "")
    assert rows["scratch"]["mAP"]
    markdown = (checkout.root / "demo/results/table1.md").read_text()
    assert "- row rcnn-70K: world/imagenet: no ImageNet there to train imagenet-1; put ILSVRC 2012's" in markdown
    assert not server.asked
    assert checkout.planned() == {}

    (checkout.root / "demo/world/moved").rename(checkout.root / "demo/world/imagenet")
    planned = checkout.planned()
    assert (planned["models_supervised"], planned["detection_evaluate"]) == (2, 2)
    assert "models_ranking" not in planned


def test_without_images_a_row_starts_from_the_released_network(without_images):
    checkout, server = without_images
    checkout.configure({"models": {"imagenet-1": {"stand_in": "released-caffenet"}}})
    output = checkout.snakemake()
    assert "so released-caffenet takes a trained network's place, and the cells of rcnn-70K-2x are empty" in output
    assert len(server.asked) == 1
    rows = rows_of(checkout)
    assert rows["rcnn-70K"]["mAP"]
    assert rows["rcnn-70K"]["external"] == "released-caffenet (bvlc_reference_caffenet)"
    assert (rows["rcnn-70K-2x"]["mAP"], rows["rcnn-70K-2x"]["external"]) == ("", "")
    assert checkout.planned() == {}
