import numpy as np
from PIL import Image

from tracklearn.scenes.confusion import confusion_matrix, draw_confusion

DARKEST = (8, 48, 107)  # of matplotlib's Blues


def test_shares_by_hand():
    labels, predicted = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 2, 0])
    assert confusion_matrix(labels, predicted, 3).tolist() == [[0.75, 0, 0.25], [1, 0, 0], [0, 0, 0]]


def test_a_cell_is_as_dark_as_its_share(tmp_path):
    labels = np.arange(20)
    predicted = np.where(labels == 3, 7, labels)  # 3 is taken for 7
    draw_confusion(tmp_path / "a.png", labels, predicted, classes=[f"category {label}" for label in labels])
    dark = (np.asarray(Image.open(tmp_path / "a.png").convert("RGB")) == DARKEST).all(axis=2)
    columns = np.flatnonzero(dark.any(axis=0))
    bar = columns[np.flatnonzero(np.diff(columns) > 1)[-1] + 1 :]  # the colour bar is the last of what is dark
    assert len(bar)
    dark[:, bar] = False
    # The first and the last category are right, so the matrix ends where the dark cells end.
    middles = [np.linspace(there.min(), there.max() + 1, 41)[1::2].astype(int) for there in np.nonzero(dark)]
    assert (dark[np.ix_(*middles)] == confusion_matrix(labels, predicted, 20)).all()
