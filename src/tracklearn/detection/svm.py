"""One linear SVM a class with hard-negative mining, as R-CNN trains them (Girshick et al. 2014, rcnn_train.m)."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, vstack
from threadpoolctl import threadpool_limits

from tracklearn.detection.svm_solver.descent import sparse_rows
from tracklearn.detection.svm_solver.solver import fit
from tracklearn.errors import UserError
from tracklearn.features.windows import ImageWindows, Source
from tracklearn.npz import write_arrays
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.detection import Svm
from tracklearn.voc.annotations import Voc
from tracklearn.voc.boxes import iou
from tracklearn.voc.image_sets import CLASSES

LEAST_OBJECTS = 2  # ASSUME: one object does not define a class; the class has no SVM and its cell states the reason
NORM_IMAGES = NORM_BOXES = 200  # PAPER R-CNN, rcnn_feature_stats.m


def train_svms(
    *,
    voc: str | Path,
    year: int,
    source: Source,
    out: str | Path,
    classes: Sequence[str] = CLASSES,
    svm: Block = None,
    tolerance: float = 1e-4,
    seed: int = 0,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Train the SVMs of all classes in one pass over the features, which are never all in memory.

    Positives of a class are its ground-truth boxes. Its negatives are windows, ground-truth boxes of other classes
    among them, that overlap each of the positives by less than `negative_iou`: those of the first image, then those
    that score above `hard_threshold`. A class is trained after the first image, whenever there are more than
    `retrain_every` new negatives, and at the end; each time, negatives that score below `evict` are dropped.

    Args:
        source: the training images with their ground-truth windows. The features of several models are scaled (see
            `model_scales`) and concatenated.
        out: npz of weights (C, D), biases (C,), scales (models,), classes (C,), positives (C,), train_ids (I,) and
            reasons (C,): why a class has no SVM and NaN for weights, else empty.
        svm: block `detection.svm`.
        tolerance: relative duality gap of each training.
        seed: draws the windows whose mean norm is taken.

    Returns:
        Numbers of trained classes, trainings and positives, and the largest relative duality gap of all trainings; it
        exceeds `tolerance` only where the rounding of the weights to float32 does.

    Raises:
        UserError: an invalid setting, or features that do not belong to the annotations.
    """
    settings = Svm.read(svm)
    photos = Voc(voc, year, classes=classes)
    scales = model_scales(sample_norms(source, seed=seed), settings)
    miners = [Miner(each, settings, tolerance) for each in _positives(photos, source, scales)]
    trained = {label: miner for label, miner in enumerate(miners) if miner.positives >= LEAST_OBJECTS}
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:  # one class a thread is faster than shared products
        for done, windows in enumerate(source.windows(scales=scales), 1):
            _mine(windows, photos, trained, settings.negative_iou)
            list(pool.map(lambda miner, last: miner.train(last=last), trained.values(), repeat(done == len(source))))
            report(done, {"negatives": sum(miner.examples.shape[0] - miner.positives for miner in trained.values())})
    reasons = [_reason(name, miner) for name, miner in zip(classes, miners, strict=True)]
    weights, biases = _detectors(miners, reasons)
    counts = [miner.positives for miner in miners]
    write_arrays(
        out,
        weights=weights,
        biases=biases,
        scales=scales,
        classes=list(classes),
        reasons=reasons,
        positives=counts,
        train_ids=source.ids,
    )
    return {
        "classes": reasons.count(""),
        "fits": sum(miner.fits for miner in miners),
        "positives": sum(counts),
        "duality_gap": max(miner.gap for miner in miners),
    }


@dataclass
class Miner:
    """Detector of one class with its cache of hard negatives. Zeros are not stored: ReLU leaves few other values."""

    examples: csr_array  # (P + N, D) float32, at first the P positives
    settings: Svm
    tolerance: float = 1e-4  # relative duality gap of each training
    positives: int = field(init=False)
    weights: np.ndarray = field(init=False)  # (D,)
    bias: float = 0.0
    fits: int = 0
    gap: float = 0.0  # the largest of all trainings
    _alpha: np.ndarray = field(init=False)  # (P + N,) multipliers of the examples, from which the next training starts
    _new: list[csr_array] = field(default_factory=list)  # negatives (n, D) since the last training

    def __post_init__(self) -> None:
        # An untrained detector scores 0, above the threshold: every negative of the first image is hard.
        self.positives, width = self.examples.shape
        self.weights, self._alpha = np.zeros(width, np.float32), np.zeros(self.positives)

    def add(self, features: csr_array, scores: np.ndarray) -> None:
        """Keep the hard ones among an image's negatives (n, D) with scores (n,)."""
        hard = scores > self.settings.hard_threshold
        if hard.any():
            self._new.append(features[hard])

    def train(self, *, last: bool) -> None:
        """Train if it is due, and then drop easy negatives."""
        added = sum(each.shape[0] for each in self._new)
        due = last or self.fits == 0 or added > self.settings.retrain_every
        if not due or added + len(self._alpha) == self.positives:
            return
        self.examples = vstack([self.examples, *self._new], format="csr")
        self._new = []
        self.weights, self.bias, gap, alpha = fit(
            self.examples,
            self.positives,
            C=self.settings.C,
            positive_weight=self.settings.positive_weight,
            bias_feature=self.settings.bias,
            tolerance=self.tolerance,
            start=np.append(self._alpha, np.zeros(added)) if self.fits else None,
        )
        self.gap = max(self.gap, gap)
        self.fits += 1
        kept = self.examples @ self.weights + self.bias >= self.settings.evict
        kept[: self.positives] = True
        self.examples, self._alpha = self.examples[kept], alpha[kept]


