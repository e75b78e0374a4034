import zlib

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.voc.annotations import Voc
from tracklearn.voc.boxes import iou
from tracklearn.voc.proposals import ordered, propose, selective_search
from tracklearn.voc.proposals_file import read_proposals, write_proposals

PAINTED = np.full((90, 120, 3), 120, np.uint8)
PAINTED[20:60, 30:90] = (220, 30, 30)


@pytest.fixture
def proposed(devkit, tmp_path):
    def call(**changes):
        out = tmp_path / "proposals.npz"
        metrics = propose(**{"voc": devkit, "year": 2012, "image_set": "train", "out": out} | changes)
        return read_proposals([out]), metrics

    return call


def test_finds_the_painted_rectangle():
    boxes = selective_search(PAINTED)
    assert iou(boxes, np.array([[30, 20, 89, 59]], np.float32)).max() > 0.9


def test_boxes_are_distinct_large_enough_and_inside(proposed):
    found, metrics = proposed(proposals={"min_side": 25})
    assert list(found) == ["train_0", "train_1", "train_2", "train_3"]
    for boxes in found.values():
        assert boxes.dtype == np.float32
        assert len(np.unique(boxes, axis=0)) == len(boxes) > 0
        assert (boxes[:, 2:] - boxes[:, :2] + 1).min() >= 25
        assert boxes.min() >= 0
        assert (boxes.max(axis=0) <= [119, 89, 119, 89]).all()
    assert metrics["boxes"] == sum(map(len, found.values()))


def test_neither_threads_nor_parts_change_the_boxes_or_their_order(proposed):
    whole, _ = proposed()
    threaded, _ = proposed(threads=3)
    second, _ = proposed(part=1, images_per_part=3)
    assert list(second) == ["train_3"]
    assert all(np.array_equal(whole[one], threaded[one]) for one in whole)
    assert np.array_equal(whole["train_3"], second["train_3"])


def test_max_boxes_keeps_the_first_boxes(proposed):
    whole, _ = proposed()
    few, _ = proposed(proposals={"max_boxes": 3})
    assert all(np.array_equal(few[one], whole[one][:3]) for one in whole)


def test_the_seed_changes_the_order_and_not_the_boxes(proposed):
    first, _ = proposed(proposals={"seed": 0})
    second, _ = proposed(proposals={"seed": 1})
    assert any(not np.array_equal(first[one], second[one]) for one in first)
    assert all(np.array_equal(np.unique(first[one], axis=0), np.unique(second[one], axis=0)) for one in first)


def test_larger_boxes_tend_to_come_first():
    sides = np.arange(20, 220, dtype=np.float32)
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], axis=1)
    drawn = ordered(boxes, np.random.default_rng(zlib.crc32(b"x")))
    assert drawn[:50, 2].mean() > drawn[-50:, 2].mean() + 40


def test_image_without_any_box_is_kept(proposed):
    found, metrics = proposed(proposals={"min_side": 500})
    assert [boxes.shape for boxes in found.values()] == [(0, 4)] * 4
    assert metrics["boxes_per_image"] == 0


def test_unknown_colour_space_is_named(proposed):
    with pytest.raises(UserError, match=r"^voc.proposals.colours is .*cmyk.*; expected .*hsv, lab"):
        proposed(proposals={"colours": ["hsv", "cmyk"]})


def test_unreadable_image_is_named(devkit, proposed):
    (devkit / "VOC2012/JPEGImages/train_2.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"train_2\.jpg: cannot be decoded"):
        proposed(threads=2)


def test_an_image_in_two_files_is_refused(tmp_path):
    for name in ("a", "b"):
        write_proposals(tmp_path / f"{name}.npz", ["x"], [np.zeros((0, 4), np.float32)])
    with pytest.raises(UserError, match=r"b\.npz: image x already has proposals in an earlier"):
        read_proposals([tmp_path / "a.npz", tmp_path / "b.npz"])


@pytest.mark.real
def test_about_two_thousand_boxes_cover_real_objects(real_data):
    photos = Voc(real_data / "voc_mini/VOCdevkit")
    ids = [one for one in photos.images("test") if len(photos.objects(one).boxes)][:2]
    boxes = [selective_search(photos.image(one)) for one in ids]
    assert 1000 < np.mean([len(each) for each in boxes]) < 4000
    best = [iou(photos.objects(one).boxes, each).max(axis=1) for one, each in zip(ids, boxes, strict=True)]
    large = [(photos.objects(one).boxes[:, 2:] - photos.objects(one).boxes[:, :2]).min(axis=1) > 30 for one in ids]
    assert (np.concatenate(best)[np.concatenate(large)] >= 0.5).mean() > 0.8
