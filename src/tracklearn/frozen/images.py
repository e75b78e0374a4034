"""Features of whole photos of categories: a linear probe, nearest neighbours, and precision among the nearest."""

from collections.abc import Sequence
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from tracklearn.errors import UserError
from tracklearn.features.whole_images import whole_image_features
from tracklearn.networks.weights import load_weights
from tracklearn.photos import list_image_folder
from tracklearn.report import Report, silent
from tracklearn.retrieval.neighbours import AT_ONCE, NOBODY, nearest_by_cosine, to_unit_length
from tracklearn.scenes.classifiers import best_predictions, neighbour_predictions, softmax_candidates
from tracklearn.scenes.split import stratified
from tracklearn.settings.base import Block
from tracklearn.settings.frozen import Frozen, Knn
from tracklearn.tables.bootstrap import finite_mean, image_draws
from tracklearn.tables.cells import write_figures

TRAINING_STREAM = 1


def image_set_figures(
    *,
    settings: Block,
    column: str,
    weights: Sequence[str | Path],
    cell: str | Path,
    replicates: str | Path,
    precision: str = "fp32",
    threads: int = 1,
    runs: Any = (),
    report: Report = silent,
) -> dict[str, float]:
    """Evaluate a network's features on a set of photos, and write the cell.

    The figures, in percent:

    - `linear`: accuracy of a linear softmax, as a mean over categories; in every draw, `train_images` photos of each
      category train and all others are tested. Its C is chosen on training photos alone.
    - `knn`: accuracy of the vote of the nearest training photos, on the same draws.
    - `precision`: the share of a photo's category among the k other photos nearest to it, as a mean over photos.

    Each figure is computed again in each draw of the photos (a bootstrap), with the trained classifiers and the nearest
    photos as they are: a photo that is drawn twice is tested twice, in every draw of training photos in which it is
    tested. The draws depend on the number of photos alone, so that the figures of all networks are paired.

    Args:
        settings: settings of `settings.frozen.Frozen`.
        column: entry of `sets`.
        weights: file of the network; of an ensemble, files of its networks, whose features, each scaled to unit length,
            stand side by side.
        cell, replicates: the files to write, as in `tables.cells.write_figures`.
        precision, threads: as in `whole_image_features`.
        runs: ids of the runs that made the weights, written to the cell.

    Returns:
        The figures.

    Raises:
        UserError: as `photos_of` and `whole_image_features`, or there are too few photos; nothing is written.
    """
    frozen = Frozen.read(settings)
    classes, files, labels = photos_of(frozen, column)
    if len(files) <= frozen.precision.k:
        raise UserError(f"frozen.precision.k is {frozen.precision.k}, but {column} has {len(files)} photos; lower k")
    if frozen.knn.k > (voters := frozen.train_images * len(classes)):
        raise UserError(f"frozen.knn.k is {frozen.knn.k}, but {column} has {voters} training photos; lower k")
    described = partial(whole_image_features, layer=frozen.layer, precision=precision, threads=threads, report=report)
    by_net = [described(files, weights=path) for path in weights]
    features = by_net[0] if len(by_net) == 1 else np.hstack([*map(to_unit_length, by_net)])
    training = [training_photos(labels, frozen.train_images, seed=frozen.seed, draw=i) for i in range(frozen.draws)]
    probed, chosen = [], []
    for done, own in enumerate(training):
        correct, name = _probe(features, labels, own, frozen)
        probed.append(correct)
        chosen.append(name)
        report(done + 1, {"draws": done + 1.0})
    voted = [_vote(features, labels, own, frozen.knn) for own in training]
    same = precision_of_nearest(features, labels, frozen.precision.k)
    drawn = np.vstack([np.ones(len(labels), np.int64), image_draws(len(labels), frozen.bootstrap)])  # (1 + B, N)
    figures = {
        "linear": accuracy(probed, training, labels, drawn),
        "knn": accuracy(voted, training, labels, drawn),
        "precision": 100 * (drawn @ same) / len(labels),
    }
    values = {name: float(figure[0]) for name, figure in figures.items()}
    write_figures(
        cell,
        replicates,
        values=values,
        draws={name: figure[1:] for name, figure in figures.items()},
        features=frozen.layer,
        folder=frozen.sets[column].folder,
        half=frozen.sets[column].half,
        images=len(labels),
        classes=len(classes),
        train_images=frozen.train_images,
        training_draws=frozen.draws,
        chosen=chosen,
        knn_k=frozen.knn.k,
        precision_k=frozen.precision.k,
        chance={"linear": 100 / len(classes), "knn": 100 / len(classes), "precision": precision_by_chance(labels)},
        learned_pairs=[load_weights(path, tensors=False)[1].get("pairs") for path in weights],
        runs=runs,
    )
    return values


