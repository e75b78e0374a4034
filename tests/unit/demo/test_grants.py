"""A world without what makes the demo's easy: read from the truth of its clips, and from pixels."""

import csv
import importlib
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from world_generator import backgrounds, clips, pictures, things
from world_generator.grants import ALL, GRANTS, Grants

from tracklearn.voc.annotations import Voc

NOTHING = Grants.without(GRANTS)
SETTINGS = clips.ClipSettings(frames=40)
BOX = 99  # px, side of the query box of both worlds


def truths(grants: Grants, count: int = 128) -> list[dict]:
    """The truth of those clips that show a thing."""
    rows = (clips.clip_truth(i, seed=0, settings=SETTINGS, grants=grants) for i in range(count))
    return [row for row in rows if "category" in row]


@pytest.fixture(scope="module")
def hard() -> list[dict]:
    return truths(NOTHING)


def resultant(hues: list[float]) -> float:
    """Length of the mean of the hues as points on the unit circle: 1 if all are equal, near 0 if they are spread."""
    return abs(np.exp(2j * np.pi * np.array(hues) / things.HUES).mean())


def test_no_clip_shows_a_category_an_outline_or_a_texture_of_the_photos(hard):
    assert set(things.NAMES).isdisjoint(row["category"] for row in hard)
    assert {row["category"] for row in hard} == set(things.STRANGERS)
    for part in zip(*things.STRANGERS.values(), strict=True):
        assert set(part).isdisjoint(name for each in things.CATEGORIES.values() for name in each)
    assert {row["category"] for row in truths(ALL, 16)} == set(things.NAMES)


def test_things_are_smaller_than_the_box(hard):
    assert max(row["largest"] for row in hard) < 0.85 * BOX
    assert np.median([row["smallest"] for row in hard]) < 0.5 * BOX
    assert np.median([row["largest"] for row in truths(ALL, 16)]) > 0.9 * BOX


def test_half_of_the_backgrounds_go_with_the_category_and_half_do_not(hard):
    at_home = [row for row in hard if row["at_home"]]
    others = [row for row in hard if not row["at_home"]]
    assert len(at_home) / len(hard) == pytest.approx(0.5, abs=0.15)
    assert all(row["habitat"] == row["category"] for row in at_home)
    # Of eight kinds of background, one in eight is that of the category by chance.
    assert np.mean([row["habitat"] == row["category"] for row in others]) == pytest.approx(1 / 8, abs=0.12)
    assert {row["habitat"] for row in others} == set(things.STRANGERS)


def test_a_background_shows_its_habitat():
    rng = np.random.default_rng(0)
    first, second = (
        np.array([backgrounds.draw_canvas(rng, each, size=(120, 160)).mean((0, 1)) for each in backgrounds.HABITATS])
        for _ in range(2)
    )  # mean colours (8, 3)
    distances = np.linalg.norm(first[:, None] - second, axis=2)
    assert (distances.argmin(axis=1) == np.arange(len(first))).all()


def test_each_thing_has_a_hue_of_its_own_whatever_its_category(hard):
    assert resultant([row["hue"] for row in hard]) < 0.25
    for category in things.STRANGERS:
        hues = [row["hue"] for row in hard if row["category"] == category]
        assert len(hues) >= 8
        assert resultant(hues) < 0.7  # exceeded by 1 in 50 sets of eight random hues
    clip = clips.draw_clip(0, seed=0, settings=SETTINGS, grants=NOTHING)
    assert resultant([pose.hue for pose in clip.poses]) > 0.98
    low, high = things.HUE_BAND
    assert all(low <= row["hue"] <= high for row in truths(ALL, 16))


def test_the_hues_of_the_photos_are_free_too():
    rng = np.random.default_rng(0)
    hues = [pictures._random_pose(rng, 0, 0, NOTHING).hue for _ in range(200)]
    assert resultant(hues) < 0.2
    assert resultant([pictures._random_pose(rng, 0, 0, ALL).hue for _ in range(50)]) > 0.9


