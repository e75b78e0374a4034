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
from tracklearn.retrieval import precision
from tracklearn.retrieval.precision import precision_at_k

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
        "voc": tmp_path, "year": 2012, "classes": CLASSES, "k": 2, "draws": 40,
        "cell": tmp_path / "cell.json", "replicates": tmp_path / "draws.npz", "nearest": tmp_path / "nearest.npz",
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
    assert (result["queries"], result["windows"]) == (3, 3)
    cell = json.loads(world["cell"].read_text())
    assert cell["value"] == cell["figures"]["precision"]["value"] == result["precision"]
    assert cell["chance"] == pytest.approx((200 / 3 + 100 / 3 + 100 / 3) / 3)


def test_nearest_windows_by_hand(world):
    precision_at_k(**world)
    with np.load(world["nearest"]) as found:
        assert found["image"].tolist() == ["e1", "e2", "e2"] and found["object"].tolist() == [0, 0, 1]
        assert found["database"][found["nearest_image"]].tolist() == [["t1", "t1"], ["t2", "t1"], ["t1", "t1"]]
        assert found["nearest_box"][1].tolist() == [[0, 0, 44, 39], WHOLE]
        np.testing.assert_allclose(found["score"][1], [1 / np.hypot(0.25, 1), 0.5 / np.hypot(2, 0.5)], rtol=1e-3)


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
    assert not world["cell"].exists()


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
    with pytest.raises(
        UserError, match="no object is annotated in the evaluation images, and retrieval needs queries; annotate some"
    ):
        precision_at_k(**world)


def test_an_image_without_objects_asks_nothing(world, tmp_path):
    before = precision_at_k(**world)
    photo(tmp_path, "e3", [])
    test = {
        "e1": [(WHOLE, [7.0, 0.0, 0.0], True)],
        "e3": [(WHOLE, DISC, False)],
        "e2": [(WHOLE, STAR, True), (WHOLE, [3.0, 1.0, 0.0], True)],
    }
    world["queries"] = opened(features(tmp_path / "three.h5", test))
    assert precision_at_k(**world) == before | {"images": 3}


def test_blocks_do_not_depend_on_the_images(world, monkeypatch):
    before = precision_at_k(**world)
    monkeypatch.setattr(precision, "AT_ONCE", 2)
    assert precision_at_k(**world) == before
