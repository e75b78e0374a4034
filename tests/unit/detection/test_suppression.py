import numpy as np
import pytest
from reference.detection import loops_nms
from worlds.devkit import random_boxes

from tracklearn.detection.suppression import suppress
from tracklearn.experiment.code_digests import Code
from tracklearn.voc.boxes import iou


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_loops(seed):
    rng = np.random.default_rng(seed)
    boxes, scores = random_boxes(rng, 80), rng.normal(size=80).round(1)  # with ties
    assert suppress(boxes, scores, overlap=0.3).tolist() == loops_nms(boxes, scores, 0.3)


def test_no_boxes():
    assert suppress(np.zeros((0, 4), np.float32), np.zeros(0), overlap=0.3).shape == (0,)


def test_a_box_at_the_threshold_itself_is_kept():
    boxes = np.array([[0, 0, 9, 9], [5, 0, 14, 9]], np.float32)  # IoU 1/3
    assert suppress(boxes, np.array([1.0, 2.0]), overlap=1 / 3).tolist() == [1, 0]
    assert suppress(boxes, np.array([1.0, 2.0]), overlap=0.33).tolist() == [1]


def test_kept_boxes_do_not_overlap_and_cover_the_others():
    rng = np.random.default_rng(3)
    boxes, scores = random_boxes(rng, 100), rng.normal(size=100)
    kept = suppress(boxes, scores, overlap=0.3)
    among = iou(boxes[kept], boxes[kept]) - np.eye(len(kept))
    assert among.max() <= 0.3
    assert (iou(boxes, boxes[kept]).max(axis=1) > 0.3).all()


def test_neither_training_nor_features_depend_on_the_suppression(repository):
    code, scripts = Code(), repository / "workflow/scripts"
    reaching = {
        script.name
        for script in scripts.rglob("*.py")
        if any(module.name == "suppression.py" for module in code.reachable(script))
    }
    assert "detection_detect.py" in reaching
    assert reaching.isdisjoint({"models_finetuning.py", "features_extract.py", "detection_svms.py"})