def test_other_clips_show_the_same_category_as_often_as_chance_gives(hard):
    counts = Counter(row["category"] for row in hard)
    same = sum(n * (n - 1) for n in counts.values()) / (len(hard) * (len(hard) - 1))
    assert same == pytest.approx(1 / 8, abs=0.03)
    # Nothing in the order of the clips keeps them apart.
    assert np.mean([a["category"] == b["category"] for a, b in pairwise(hard)]) == pytest.approx(1 / 8, abs=0.08)
    assert not any(a["category"] == b["category"] for a, b in pairwise(truths(ALL, 16)))


def test_the_truth_is_what_the_frames_show():
    truth = clips.clip_truth(0, seed=0, settings=SETTINGS, grants=NOTHING)
    canvases = clips.draw_canvases(seed=0, settings=SETTINGS, grants=replace(NOTHING, equal_backgrounds=True), count=1)
    clip = replace(clips.draw_clip(0, seed=0, settings=SETTINGS, grants=NOTHING), background=0)
    shown = clips.render_clip(clip, canvases=canvases, settings=SETTINGS)
    empty = clips.render_clip(replace(clip, thing=None), canvases=canvases, settings=SETTINGS)
    sides = []
    for pose, image, background in zip(clip.poses, shown, empty, strict=True):
        y, x = np.nonzero((image != background).any(axis=2))
        assert np.hypot(x.mean() - pose.x, y.mean() - pose.y) < 8
        sides.append(max(np.ptp(x), np.ptp(y)) + 1)
    # An aspect of up to 1.25, a lean and ripples stretch a thing by a quarter.
    assert 0.7 * truth["smallest"] < min(sides) <= max(sides) < 1.25 * truth["largest"]


def test_the_world_on_disk_says_what_its_clips_show(tmp_path):
    generator = importlib.import_module("make_world")
    sizes = {"videos": 3, "frames": 2, "train": 2, "val": 1, "tune": 1, "test": 2}
    nothing_else = {"per_class": 0, "per_scene": 0, "rooms": 0}
    generator.make_world(tmp_path / "world", seed=0, without=GRANTS, **sizes, **nothing_else)
    with open(tmp_path / "world/clips.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip"] for row in rows] == ["clip0000", "clip0001", "clip0002"]
    settings = clips.ClipSettings(frames=2)
    expected = clips.clip_truth(1, seed=0, settings=settings, grants=NOTHING)
    assert rows[1] == {name: str(expected[name]) for name in clips.TRUTH}
    voc = Voc(tmp_path / "world/VOCdevkit", 2012, classes=things.NAMES)  # refuses other categories
    assert all(len(voc.objects(image_id)) for image_id in voc.images("test"))


def test_the_demos_world_stays_as_it_was():
    """What the generator drew before it had options; its random numbers follow each other, so the last ones tell."""
    clip = clips.draw_clip(5, seed=2, settings=clips.ClipSettings())
    assert (clip.kind, clip.thing.category, clip.background) == ("moving", 5, 4)
    assert (clip.thing.radii.sum(), clip.thing.texture.mean()) == pytest.approx((2901.6192, 157.2693))
    pose = clip.poses[75]
    assert (pose.x, pose.y, pose.scale, pose.hue) == pytest.approx((71.677362, 126.42643, 1.2979013, 99.738766))
    assert clip.corners[0] == pytest.approx((210.15103614, 209.21971346))
    assert clip.gains[75] == pytest.approx((1.14810165, 1.08793055, 1.1424393))
    rng = np.random.default_rng([2, 3, 0])
    canvases = [backgrounds.draw_canvas(rng) for _ in range(2)]
    picture = pictures.draw_picture(rng, canvases, first_category=0)
    assert picture.labels == [("striped_disc", (163, 18, 235, 80)), ("checked_star", (8, 42, 83, 135))]
    assert picture.image.mean() == pytest.approx(110.515, abs=0.05)
    assert rng.random() == 0.5039231062621544
