import numpy as np

from tracklearn.voc.annotations import Objects
from tracklearn.voc.window_labels import OFF_OBJECTS, window_labels


def test_a_window_shows_the_object_that_it_overlaps_most():
    objects = Objects(np.array([[0, 0, 9, 9], [0, 0, 9, 19]], np.float32), np.array([1, 0]), np.array([False, False]))
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 18], [0, 0, 9, 4], [50, 50, 60, 60]], np.float32)
    assert window_labels(boxes, objects).tolist() == [1, 0, OFF_OBJECTS, OFF_OBJECTS]  # IoU 1, 0.95, exactly 0.5, 0
    assert window_labels(boxes, objects, overlap=0.4).tolist() == [1, 0, 1, OFF_OBJECTS]
    none = Objects(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, bool))
    assert window_labels(boxes, none).tolist() == [OFF_OBJECTS] * 4
    assert window_labels(boxes[:0], objects).tolist() == []
