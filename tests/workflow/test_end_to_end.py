"""The whole workflow, from raw video to Table 1, on a tiny world."""

import csv
import json
import sqlite3
import subprocess
import sys

import pytest

from tracklearn.patches.store import PatchStore


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


def test_the_page_contains_its_images(results):
    page = (results / "table1.html").read_text()
    assert page.count("data:image/png;base64,") >= 6
    assert "<h2>Mined pairs</h2>" in page


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