def model_scales(norms: np.ndarray, settings: Svm) -> np.ndarray:
    """Factors (models,) that give windows whose norms are `norms` (n, models) the mean norm `target_norm`.

    With `norm_of: whole` it is the mean norm of the models' concatenated features, to which each model contributes the
    same mean norm; with `norm_of: model` it is that of each model.
    """
    equal: np.ndarray = settings.target_norm / norms.mean(axis=0)
    if settings.norm_of == "model":
        return equal
    return equal * settings.target_norm / np.linalg.norm(norms * equal, axis=1).mean()


def sample_norms(source: Source, *, seed: int = 0) -> np.ndarray:
    """Norms (n, models) of each model's features in at most 200 images x 200 windows, drawn at random.

    Raises:
        UserError: no windows, or a model whose features are all zero.
    """
    rng = np.random.default_rng([seed, 1])
    chosen = set(rng.permutation(len(source))[:NORM_IMAGES].tolist())
    rows = [
        np.sort(rng.permutation(len(boxes) if image in chosen else 0)[:NORM_BOXES])
        for image, boxes in enumerate(source.boxes)
    ]
    by_image = [
        [np.linalg.norm(model, axis=1) for model in np.split(each.features, np.cumsum(source.widths)[:-1], axis=1)]
        for each in source.windows(rows)
    ]
    norms = np.hstack([np.zeros((len(source.widths), 0)), *by_image]).T
    if len(norms) == 0:
        raise UserError(f"{source.names[0]}: no windows in {len(source)} images; check voc.proposals")
    zero = ~norms.any(axis=0)
    if zero.any():
        raise UserError(
            f"{source.names[int(np.argmax(zero))]}: all features are zero; the network is dead: train it again with a "
            "lower learning rate"
        )
    return norms


def _positives(photos: Voc, source: Source, scales: np.ndarray) -> list[csr_array]:
    """Scaled features (P, D) of each class's ground-truth boxes, difficult ones included."""
    by_class = [[csr_array((0, sum(source.widths)), dtype=np.float32)] for _ in photos.classes]
    objects = source.annotated_objects(photos)
    for windows, each in zip(source.windows(source.annotated(), scales), objects, strict=True):
        rows = sparse_rows(windows.features)
        for label in set(each.labels.tolist()):
            by_class[label].append(rows[each.labels == label])
    return [vstack(each, format="csr") for each in by_class]


def _mine(windows: ImageWindows, photos: Voc, miners: Mapping[int, Miner], negative_iou: float) -> None:
    """Give an image's negatives of every class to the class's miner; `miners` is by label."""
    if not miners:
        return
    objects = photos.objects(windows.image_id)
    scores = windows.features @ np.stack([miner.weights for miner in miners.values()], axis=1)  # (N, classes)
    rows = sparse_rows(windows.features)
    overlaps = iou(windows.boxes, objects.boxes)  # (N, objects)
    for column, (label, miner) in enumerate(miners.items()):
        negative = (overlaps[:, objects.labels == label] < negative_iou).all(axis=1)
        miner.add(rows[negative], scores[negative, column] + miner.bias)


def _reason(name: str, miner: Miner) -> str:
    """Why a class has no SVM; empty where it has one."""
    if miner.positives < LEAST_OBJECTS:
        return f"{miner.positives or 'no'} training object of class {name}; expected at least {LEAST_OBJECTS}"
    return "" if miner.fits else f"no negative window for class {name} in the training images"


def _detectors(miners: Sequence[Miner], reasons: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Weights (C, D) and biases (C,); NaN for a class with a reason."""
    weights = np.stack([miner.weights for miner in miners])
    biases = np.array([miner.bias for miner in miners])
    untrained = np.array([reason != "" for reason in reasons])
    weights[untrained], biases[untrained] = np.nan, np.nan
    return weights, biases
