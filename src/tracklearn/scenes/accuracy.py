"""How often the category of a photo is predicted: over photos and over categories, with intervals (PAPER §6.1)."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, Unpack

import numpy as np
from sklearn.base import ClassifierMixin

from tracklearn.report import Report
from tracklearn.scenes.classifiers import best_predictions, neighbour_predictions
from tracklearn.scenes.confusion import draw_confusion
from tracklearn.scenes.split import ScenePhotos, split_photos, stratified
from tracklearn.settings.scenes import Scenes
from tracklearn.tables.bootstrap import finite_mean, image_draws
from tracklearn.tables.cells import write_figures


class Outputs(TypedDict):
    """What is written of a system, and where.

    Attributes:
        cell, replicates: files, as in `tables.cells.write_figures`.
        confusion: picture of which categories are taken for which.
        runs: ids of the runs that made the inputs, written to the cell.
    """

    cell: str | Path
    replicates: str | Path
    confusion: str | Path
    runs: NotRequired[Any]


def classified(
    scenes: Scenes,
    describe: Callable[[Sequence[Path]], np.ndarray],
    candidates: Callable[..., Mapping[str, ClassifierMixin]],
    *,
    described_by: str,
    report: Report,
    **outputs: Unpack[Outputs],
) -> dict[str, float]:
    """Describe the photos, classify them by the best candidate and by the nearest photos, and write the cell.

    Args:
        describe: features (N, D) of photos.
        candidates: untrained classifiers by name, given the number of features as `width`.
        described_by: name of the features, written to the cell.
        outputs: see `Outputs`; the picture shows the best candidate's predictions.

    Returns:
        The figures in percent.

    Raises:
        UserError: as `split_photos`, `describe` and `best_predictions`; nothing is written.
    """
    photos = split_photos(scenes)
    features = describe([*photos.train, *photos.test])
    train, test = np.split(features, [len(photos.train)])
    held_out = stratified(photos.train_labels, scenes.held_out, seed=scenes.seed)
    predicted, chosen, held_out_accuracy = best_predictions(
        candidates(width=features.shape[1]),
        train,
        photos.train_labels,
        test,
        held_out=held_out,
        report=report,
    )
    voted = neighbour_predictions(
        train,
        photos.train_labels,
        test,
        k=scenes.neighbours.k,
        temperature=scenes.neighbours.temperature,
        classes=len(photos.classes),
    )
    correct = {"": predicted == photos.test_labels, "knn_": voted == photos.test_labels}
    values, draws = figures(correct, photos.test_labels, classes=len(photos.classes), draws=scenes.bootstrap)
    draw_confusion(outputs["confusion"], photos.test_labels, predicted, classes=photos.classes)
    write_figures(
        outputs["cell"],
        outputs["replicates"],
        values=values,
        draws=draws,
        features=described_by,
        runs=outputs.get("runs", ()),
        chosen=chosen,
        held_out_accuracy=held_out_accuracy,
        k=scenes.neighbours.k,
        train_images=len(photos.train),
        images=len(photos.test),
        classes=by_class(photos, correct),
    )
    return values


def figures(
    correct: dict[str, np.ndarray], labels: np.ndarray, *, classes: int, draws: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Accuracy over images and over classes of some classifiers, and both in each draw of the images.

    A class without an image, or without one in a draw, does not count in the mean over classes.

    Args:
        correct: (M,) bool of each classifier, by the prefix of its figures.
        labels: (M,) classes of the images.
        classes: number of classes C.
        draws: number of draws B.

    Returns:
        The figures in percent, and their replicates (B,), by name: for each prefix `accuracy` and
        `accuracy_class_mean`.
    """
    of_class = np.eye(classes)[labels]  # (M, C)
    drawn = np.vstack([np.ones(len(labels), np.int64), image_draws(len(labels), draws)])  # all images, then the draws
    values, replicates = {}, {}
    for prefix, right in correct.items():
        with np.errstate(invalid="ignore"):
            by_class_and_draw = 100 * (drawn @ (of_class * right[:, None])) / (drawn @ of_class)  # (1 + B, C)
        for name, figure in (
            (f"{prefix}accuracy", 100 * (drawn @ right) / len(labels)),
            (f"{prefix}accuracy_class_mean", finite_mean(by_class_and_draw)),
        ):
            values[name], replicates[name] = float(figure[0]), figure[1:]
    return values, replicates


def by_class(photos: ScenePhotos, correct: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Numbers of photos and accuracies in percent of every category; None where no photo of it is tested."""
    found = {}
    for label, name in enumerate(photos.classes):
        own = photos.test_labels == label
        found[name] = {
            "train_images": int((photos.train_labels == label).sum()),
            "images": int(own.sum()),
            **{
                f"{prefix}accuracy": float(100 * right[own].mean()) if own.any() else None
                for prefix, right in correct.items()
            },
            "reason": None if own.any() else "no test photo of this category",
        }
    return found
