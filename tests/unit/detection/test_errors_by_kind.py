import numpy as np
import pytest
from reference.detection import loops_kinds
from worlds.devkit import random_boxes

from tracklearn.detection.average_precision import average_precisions, match
from tracklearn.detection.detect import Detections
from tracklearn.detection.errors_by_kind import KINDS, WRONG, average_precision, judge
from tracklearn.voc.annotations import Objects

CAT, DOG = 0, 1
BOX = [10, 10, 29, 29]  # 400 pixels
HALF, LESS = [10, 10, 29, 19], [10, 10, 29, 18]  # 200 and 180 of its pixels
TENTH, HARDLY = [10, 10, 29, 11], [10, 10, 28, 11]  # 40 and 38 of its pixels
FAR = [60, 60, 79, 79]


def image_of(*objects):
    """What an image shows: (box, label, difficult) of each object."""
    boxes, labels, difficult = zip(*objects, strict=True) if objects else ((), (), ())
    return Objects(np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64), np.array(difficult, bool))


def detections_of(*found):
    """Detections from (score, image, box)."""
    scores, images, boxes = zip(*found, strict=True)
    return Detections(np.array(images), np.array(boxes, np.float32), np.array(scores, np.float32))


def random_problem(seed, images=8):
    """Detections of cats near objects of both classes and elsewhere; some scores are equal."""
    rng = np.random.default_rng(seed)
    objects = [
        image_of(
            *((box, int(rng.integers(2)), bool(rng.random() < 0.2)) for box in random_boxes(rng, rng.integers(0, 6)))
        )
        for _ in range(images)
    ]
    found = []
    for number, each in enumerate(objects):
        near = np.repeat(each.boxes, 2, axis=0) + rng.integers(-4, 5, (2 * len(each.boxes), 4))
        for box in [*near, *random_boxes(rng, 4)]:
            found.append((rng.integers(-9, 9), number, np.maximum(box, np.r_[box[:2] * 0, box[:2]])))
    return detections_of(*found), objects


def names(judged):
    return [KINDS[kind] for kind in judged.kind]


def test_hand_case_of_every_kind():
    objects = [image_of((BOX, CAT, False), (FAR, DOG, False)), image_of((BOX, CAT, True)), image_of((BOX, CAT, False))]
    found = [BOX, HALF, LESS, TENTH, HARDLY, FAR]
    in_first = [(9 - place, 0, box) for place, box in enumerate(found)]
    judged = judge(detections_of(*in_first, (3, 1, BOX), (2, 1, LESS)), objects, CAT)
    assert names(judged) == [
        "right", "double", "localisation", "localisation", "background", "other class", "ignored", "localisation"
    ]  # fmt: skip
    assert judged.overlap[:4] == pytest.approx([1, 0.5, 0.45, 0.1])
    assert judged.object.tolist() == [0, 0, 0, 0, 0, -1, 0, 0]
    assert judged.other.tolist() == [-1] * 5 + [DOG, -1, -1]
    assert judged.positives.tolist() == [1, 0, 1]
    assert judged.missed == [(2, 0)]
    assert judged.missed_above(9) == [(2, 0)]
    assert judged.missed_above(9.5) == [(0, 0), (2, 0)]


def test_an_object_of_the_class_counts_before_one_of_another_class():
    judged = judge(detections_of((1, 0, BOX)), [image_of((TENTH, CAT, False), (BOX, DOG, False))], CAT)
    assert names(judged) == ["localisation"]


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_loops(seed):
    found, objects = random_problem(seed)
    judged = judge(found, objects, CAT)
    listed = list(zip(found.scores.tolist(), found.image.tolist(), found.boxes.tolist(), strict=True))
    annotated = {n: list(zip(*(values.tolist() for values in each), strict=True)) for n, each in enumerate(objects)}
    assert (names(judged), judged.missed) == loops_kinds(listed, annotated, CAT)


@pytest.mark.parametrize("seed", range(8))
def test_the_kinds_are_a_partition_of_the_false_boxes_of_average_precision(seed):
    found, objects = random_problem(seed)
    judged = judge(found, objects, CAT)
    image, hit = match(found, objects, CAT)
    wrong = sum(judged.of_kind(kind).sum() for kind in WRONG)
    assert wrong == (~hit).sum()
    assert wrong + judged.of_kind("right").sum() + judged.of_kind("ignored").sum() == len(found.scores)
    assert judged.positives.sum() - len(judged.missed) == hit.sum() > 0
    once = np.ones((1, len(objects)), np.int32)
    expected = 100 * average_precisions(image, hit, judged.positives, once)[0][0]
    assert average_precision(judged) == pytest.approx(expected)
    gains = [average_precision(judged, without=kind) - expected for kind in (*WRONG, "missed")]
    assert min(gains) >= -1e-9
    assert max(gains) > 1


def test_mended_errors_raise_average_precision_by_hand():
    # Wrong, right, and one of two objects missed: AP is 1/2 x 1/2.
    objects = [image_of((BOX, CAT, False), (FAR, CAT, False))]
    judged = judge(detections_of((2, 0, LESS), (1, 0, BOX)), objects, CAT)
    assert average_precision(judged) == pytest.approx(25)
    assert average_precision(judged, without="localisation") == pytest.approx(50)
    assert average_precision(judged, without="missed") == pytest.approx(50)
    assert average_precision(judged, without="double") == pytest.approx(25)


def test_no_detections_miss_every_object():
    none = Detections(np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    judged = judge(none, [image_of((BOX, CAT, False)), image_of()], CAT)
    assert (len(judged.kind), judged.missed, average_precision(judged)) == (0, [(0, 0)], 0)
