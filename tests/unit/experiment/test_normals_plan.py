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
    assert normals.of_split("codebook.cells", "bootstrap") == {
        "nyuv2": "data/nyuv2",
        "split": "official",
        "codebook": {"cells": 20},
        "bootstrap": 1000,
    }
    assert set(normals.of_baseline("camera_axis")) == {"nyuv2", "split", "bootstrap"}
    assert normals.of_baseline("words")["codebook"] == {"cells": 20}


def test_a_model_depends_on_its_own_keys_of_the_schedule_and_on_the_input_that_it_has():
    assert "fc7_lr" not in planned().schedule("scratch-1")
    assert "fc8_lr" not in planned().schedule("normals-scratch")
    assert planned().schedule("normals-scratch")["fc7_lr"] == 1
    assert planned().network("normals-scratch")["input_size"] == 227
    assert "input_size" not in planned(normals={"input_size": 115}).network("normals-scratch")


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


def test_a_replaced_file_changes_its_own_digest_whoever_brought_it():
    Path("mine").mkdir()
    names = ("nyu_depth_v2_labeled.mat", "splits.mat")
    for name in names:
        Path("mine", name).write_text("a")
    own = planned(normals={"nyuv2": "mine", "download": False}).normals
    before = own.photos_digest(), own.split_digest()
    os.utime("mine/splits.mat", ns=(1, 1))
    assert own.photos_digest() == before[0]
    assert own.split_digest() != before[1]
    downloaded = planned(normals={"nyuv2": "mine"}).normals
    assert downloaded.ready_file() == "results/normals/nyuv2.json"
    fresh = downloaded.photos_digest(), downloaded.split_digest()
    files = {f"mine/{name}": Path("mine", name).stat() for name in names}
    Path("results/normals").mkdir(parents=True)
    stamp = {"unpacked": {name: [file.st_size, file.st_mtime_ns] for name, file in files.items()}}
    Path(downloaded.ready_file()).write_text(json.dumps(stamp))
    assert (downloaded.photos_digest(), downloaded.split_digest()) == fresh  # what the download wrote re-runs nothing
    os.utime("mine/splits.mat", ns=(2, 2))
    assert downloaded.photos_digest() == fresh[0]
    assert downloaded.split_digest() != fresh[1]


def test_given_normals_are_missed_before_anything_runs_and_count_by_their_files():
    with pytest.raises(UserError, match=r"normals.given: norms does not exist; null computes the normals from the"):
        check_targets(planned(normals={"given": "norms"}), [TABLE])
    Path("norms").mkdir()
    Path("norms/00001.png").write_text("a")
    given = planned(normals={"given": "norms"})
    check_targets(given, [TABLE])
    before = given.normals.given_digest()
    os.utime("norms/00001.png", ns=(1, 1))
    assert given.normals.given_digest() != before