def photos_of(frozen: Frozen, column: str) -> tuple[list[str], list[Path], np.ndarray]:
    """The categories, the N photos of a set, or of the half of it that is evaluated, and their labels (N,).

    Raises:
        UserError: no such folder, a category without photos, or too few photos of a category to train and to test.
    """
    chosen = frozen.sets[column]
    where = f"frozen.sets.{column}.folder"
    classes, files, labels = list_image_folder(chosen.folder, remedy=f"point {where} at one folder a category")
    if chosen.half != "all":
        own = stratified(labels, 0.5, seed=frozen.seed) == (chosen.half == "choose")
        files, labels = list(compress(files, own)), labels[own]
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() <= frozen.train_images:
        raise UserError(
            f"{where}: {Path(chosen.folder) / classes[counts.argmin()]} has {counts.min()} photos (half: "
            f"{chosen.half}), but frozen.train_images is {frozen.train_images}; expected more photos than that in each "
            "category: lower frozen.train_images, or add photos"
        )
    return classes, files, labels


def training_photos(labels: np.ndarray, count: int, *, seed: int, draw: int) -> np.ndarray:
    """Which photos train in a draw, `count` of each category: (N,) bool."""
    trains = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rng = np.random.default_rng([TRAINING_STREAM, seed, draw, label])
        trains[rng.permutation(np.flatnonzero(labels == label))[:count]] = True
    return trains


def _probe(features: np.ndarray, labels: np.ndarray, trains: np.ndarray, frozen: Frozen) -> tuple[np.ndarray, str]:
    """Whether each photo that does not train is recognised by the linear probe (N,) bool, and the probe's name."""
    predicted, chosen, _ = best_predictions(
        softmax_candidates(frozen.linear, width=features.shape[1]),
        features[trains],
        labels[trains],
        features[~trains],
        held_out=stratified(labels[trains], frozen.linear.held_out, seed=frozen.seed),
    )
    return _correct(predicted, labels, trains), chosen


def _vote(features: np.ndarray, labels: np.ndarray, trains: np.ndarray, knn: Knn) -> np.ndarray:
    """Whether each photo that does not train is recognised by the vote of the nearest: (N,) bool."""
    predicted = neighbour_predictions(
        features[trains],
        labels[trains],
        features[~trains],
        k=knn.k,
        temperature=knn.temperature,
        classes=labels.max() + 1,
    )
    return _correct(predicted, labels, trains)


def _correct(predicted: np.ndarray, labels: np.ndarray, trains: np.ndarray) -> np.ndarray:
    correct = np.zeros(len(labels), bool)
    correct[~trains] = predicted == labels[~trains]
    return correct


def accuracy(
    correct: Sequence[np.ndarray], training: Sequence[np.ndarray], labels: np.ndarray, drawn: np.ndarray
) -> np.ndarray:
    """Accuracy in percent as a mean over categories and over draws of the training photos, for each weighting: (B,).

    Args:
        correct: (N,) bool of each draw of the training photos.
        training: (N,) bool of each, the photos that are not tested.
        labels: (N,) categories.
        drawn: (B, N), how often each photo counts; a category without a tested photo does not count.
    """
    of_class = np.eye(labels.max() + 1)[labels]  # (N, C)
    by_draw = []
    for right, trains in zip(correct, training, strict=True):
        tested = of_class * ~trains[:, None]
        with np.errstate(invalid="ignore"):
            by_draw.append(finite_mean(100 * (drawn @ (tested * right[:, None])) / (drawn @ tested)))
    return np.mean(by_draw, axis=0)


def precision_of_nearest(features: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Share of a photo's category among the k other photos nearest to it by cosine: (N,).

    A photo whose features, a row of (N, D), are all 0 has no nearest photos and a precision of 0.
    """
    scaled = to_unit_length(features.copy())
    blocks = (scaled[start : start + AT_ONCE] for start in range(0, len(scaled), AT_ONCE))
    nearest, _ = nearest_by_cosine(scaled, blocks, k=k + 1)
    others = nearest != np.arange(len(labels))[:, None]
    others[others.all(axis=1), k] = False  # a photo that has more than k doubles may not be among its nearest
    nearest = nearest[others].reshape(len(labels), k)
    same: np.ndarray = ((nearest != NOBODY) & (labels[nearest] == labels[:, None])).mean(axis=1)
    return same


def precision_by_chance(labels: np.ndarray) -> float:
    """The expected precision in percent of photos at random, as a mean over photos."""
    counts = np.bincount(labels)
    return float(100 * (counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))
