"""A picture of which categories are taken for which."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tracklearn.files import atomic

ROOM = 2.5  # inches for names and margins
CELL = 0.17  # inches of a category
BAR = 0.8  # inches of the colour bar


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Shares (C, C) of each class's images (rows) that were predicted as each class (columns); rows sum to 1.

    The row of a class without images is 0.
    """
    counts = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def draw_confusion(path: str | Path, labels: np.ndarray, predicted: np.ndarray, *, classes: Sequence[str]) -> None:
    """Write the confusion matrix of predicted labels (M,) as a picture."""
    side = ROOM + CELL * len(classes)
    figure = Figure(figsize=(side + BAR, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(confusion_matrix(labels, predicted, len(classes)), cmap="Blues", vmin=0, vmax=1)
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=90, fontsize=7)
    axes.set_yticks(places, classes, fontsize=7)
    axes.set_xlabel("predicted category")
    axes.set_ylabel("category")
    figure.colorbar(image, label="share of the category", shrink=0.6)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=150)
