"""The small world: what it holds, that it is the same each time, and that its files are what they say."""

import importlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tracklearn.errors import UserError
from tracklearn.videos.frames import probe, read_frames
from tracklearn.videos.lists import read_list
from tracklearn.voc.annotations import Voc
from tracklearn.voc.disjoint import check_disjoint

TINY = {
    "seed": 3,
    "videos": 8,
    "frames": 6,
    "train": 5,
    "val": 3,
    "tune": 4,
    "test": 4,
    "per_class": 2,
    "per_scene": 2,
    "rooms": 1,
}


@pytest.fixture(scope="module")
def generator():
    return importlib.import_module("make_world")


@pytest.fixture(scope="module")
def world(generator, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "world"
    generator.make_world(out, **TINY)
    return out


def test_list_names_clips_relative_to_the_folder_above(world):
    videos = read_list(world / "videos.tsv")
    assert len(videos) == 8
    assert all((world.parent / video.source).exists() for video in videos)


def test_clips_are_real_video_and_a_thing_moves(world):
    found = probe(world / "videos/clip0000.mp4")
    assert (found.frames, found.width, found.height) == (6, 300, 224)
    frames = [image.astype(int) for _, image in read_frames(world / "videos/clip0000.mp4", size=(224, 300))]
    assert np.abs(frames[0] - frames[5]).mean() > 5


def test_every_kind_of_clip_is_written(generator, tmp_path):
    clips = importlib.import_module("world_generator.clips")
    settings = clips.ClipSettings(frames=6)
    canvases = clips.draw_canvases(seed=0, settings=settings, count=1)
    kinds = {}
    for index in range(3 * len(clips.KINDS)):
        odd = clips.KINDS[(index * 7) % len(clips.KINDS)] != "moving"
        if odd:
            path = tmp_path / f"{index}.mp4"
            kinds[clips.write_clip(path, index, seed=0, canvases=canvases, settings=settings)] = path
    assert set(kinds) == {"still", "camera", "truncated", "empty", "text"}
    for kind in ("truncated", "empty", "text"):
        with pytest.raises(UserError, match=r"not a video|empty|file"):
            probe(kinds[kind])
    still = [image for _, image in read_frames(kinds["still"], size=(224, 300))]
    assert np.abs(still[0].astype(int) - still[5]).mean() < 3


def test_detection_set_is_valid_voc_with_disjoint_sets(world):
    names = importlib.import_module("world_generator.things").NAMES
    voc = Voc(world / "VOCdevkit", 2012, classes=names)
    assert voc.images("trainval") == voc.images("train") + voc.images("val")
    assert [len(voc.images(name)) for name in ("train", "val", "tune", "test")] == [5, 3, 4, 4]
    for name in ("tune", "test"):
        check_disjoint(voc.images("trainval"), voc.images(name), train_set="trainval", test_set=name)
    for image_id in voc.images("trainval"):
        assert voc.image(image_id).shape == (224, 300, 3)
        objects = voc.objects(image_id)
        sides = objects.boxes[:, 2:] - objects.boxes[:, :2] + 1
        assert len(sides) and sides.min() >= 20


def test_class_folders_hold_the_same_categories(world):
    folders = {path.name: len(list(path.glob("*.jpg"))) for path in (world / "imagenet").iterdir()}
    assert folders == dict.fromkeys(importlib.import_module("world_generator.things").NAMES, 2)


def test_scenes_are_folders_that_no_hue_tells_apart(world, generator):
    scenes = importlib.import_module("world_generator.scenes")
    folders = {path.name: len(list(path.glob("*.jpg"))) for path in (world / "scenes").iterdir()}
    assert folders == dict.fromkeys(scenes.SCENES, 2)
    rng = np.random.default_rng(0)
    canvases = [importlib.import_module("world_generator.backgrounds").draw_canvas(rng) for _ in range(2)]
    labels = np.arange(160) % len(scenes.SCENES)
    images = [scenes.draw_scene(rng, canvases, scenes.SCENES[label]) for label in labels]
    hues = np.array([np.histogram(cv2.cvtColor(each, cv2.COLOR_RGB2HSV)[..., 0], 18, (0, 180))[0] for each in images])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    accuracy = cross_val_score(classifier, hues, labels, cv=5).mean()
    assert accuracy < 2 / len(scenes.SCENES)  # chance is 1 / 8


def test_a_painted_thing_fills_its_box_and_nothing_else(generator):
    things = importlib.import_module("world_generator.things")
    for category in range(len(things.NAMES)):
        image = np.full((150, 200, 3), 77, np.uint8)
        thing = things.draw_thing(np.random.default_rng(category), category)
        box = things.paint(image, thing, things.Pose(90, 70, angle=0.4, scale=1.0, hue=100))
        y, x = np.nonzero((image != 77).any(axis=2))
        assert np.abs(np.array(box) - (x.min(), y.min(), x.max(), y.max())).max() <= 2


def test_a_thing_out_of_sight_has_an_empty_box(generator):
    things = importlib.import_module("world_generator.things")
    image = np.zeros((50, 50, 3), np.uint8)
    x1, _, x2, _ = things.paint(image, things.draw_thing(np.random.default_rng(0), 0), things.Pose(300, 20, 0, 1))
    assert x2 < x1
    assert not image.any()


def test_same_arguments_do_nothing_again_and_others_make_anew(generator, tmp_path, capsys):
    out = tmp_path / "world"
    small = TINY | {"videos": 1, "frames": 2}
    generator.make_world(out, **small)
    clip = out / "videos/clip0000.mp4"
    first, made = clip.read_bytes(), clip.stat().st_mtime_ns
    generator.make_world(out, **small)
    assert "already made" in capsys.readouterr().out
    assert clip.stat().st_mtime_ns == made
    (out / "made.json").write_text(json.dumps({"options": {}}))  # made by other arguments
    generator.make_world(out, **small)
    assert clip.stat().st_mtime_ns != made
    assert clip.read_bytes() == first


def test_a_folder_of_other_things_is_left_alone(generator, tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(FileExistsError, match=r"thesis\.tex, which is no part of a made world; choose an empty folder"):
        generator.make_world(tmp_path, **TINY)
    assert (tmp_path / "thesis.tex").exists()
