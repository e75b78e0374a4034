import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tracklearn.detection.average_precision import score
from tracklearn.detection.boxes_on_photos import Evaluated
from tracklearn.detection.coco import write_ground_truth, write_results
from tracklearn.detection.curves import curve
from tracklearn.voc.annotations import Voc

CLASSES = ["cat", "dog"]


@pytest.fixture
def row(devkit, tmp_path):
    """Files of detections: of each object two good boxes, one of the other class and a far one, with random scores."""
    rng = np.random.default_rng(3)
    photos = Voc(devkit, classes=CLASSES)
    ids = photos.images("test")
    label, image, boxes = [], [], []
    for number, image_id in enumerate(ids):
        objects = photos.objects(image_id)
        for of_object, own in zip(objects.boxes, objects.labels, strict=True):
            for shift in (0, 2, 25):
                for named in (own, 1 - own)[: 1 + (shift == 2)]:
                    label.append(named)
                    image.append(number)
                    boxes.append(of_object + shift)
    paths = {"detections": tmp_path / "d.npz", "svms": tmp_path / "s.npz"}
    np.savez(paths["detections"], ids=ids, classes=CLASSES, label=label, image=image,
             boxes=np.array(boxes, np.float32), scores=rng.permutation(len(label)).astype(float))  # fmt: skip
    np.savez(paths["svms"], classes=CLASSES, reasons=["", ""])
    return paths


@pytest.fixture
def coco(devkit, row, tmp_path):
    """The ground truth and the detections as pycocotools reads them."""
    devkit_of = {"voc": devkit, "year": 2012, "image_set": "test", "classes": CLASSES}
    counts = write_ground_truth(**devkit_of, out=tmp_path / "ground_truth.json")
    assert counts == {"images": 5, "objects": 10}
    assert write_results(detections=row["detections"], out=tmp_path / "detections.json") == {"detections": 40}
    truth = COCO(tmp_path / "ground_truth.json")
    return truth, truth.loadRes(str(tmp_path / "detections.json"))


def average_precisions_of_coco(truth, results):
    """Average precision at an overlap of 0.5 of each class, over COCO's 101 points."""
    evaluation = COCOeval(truth, results, "bbox")
    evaluation.params.iouThrs = np.array([0.5])
    evaluation.params.maxDets = [1000]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"][0, :, :, 0, 0].mean(axis=0)


def test_boxes_count_the_pixels_at_both_ends(coco):
    truth, results = coco
    cat, dog = truth.loadAnns(truth.getAnnIds(imgIds=[2]))
    assert cat["bbox"] == [8, 8, 40, 45]
    assert (cat["area"], cat["iscrowd"], cat["category_id"]) == (1800, 0, 1)
    assert (dog["bbox"], dog["iscrowd"], dog["ignore"]) == ([70, 21, 41, 51], 1, 1)  # the difficult dog
    assert truth.loadImgs([2])[0] == {"id": 2, "file_name": "test_1.jpg", "width": 120, "height": 90}
    assert [each["name"] for each in truth.loadCats([1, 2])] == CLASSES
    first = results.loadAnns([1])[0]
    assert (first["image_id"], first["bbox"]) == (1, [5, 8, 40, 45])


def test_average_precision_agrees_with_ours(coco, devkit, row):
    ours = score(voc=devkit, year=2012, image_set="test", classes=CLASSES, draws=0, **row).cells
    theirs = average_precisions_of_coco(*coco)
    judged = Evaluated.read(devkit, year=2012, image_set="test", classes=CLASSES).judged(row["detections"])
    for name, figure in zip(CLASSES, theirs, strict=True):
        points = curve(judged[name])
        # Precision at 101 recalls instead of all: each sample stands for the 1/101 around it.
        sampled = [
            points.precision[points.recall >= recall - 1e-12].max(initial=0) for recall in np.linspace(0, 1, 101)
        ]
        assert figure == pytest.approx(np.mean(sampled))
        assert ours[name]["value"] / 100 == pytest.approx(figure, abs=1 / 101)
        assert 0.2 < figure < 0.95


def test_a_box_on_a_difficult_object_does_not_count(coco, devkit, row, tmp_path):
    results = json.loads((tmp_path / "detections.json").read_text())
    kept = [each for each in results if not (each["image_id"] == 2 and each["bbox"][:2] == [70, 21])]
    assert len(kept) == len(results) - 1
    without = coco[0].loadRes(kept)
    assert average_precisions_of_coco(coco[0], without).tolist() == average_precisions_of_coco(*coco).tolist()
