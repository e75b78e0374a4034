import numpy as np
import pytest
from reference.detection import loops_curve

from tracklearn.detection.curves import curve, thresholds
from tracklearn.detection.detect import Detections
from tracklearn.detection.errors_by_kind import KINDS, Judged


def judged_as(*kinds, scores, objects):
    """Detections of these kinds in one image with this number of objects."""
    count = len(kinds)
    detections = Detections(np.zeros(count, int), np.zeros((count, 4)), np.array(scores, float))
    missed = [(0, index) for index in range(objects - kinds.count("right"))]
    codes = np.array([KINDS.index(kind) for kind in kinds], int)
    return Judged(
        detections, codes, np.zeros(count), np.full(count, -1), np.full(count, -1), np.array([objects]), missed
    )


HAND = judged_as("right", "background", "ignored", "right", "double", scores=[3, 1, 1, -1, -1], objects=4)


def test_hand_case():
    points = curve(HAND)
    assert points.score.tolist() == [3, 1, -1]  # the last two boxes have one score and are taken together
    assert (points.boxes.tolist(), points.found.tolist()) == ([1, 2, 4], [1, 1, 2])
    assert points.precision == pytest.approx([1, 1 / 2, 1 / 2])
    assert points.recall == pytest.approx([1 / 4, 1 / 4, 1 / 2])
    assert points.f1 == pytest.approx([2 / 5, 2 / 6, 4 / 8])
    assert points.best == -1
    assert [points.at(score) for score in (4, 3, 2, -1, -9)] == [-1, 0, 0, 2, 2]


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_loops(seed):
    rng = np.random.default_rng(seed)
    kinds = rng.choice(KINDS, 60).tolist()
    scores = np.sort(rng.integers(-9, 9, 60))[::-1]
    points = curve(judged_as(*kinds, scores=scores, objects=30))
    columns = np.array(loops_curve(scores.tolist(), kinds, 30)).T
    assert np.allclose([points.score, points.precision, points.recall, points.f1], columns)


def test_every_box_finds_what_is_not_missed():
    points = curve(HAND)
    assert points.recall[-1] == 1 - len(HAND.missed) / HAND.positives.sum()


def test_thresholds_are_ordered_and_each_has_its_reason():
    lines = thresholds(curve(HAND))
    assert [(line.reason, line.score) for line in lines] == [
        ("recall 25%", 3), ("the SVM's own", 0), ("best F1", -1), ("recall 50%", -1), ("every box", -1)
    ]  # fmt: skip
    own = lines[1]
    assert (own.boxes, own.found, own.precision, own.recall) == (2, 1, 0.5, 0.25)


def test_without_a_right_box_there_is_no_best_threshold():
    points = curve(judged_as("background", scores=[1], objects=2))
    assert points.best == np.inf
    assert [line.reason for line in thresholds(points)] == ["every box", "the SVM's own"]
    assert thresholds(curve(judged_as(scores=[], objects=2))) == []
