import json

import numpy as np
import pytest
from reference.detection import loops_average_precision
from worlds.devkit import random_boxes

from tracklearn.detection.average_precision import average_precisions, match, score, write_in_one_cell, write_row
from tracklearn.detection.detect import Detections
from tracklearn.errors import UserError
from tracklearn.tables.bootstrap import image_draws
from tracklearn.tables.cells import read_cell
from tracklearn.voc.annotations import Objects, Voc

BOX = [10, 10, 29, 29]
FAR = [60, 60, 79, 79]


def objects_of(*images):
    """Objects of class 0; an argument lists (box, difficult) of one image."""
    return [
        Objects(
            np.array([box for box, _ in each], np.float32).reshape(-1, 4),
            np.zeros(len(each), np.int64),
            np.array([difficult for _, difficult in each], bool),
        )
        for each in images
    ]


def detections_of(*found):
    """Detections from (score, image, box)."""
    scores, images, boxes = zip(*found, strict=True)
    return Detections(np.array(images), np.array(boxes, np.float32), np.array(scores, np.float32))


def evaluate(found, objects, times_drawn=None):
    image, hit = match(found, objects, 0)
    positives = np.array([(~each.difficult).sum() for each in objects])
    times_drawn = np.ones((1, len(objects)), np.int32) if times_drawn is None else times_drawn
    return average_precisions(image, hit, positives, times_drawn)


def random_problem(seed, images=6):
    rng = np.random.default_rng(seed)
    objects = objects_of(
        *([(box, rng.random() < 0.3) for box in random_boxes(rng, rng.integers(0, 5))] for _ in range(images))
    )
    found = []
    for number, each in enumerate(objects):
        near = np.repeat(each.boxes, 2, axis=0) + rng.integers(-2, 3, (2 * len(each.boxes), 4))
        for box in [*near, *random_boxes(rng, 4)]:
            found.append((rng.normal(), number, np.maximum(box, np.r_[box[:2] * 0, box[:2]])))
    return detections_of(*found), objects


def test_hand_computed_case():
    # Hit, false, hit; two objects: precision 1 at recall 1/2, 2/3 at recall 1.
    found = detections_of((3.0, 0, BOX), (2.0, 0, FAR), (1.0, 1, BOX))
    over_all_points, over_11_points = evaluate(found, objects_of([(BOX, False)], [(BOX, False)]))
    assert over_all_points[0] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert over_11_points[0] == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_loops(seed):
    found, objects = random_problem(seed)
    listed = list(zip(found.scores.tolist(), found.image.tolist(), found.boxes.tolist(), strict=True))
    annotated = {n: list(zip(o.boxes.tolist(), o.difficult.tolist(), strict=True)) for n, o in enumerate(objects)}
    over_all_points, over_11_points = evaluate(found, objects)
    assert (over_all_points[0], over_11_points[0]) == pytest.approx(loops_average_precision(listed, annotated))
    assert 0 < over_all_points[0] < 1


def test_second_detection_of_an_object_is_false():
    found = detections_of((3.0, 0, BOX), (2.0, 0, BOX), (1.0, 1, BOX))
    _, hit = match(found, objects_of([(BOX, False)], [(BOX, False)]), 0)
    assert hit.tolist() == [True, False, True]


def test_difficult_objects_and_their_detections_do_not_count():
    found = detections_of((3.0, 0, BOX), (2.5, 0, BOX), (2.0, 1, BOX))
    image, hit = match(found, objects_of([(BOX, True)], [(BOX, False)]), 0)
    assert (image.tolist(), hit.tolist()) == ([1], [True])
    assert evaluate(found, objects_of([(BOX, True)], [(BOX, False)]))[0] == 1


def test_half_the_union_is_enough_with_vocs_pixels():
    exactly = [10, 10, 29, 19]  # 200 of 400 pixels
    less = [10, 10, 29, 18]
    assert match(detections_of((1.0, 0, exactly)), objects_of([(BOX, False)]), 0)[1].tolist() == [True]
    assert match(detections_of((1.0, 0, less)), objects_of([(BOX, False)]), 0)[1].tolist() == [False]


