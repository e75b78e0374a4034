import numpy as np
import pytest
from reference.detection import loops_iou

from tracklearn.errors import UserError
from tracklearn.retrieval.labelled import annotated_windows, windows_on_objects
from tracklearn.voc.annotations import Voc


def test_windows_on_objects_are_those_of_loops(devkit):
    photos = Voc(devkit)
    rng = np.random.default_rng(0)
    proposals = {}
    for image in ("train_0", "train_1", "train_2"):
        objects = photos.objects(image).boxes
        proposals[image] = (objects[rng.integers(0, 2, 40)] + rng.integers(-15, 16, (40, 4))).astype(np.float32)
    proposals["train_1"] = proposals["train_1"][:0]
    windows = windows_on_objects(photos, proposals, k=1)
    expected = []
    for image, (image_id, boxes) in enumerate(proposals.items()):
        objects = photos.objects(image_id)
        for row, box in enumerate(boxes):
            overlaps = [loops_iou(box, other) for other in objects.boxes]
            if max(overlaps) > 0.5:
                expected.append((image, row, int(objects.labels[overlaps.index(max(overlaps))])))
    assert 10 < len(expected) < 80
    assert list(zip(windows.images, windows.rows, windows.labels, strict=True)) == expected
    rows = windows.rows_by_image()
    assert len(rows) == 3 and not len(rows[1])
    np.testing.assert_array_equal(windows.boxes[-1], proposals["train_2"][rows[2][-1]])


def test_annotated_windows_are_all_objects_in_their_order(devkit):
    photos = Voc(devkit)
    ids = ["val_0", "val_1"]
    windows = annotated_windows(ids, [photos.objects(image_id) for image_id in ids], of="here")
    assert (windows.images.tolist(), windows.rows.tolist()) == ([0, 0, 1, 1], [0, 1, 0, 1])
    assert [photos.classes[label] for label in windows.labels] == ["cat", "dog"] * 2


def test_too_few_windows_name_their_number(devkit):
    photos = Voc(devkit)
    proposals = {"train_0": photos.objects("train_0").boxes, "train_1": np.zeros((0, 4), np.float32)}
    assert len(windows_on_objects(photos, proposals, k=2)) == 2
    with pytest.raises(
        UserError, match=r"retrieval.k is 3, but only 2 training windows overlap an object by more than"
    ):
        windows_on_objects(photos, proposals, k=3)
