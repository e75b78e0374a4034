import numpy as np
from PIL import Image

from tracklearn.scenes.confusion import confusion_matrix, draw_confusion


def test_shares_by_hand():
    labels, predicted = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 2, 0])
    assert confusion_matrix(labels, predicted, 3).tolist() == [[0.75, 0, 0.25], [1, 0, 0], [0, 0, 0]]


def test_right_predictions_are_dark_on_the_diagonal(tmp_path):
    labels = np.arange(20)
    draw_confusion(tmp_path / "right.png", labels, labels, classes=[f"category {label}" for label in labels])
    right = np.asarray(Image.open(tmp_path / "right.png").convert("L")).astype(int)
    draw_confusion(tmp_path / "wrong.png", labels, labels[::-1], classes=[f"category {label}" for label in labels])
    wrong = np.asarray(Image.open(tmp_path / "wrong.png").convert("L")).astype(int)
    assert right.shape == wrong.shape
    assert np.abs(right - wrong).max() > 100
