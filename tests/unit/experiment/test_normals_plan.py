import json
import os
from pathlib import Path

import pytest
import yaml

from tracklearn.errors import UserError
from tracklearn.experiment.plan import Plan
from tracklearn.experiment.targets import check_targets

PAPER = Path(__file__).parents[3] / "config/config.yaml"
TABLE = "results/table2.csv"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data/imagenet/train").mkdir(parents=True)
    Path("data/videos.tsv").write_text("video_id\tsource\na\thttp://127.0.0.1/a.mp4\n")


def planned(**changes):
    return Plan(yaml.safe_load(PAPER.read_text()) | changes)


def test_each_job_names_the_settings_that_it_depends_on():
    normals = planned().normals
    assert normals.images("codebook.cells", "bootstrap") == {
        "nyuv2": "data/nyuv2",
        "split": "official",
        "codebook": {"cells": 20},
        "bootstrap": 1000,
    }
    # The seed of the codebook also draws the images that tuning sets aside.
    assert planned(normals={"split": "tuning"}).normals.images("codebook.cells")["codebook"] == {"cells": 20, "seed": 0}


def test_every_row_has_cells_named_after_its_models_or_its_method():
    normals = planned().normals
    folder = "results/cells/table2/voc2012-val"
    assert normals.cells()[:2] == [f"{folder}/normals-scratch.json", f"{folder}/normals-unsup-8M.json"]
    assert normals.cells()[-3:] == [f"{folder}/{name}.json" for name in ("mean_cells", "camera_axis", "words")]
    assert normals.empty() == []


def test_without_imagenet_the_released_network_takes_its_place_or_the_cell_is_empty():
    Path("data/imagenet/train").rmdir()
    assert planned().normals.empty() == []
    assert "released-caffenet" in planned().lineage(["normals-imagenet"])
    narrow = planned(network={"width": 0.5}).normals
    assert narrow.empty() == ["normals-imagenet"]
    assert "no ImageNet there to train imagenet-1" in narrow.lack("normals-imagenet")
    assert [label for label, _ in narrow.pictured()] == ["scratch", "unsup + ft"]


def test_a_model_of_a_row_learned_from_normals():
    rows = [{"id": "a", "label": "a", "models": ["unsup-8M"]}]
    with pytest.raises(UserError, match=r"table2 row a: models.unsup-8M has train: ranking; expected a model with"):
        planned(table2=rows)
    with pytest.raises(UserError, match=r"evidence_normals.lines.b: models.random-1 has train: none"):
        planned(evidence_normals={"seeds": 2, "lines": {"b": ["random-1"]}})
    with pytest.raises(UserError, match=r"evidence_normals.lines.b: unknown model normals-scratsh; did you mean"):
        planned(evidence_normals={"seeds": 2, "lines": {"b": ["normals-scratsh"]}})
    with pytest.raises(UserError, match=r"models.words: words is a method of Table 2; give the model another name"):
        models = yaml.safe_load(PAPER.read_text())["models"]
        planned(models=models | {"words": {"train": "none"}})


def test_files_of_ones_own_are_missed_before_anything_runs():
    plan = planned(normals={"nyuv2": "mine", "download": False})
    with pytest.raises(UserError, match=r"mine: no nyu_depth_v2_labeled.mat in it; put NYUv2's file there, set"):
        check_targets(plan, [TABLE])
    check_targets(plan, ["pairs"])
    check_targets(planned(), [TABLE])


def test_a_table_without_rows_is_refused_and_asks_for_nothing():
    plan = planned(table2=[], normals={"nyuv2": "mine", "download": False})
    with pytest.raises(UserError, match="config: table2 has no rows; write some to get Table 2"):
        check_targets(plan, [TABLE])
    with pytest.raises(UserError, match="config: evidence_normals is null"):
        check_targets(plan, ["results/evidence_normals.md"])


def test_evidence_trains_copies_with_their_parents():
    plan = planned(evidence_normals={"seeds": 2, "lines": {"a": ["normals-scratch"], "b": ["normals-unsup-8M"]}})
    assert plan.normals.evidence_models() == [
        "normals-scratch",
        "normals-scratch-seed2",
        "normals-unsup-8M",
        "normals-unsup-8M-seed2",
    ]
    assert plan.lineage(["normals-unsup-8M-seed2"])[1] == "unsup-8M-seed2"
    assert plan.seed("normals-scratch-seed2") == 2001
    check_targets(plan, ["results/evidence_normals.md"])


def test_a_replaced_file_changes_the_digest_whoever_brought_it():
    Path("mine").mkdir()
    for name in ("nyu_depth_v2_labeled.mat", "splits.mat"):
        Path("mine", name).write_text("a")
    own = planned(normals={"nyuv2": "mine", "download": False}).normals
    before = own.digest()
    assert before == own.digest()
    os.utime("mine/splits.mat", ns=(1, 1))
    assert own.digest() != before
    downloaded = planned(normals={"nyuv2": "mine"}).normals
    assert downloaded.ready_file() == "results/normals/nyuv2.json"
    files = [Path("mine", name).stat() for name in ("nyu_depth_v2_labeled.mat", "splits.mat")]
    states = {
        f"mine/{name}": [file.st_size, file.st_mtime_ns]
        for name, file in zip(("nyu_depth_v2_labeled.mat", "splits.mat"), files, strict=True)
    }
    Path("results/normals").mkdir(parents=True)
    fresh = downloaded.digest()
    Path(downloaded.ready_file()).write_text(json.dumps({"unpacked": states}))
    assert downloaded.digest() == fresh  # what the download wrote re-runs nothing
    os.utime("mine/splits.mat", ns=(2, 2))
    assert downloaded.digest() != fresh
