import numpy as np
import pytest
from reference.detection import loops_iou, loops_nms

from tracklearn.voc.boxes import iou, nms


def random_boxes(rng, count, side=60):
    corners = np.sort(rng.integers(0, side, (count, 2, 2)), axis=1)
    return corners.reshape(count, 4).astype(np.float32)


def test_iou_counts_both_end_pixels():
    box = np.array([[0, 0, 9, 9]], np.float32)
    others = np.array([[0, 0, 9, 9], [5, 0, 14, 9], [9, 9, 9, 9], [10, 0, 19, 9]], np.float32)
    assert iou(box, others)[0] == pytest.approx([1, 50 / 150, 1 / 100, 0])


def test_iou_equals_the_loops():
    rng = np.random.default_rng(0)
    first, second = random_boxes(rng, 12), random_boxes(rng, 9)
    expected = [[loops_iou(a, b) for b in second] for a in first]
    assert np.allclose(iou(first, second), expected)


def test_no_boxes():
    none = np.zeros((0, 4), np.float32)
    assert iou(none, none).shape == (0, 0)
    assert nms(none, np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("seed", range(5))
def test_nms_equals_the_loops(seed):
    rng = np.random.default_rng(seed)
    boxes, scores = random_boxes(rng, 80), rng.normal(size=80).round(1)  # with ties
    assert nms(boxes, scores, overlap=0.3).tolist() == loops_nms(boxes, scores, 0.3)


def test_nms_keeps_a_box_at_the_threshold_itself():
    boxes = np.array([[0, 0, 9, 9], [5, 0, 14, 9]], np.float32)  # IoU 1/3
    assert nms(boxes, np.array([1.0, 2.0]), overlap=1 / 3).tolist() == [1, 0]
    assert nms(boxes, np.array([1.0, 2.0]), overlap=0.33).tolist() == [1]


def test_kept_boxes_do_not_overlap_and_cover_the_others():
    rng = np.random.default_rng(3)
    boxes, scores = random_boxes(rng, 100), rng.normal(size=100)
    kept = nms(boxes, scores, overlap=0.3)
    among = iou(boxes[kept], boxes[kept]) - np.eye(len(kept))
    assert among.max() <= 0.3
    assert (iou(boxes, boxes[kept]).max(axis=1) > 0.3).all()
