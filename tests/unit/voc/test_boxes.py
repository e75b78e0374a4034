import numpy as np
import pytest
from reference.detection import loops_iou
from worlds.devkit import random_boxes

from tracklearn.voc.boxes import iou


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
