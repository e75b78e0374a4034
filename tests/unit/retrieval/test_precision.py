"""Retrieval on four photos with features written by hand."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import simplejpeg

from tracklearn.errors import UserError
from tracklearn.features import store
from tracklearn.features.store import StoredFeatures
from tracklearn.retrieval.precision import precision_at_k, scores

CLASSES = ("disc", "star", "box")
DISC, STAR = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
WHOLE = [0, 0, 49, 39]  # the object of each photo, 0-based and inclusive


def photo(root: Path, image_id: str, names: list[str]) -> None:
    """A grey photo of 100 x 80 with an object of each name in the upper left quarter."""
    folder = root / "VOC2012"
    for part in ("JPEGImages", "Annotations"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    pixels = np.full((80, 100, 3), 128, np.uint8)
    (folder / "JPEGImages" / f"{image_id}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels))
    box = "<xmin>1</xmin><ymin>1</ymin><xmax>50</xmax><ymax>40</ymax>"
    objects = "".join(f"<object><name>{name}</name><bndbox>{box}</bndbox></object>" for name in names)
    size = "<size><width>100</width><height>80</height><depth>3</depth></size>"
    (folder / "Annotations" / f"{image_id}.xml").write_text(f"<annotation>{size}{objects}</annotation>")


def features(path: Path, images: dict[str, list[tuple[list[int], list[float], bool]]]) -> Path:
    """Write a feature file from (box, feature, whether it is ground truth) of each image's windows."""
    with h5py.File(path, "w") as file:
        data = store.create(
            file,
            ids=list(images),
            boxes=[np.array([box for box, _, _ in windows], np.float32).reshape(-1, 4) for windows in images.values()],
            ground_truth=[sum(gt for _, _, gt in windows) for windows in images.values()],
            width=3,
            attrs={"layer": "pool5"},
        )
        values = [value for windows in images.values() for _, value, _ in windows]
        if values:
            data[:] = np.array(values, np.float16)
    return path


def opened(*paths: Path) -> StoredFeatures:
    return StoredFeatures(paths)


@pytest.fixture
def world(tmp_path):
    """Arguments of `precision_at_k` for two training and two evaluation photos."""
    for image_id, names in {"t1": ["disc"], "t2": ["star"], "e1": ["disc"], "e2": ["star", "star"]}.items():
        photo(tmp_path, image_id, names)
    near, far = [0, 0, 44, 39], [60, 50, 99, 79]
    train = {
        # Ground-truth windows and windows off the object match the other class perfectly, but must not count.
        "t1": [(WHOLE, STAR, True), (near, DISC, False), (WHOLE, [2.0, 0.5, 0.0], False), (far, STAR, False)],
        "t2": [(WHOLE, DISC, True), (far, DISC, False), (near, [0.25, 1.0, 0.0], False)],
    }
    test = {
        "e1": [(WHOLE, [7.0, 0.0, 0.0], True), (near, STAR, False)],
        "e2": [(WHOLE, STAR, True), (WHOLE, [3.0, 1.0, 0.0], True), (far, DISC, False)],
    }
    return {
        "voc": tmp_path, "year": 2012, "classes": CLASSES, "out": tmp_path / "cell.json", "k": 2,
        "database": opened(features(tmp_path / "train.h5", train)),
        "queries": opened(features(tmp_path / "test.h5", test)),
    }  # fmt: skip


def test_precision_by_hand(world):
    # Database: two windows on a disc, one on a star. Queries: a disc that finds disc, disc; a star that finds star,
    # disc; a star that looks like a disc and finds disc, disc.
    result = precision_at_k(**world)
    assert result["precision"] == pytest.approx((100 + 50 + 0) / 3)
    assert result["hit_rate"] == pytest.approx(200 / 3)
    assert result["precision_class_mean"] == pytest.approx((100 + 25) / 2)
    assert result["hit_rate_class_mean"] == pytest.approx((100 + 50) / 2)
    assert result["chance"] == pytest.approx((200 / 3 + 100 / 3 + 100 / 3) / 3)
    assert (result["queries"], result["windows"]) == (3, 3)
    cell = json.loads(world["out"].read_text())
    assert cell["k"] == 2 and cell["precision"] == result["precision"]
    assert cell["classes"]["star"] == {
        "precision": 25, "hit_rate": 50, "chance": pytest.approx(100 / 3), "queries": 2, "windows": 1, "reason": None,
    }  # fmt: skip
    assert cell["classes"]["box"]["precision"] is None
    assert cell["classes"]["box"]["reason"] == "no object of this class in the evaluation images"


def test_database_in_several_parts_is_the_same(world, tmp_path):
    whole = precision_at_k(**world)
    near = [0, 0, 44, 39]
    world["database"] = opened(
        features(tmp_path / "a.h5", {"t2": [(near, [0.25, 1.0, 0.0], False)]}),
        features(tmp_path / "b.h5", {"t1": [(near, DISC, False), (WHOLE, [2.0, 0.5, 0.0], False)]}),
    )
    assert precision_at_k(**world) == whole


def test_cosine_ignores_the_scale_of_features(world, tmp_path):
    before = precision_at_k(**world)
    loud = {"t1": [([0, 0, 44, 39], [400.0, 0, 0], False), (WHOLE, [2.0, 0.5, 0], False)]}
    world["database"] = opened(
        features(tmp_path / "a.h5", loud),
        features(tmp_path / "b.h5", {"t2": [([0, 0, 44, 39], [0.25, 1.0, 0.0], False)]}),
    )
    assert precision_at_k(**world) == before


def test_scores_by_hand():
    right = np.array([[True, True, False, False], [False, False, False, False]])
    result = scores(right, np.array([0, 0]), np.array([1, 3, 0]), classes=CLASSES)
    assert (result["precision"], result["hit_rate"], result["chance"]) == (25, 50, 25)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"k": 4}, "retrieval.k is 4, but only 3 training windows overlap an object by more than 0.5"),
        ({"overlap": 0.95, "k": 3}, "retrieval.k is 3, but only 1 training windows"),
    ],
)
def test_too_few_windows_are_a_one_line_error(world, change, text):
    with pytest.raises(UserError, match=text):
        precision_at_k(**world | change)
    assert not world["out"].exists()


def test_an_image_in_both_sets_is_refused(world):
    world["queries"] = world["database"]
    with pytest.raises(UserError, match="image t1 is in the training set 'retrieval database'"):
        precision_at_k(**world)


def test_features_of_other_annotations_are_refused(world, tmp_path):
    photo(tmp_path, "e1", ["disc", "disc"])
    with pytest.raises(UserError, match="the 1 ground-truth windows of image e1 are not the 2 objects annotated"):
        precision_at_k(**world)


def test_no_query_is_a_one_line_error(world, tmp_path):
    photo(tmp_path, "e3", [])
    world["queries"] = opened(features(tmp_path / "none.h5", {"e3": [(WHOLE, DISC, False)]}))
    with pytest.raises(UserError, match="no object is annotated in the evaluation images"):
        precision_at_k(**world)
