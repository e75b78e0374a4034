import json
import os
from pathlib import Path

import pytest
import yaml

from tracklearn.errors import UserError
from tracklearn.experiment.plan import Plan
from tracklearn.experiment.targets import check_targets

PAPER = Path(__file__).parents[3] / "config/config.yaml"
STAMP = Path("results/scenes/indoor67.json")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def planned(**scenes):
    return Plan(yaml.safe_load(PAPER.read_text()) | {"scenes": scenes})


def test_a_cell_names_the_settings_that_it_depends_on():
    shared = {"root", "lists", "seed", "held_out", "neighbours", "bootstrap"}
    assert set(planned().scenes.settings("gist", "svm")) == shared | {"layer", "softmax"}
    assert set(planned(lists=None, download=False).scenes.settings("layer", "softmax")) == shared | {
        "train_share",
        "gist",
        "svm",
    }


def test_the_paper_s_numbers_stand_beside_its_own_photos_and_split_alone():
    assert "scenes/gist" in planned().section6.papers_data()
    for scenes in ({"lists": None}, {}, {"lists": ["a.txt", "b.txt"]}):
        assert "scenes/gist" not in planned(**scenes, download=False).section6.papers_data()
    assert "scenes/gist" not in planned(layer="fc6").section6.papers_data()


def test_lists_count_by_what_they_name_and_not_by_their_names(real_data):
    official = [(real_data / f"splits/indoor67_{name}.txt").read_text() for name in ("train", "test")]
    Path("photos").mkdir()
    for name, text in zip(("a.txt", "b.txt"), official, strict=True):
        Path("photos", name).write_text(text)
    own = {"root": "photos", "download": False, "lists": ["a.txt", "b.txt"]}
    assert "scenes/gist" in planned(**own).section6.papers_data()
    assert "scenes/gist" not in planned(**own | {"lists": ["b.txt", "a.txt"]}).section6.papers_data()
    for name in ("TrainImages.txt", "TestImages.txt"):
        Path("photos", name).write_text("a/1.jpg\n")
    assert "scenes/gist" not in planned(root="photos").section6.papers_data()


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"retrieval": {"k": 5}}, {"retrieval"}),
        ({"retrieval": {"layer": "fc6"}}, {"retrieval"}),
        ({"voc": {"protocol": "voc2007-test"}}, {"retrieval", "detection"}),
    ],
)
def test_the_paper_s_numbers_stand_beside_figures_of_its_images_layer_and_k_alone(changes, lost):
    config = yaml.safe_load(PAPER.read_text())
    every = [f"{task}/{row['id']}" for task, rows in config["section6"].items() for row in rows]
    assert Plan(config).section6.papers_data() == every
    left = [row for row in every if row.split("/")[0] not in lost]
    assert Plan(yaml.safe_load(PAPER.read_text()) | changes).section6.papers_data() == left


def test_the_paper_s_numbers_of_detection_do_not_stand_beside_another_layer():
    config = yaml.safe_load(PAPER.read_text())
    config["section6"]["detection"][1]["layer"] = "fc6"
    rows = [row for row in Plan(config).section6.papers_data() if row.startswith("detection/")]
    assert rows == ["detection/pool5-random", "detection/pool5-5M-8M", "detection/pool5-imagenet"]


def test_the_photos_of_the_user_count_by_all_files_of_the_folder():
    scenes = {"root": "photos", "download": False}
    assert planned(**scenes).scenes.ready_file() == []
    assert planned(**scenes).scenes.digest() == ""
    Path("photos/a").mkdir(parents=True)
    Path("photos/a/1.jpg").write_bytes(b"1")
    before = planned(**scenes).scenes.digest()
    assert planned(**scenes).scenes.digest() == before
    Path("photos/a/2.jpg").write_bytes(b"2")
    assert planned(**scenes).scenes.digest() != before


def test_downloaded_photos_count_if_they_differ_from_what_was_unpacked():
    before = planned().scenes.digest()
    assert planned().scenes.ready_file() == str(STAMP)
    photo = Path("data/indoor67/Images/a/1.jpg")
    for path in (photo, STAMP):
        path.parent.mkdir(parents=True)
    photo.write_bytes(b"1")
    state = [photo.stat().st_size, photo.stat().st_mtime_ns]
    STAMP.write_text(json.dumps({"unpacked": {str(photo): state}}))
    assert planned().scenes.digest() == before  # a first run is not out of date at once
    os.utime(photo, ns=(0, 0))
    assert planned().scenes.digest() != before


def test_networks_without_imagenet_s_images_cannot_classify():
    models = planned().section6.scenes_models()
    assert "imagenet-2" not in models
    assert {"random-1", "released-caffenet", "unsup-8M"} <= set(models)


def test_a_cell_of_scenes_needs_the_photos_of_voc_only_for_a_network_that_learned_from_them():
    folder = "results/cells/section6/voc2012-val/scenes"
    scenes = {"voc": {"root": "none", "download": False}}
    plan = Plan(yaml.safe_load(PAPER.read_text()) | scenes)
    check_targets(plan, [f"{folder}/gist.json", f"{folder}/random-1.json", "results/scenes/indoor67.json"])
    with pytest.raises(UserError, match=r"none/VOC2012/ImageSets/Main/train\.txt: no such file; point voc\.root"):
        check_targets(plan, [f"{folder}/scratch-1.json"])