def test_no_detections_and_no_objects():
    none = Detections(np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    assert evaluate(none, objects_of([(BOX, False)]))[0] == 0
    over_all_points, over_11_points = evaluate(detections_of((1.0, 0, BOX)), objects_of([]))
    assert np.isnan([over_all_points[0], over_11_points[0]]).all()


def test_bootstrap_equals_evaluating_repeated_images():
    found, objects = random_problem(11)
    times_drawn = image_draws(len(objects), 20, seed=3)
    over_all_points, over_11_points = evaluate(found, objects, times_drawn)
    for draw in range(20):
        copies = np.repeat(np.arange(len(objects)), times_drawn[draw])
        again = [
            (score, place, box)
            for place, image in enumerate(copies)
            for score, at, box in zip(found.scores, found.image, found.boxes, strict=True)
            if at == image
        ]
        expected = evaluate(detections_of(*again), [objects[image] for image in copies])
        assert (over_all_points[draw], over_11_points[draw]) == pytest.approx(
            (expected[0][0], expected[1][0]), nan_ok=True
        )


@pytest.mark.parametrize("limit", [1, 700, 3000])
def test_a_limit_of_memory_changes_no_digit(monkeypatch, limit):
    rng = np.random.default_rng(4)
    image, hit, positives = rng.integers(0, 20, 300), rng.random(300) < 0.3, rng.integers(0, 4, 20)
    times_drawn = image_draws(20, 37)
    in_one_part = average_precisions(image, hit, positives, times_drawn)
    monkeypatch.setattr("tracklearn.detection.average_precision.BOOTSTRAP_VALUES", limit)
    assert np.array_equal(average_precisions(image, hit, positives, times_drawn), in_one_part, equal_nan=True)


@pytest.fixture
def row(devkit, tmp_path):
    """A row that detects every cat and half of the dogs and has no SVM for birds; no image shows a sheep."""
    classes = ["cat", "dog", "bird", "sheep"]
    photos = Voc(devkit, classes=classes)
    ids = photos.images("test")
    found = [(n, photos.objects(one)) for n, one in enumerate(ids)]
    label = [0] * 5 + [1] * 2
    image = [n for n, _ in found] + [0, 2]
    boxes = [each.boxes[0] for _, each in found] + [found[0][1].boxes[1], found[2][1].boxes[1]]
    np.savez(tmp_path / "detections.npz", ids=ids, classes=classes, label=label, image=image, boxes=boxes,
             scores=np.arange(7, dtype=np.float32))  # fmt: skip
    np.savez(tmp_path / "svms.npz", classes=classes, reasons=["", "", "no training object of class bird", ""])
    cells = [tmp_path / "cells" / f"{name}.json" for name in (*classes, "mAP")]

    def scored(**changes):
        files = {"detections": tmp_path / "detections.npz", "svms": tmp_path / "svms.npz"}
        return score(
            **{"voc": devkit, "year": 2012, "image_set": "test", "classes": classes, "draws": 200} | files | changes
        )

    def call(**changes):
        metrics = write_row(scored(**changes), row="r", cells=cells, replicates=tmp_path / "r.npz", runs=["run-1"])
        return metrics, {cell.stem: json.loads(cell.read_text()) for cell in cells}, np.load(tmp_path / "r.npz")

    call.scored = scored
    return call


def test_empty_cells_of_a_row_state_the_reason(row):
    metrics, cells, replicates = row()
    assert cells["cat"]["value"] == 100
    assert cells["cat"] | {"class": "cat", "row": "r", "images": 5, "positives": 5, "runs": ["run-1"]} == cells["cat"]
    assert cells["dog"]["value"] == pytest.approx(50)  # 2 of 4: the fifth is difficult
    assert cells["dog"]["interval"][0] < 50 < cells["dog"]["interval"][1]
    assert cells["bird"]["value"] is cells["bird"]["interval"] is None
    assert cells["bird"]["reason"] == "no training object of class bird"
    assert cells["sheep"]["reason"].startswith("no object of this class")
    assert cells["mAP"] | {"value": 75, "classes": 2, "reason": ""} == cells["mAP"]
    assert metrics == {"AP.cat": 100, "AP.dog": pytest.approx(50), "mAP": pytest.approx(75)}
    assert replicates["replicates"].shape == (200, 4)
    assert np.isnan(replicates["replicates"][:, 2:]).all()
    known = np.isfinite(replicates["replicates"][:, 1])
    assert np.allclose(replicates["mAP"][known], replicates["replicates"][known, :2].mean(axis=1))


def test_two_rows_have_the_same_draws_so_their_difference_is_paired(row):
    first = dict(row()[2])
    second = row()[2]
    assert np.array_equal(first["replicates"], second["replicates"], equal_nan=True)


def test_detections_of_another_set_are_refused(row):
    with pytest.raises(UserError, match=r"detections\.npz: its images are not those of 'val'"):
        row(image_set="val")


def test_a_row_in_one_cell_has_the_mean_and_its_classes(row, tmp_path):
    metrics = write_in_one_cell(row.scored(), cell=tmp_path / "c.json", replicates=tmp_path / "c.npz", runs=["run-1"])
    cell = read_cell(tmp_path / "c.json")
    assert metrics["mAP"] == cell["value"] == pytest.approx(75)
    assert (cell["classes_in_mean"], cell["images"], cell["runs"]) == (2, 5, ["run-1"])
    assert set(cell["classes"]) == {"cat", "dog", "bird", "sheep"}
    assert np.array_equal(np.load(tmp_path / "c.npz")["mAP"], row.scored().means, equal_nan=True)


def test_a_row_without_a_mean_has_an_empty_cell_that_says_why(row, tmp_path):
    np.savez(tmp_path / "svms.npz", classes=["cat", "dog", "bird", "sheep"], reasons=["no training object"] * 4)
    assert (
        write_in_one_cell(row.scored(), cell=tmp_path / "c.json", replicates=tmp_path / "c.npz", runs=["run-1"]) == {}
    )
    cell = read_cell(tmp_path / "c.json")
    assert cell["value"] is None
    assert cell["reason"].startswith("no class has both an SVM and an object")
    assert len(np.load(tmp_path / "c.npz")["mAP"]) == 0
