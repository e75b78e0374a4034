"""One linear SVM a class with hard-negative mining, as R-CNN trains them (Girshick et al. 2014, rcnn_train.m)."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from tracklearn.detection.svm_solver.solver import Fit, fit
from tracklearn.errors import UserError
from tracklearn.features.store import Windows, all_windows, image_ids, opened, parts, widths
from tracklearn.files import atomic
from tracklearn.report import Report, silent
from tracklearn.voc.annotations import Voc
from tracklearn.voc.boxes import iou
from tracklearn.voc.image_sets import CLASSES

LEAST_OBJECTS = 2  # ASSUME: one object is an instance, not a class; its cell stays empty and says so
NORM_IMAGES = NORM_BOXES = 200  # PAPER R-CNN, rcnn_feature_stats.m


def train_svms(
    *,
    voc: str | Path,
    year: int,
    features: Sequence[str | Path],
    models: int,
    out: str | Path,
    classes: Sequence[str] = CLASSES,
    C: float = 1e-3,
    positive_weight: float = 2,
    bias: float = 10,
    target_norm: float = 20,
    hard_threshold: float = -1.0001,
    evict: float = -1.2,
    retrain_every: int = 2000,
    negative_iou: float = 0.3,
    tolerance: float = 1e-4,
    seed: int = 0,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Train a row's SVMs for all classes in one pass over its features, which are never all in memory.

    Positives are the ground-truth boxes of the class, negatives the proposals that overlap none of them by
    `negative_iou`: those of the first image, then those that score above `hard_threshold`. A class is trained after
    the first image, whenever more than `retrain_every` new negatives have come, and at the end; negatives below
    `evict` are then dropped.

    Returns the largest relative duality gap of all trainings among its metrics: `tolerance` unless the rounding of
    the weights to float32 prevents it.

    Args:
        features: files of `extract_features`, model after model, each in the order of its parts. The features of an
            ensemble stand side by side, each model's scaled to its own mean norm.
        out: npz of weights (C, D), biases (C,), scales (models,), classes (C,), reasons (C,): why a class has no SVM
            (its weights are NaN then), else empty.
        tolerance: relative duality gap of each training.

    Raises:
        UserError: features and annotations do not belong together.
    """
    photos = Voc(voc, year, classes=classes)
    scales: np.ndarray = target_norm / mean_norms(features, models, seed=seed)
    positives = _positives(photos, features, models, scales)
    solver = partial(fit, C=C, positive_weight=positive_weight, bias=bias, tolerance=tolerance)
    miners = [Miner(each, hard_threshold, evict, retrain_every, solver) for each in positives]
    trained = [label for label, miner in enumerate(miners) if len(miner.positives) >= LEAST_OBJECTS]
    ids = image_ids(features, models)
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:  # a class a thread beats shared products
        for done, windows in enumerate(all_windows(features, models, scales), 1):
            _mine(windows, photos, [(label, miners[label]) for label in trained], negative_iou)
            list(pool.map(lambda label, last: miners[label].train(last=last), trained, repeat(done == len(ids))))
            report(done, {"negatives": sum(len(miners[label].negatives) for label in trained)})
    reasons = [_reason(name, miner) for name, miner in zip(classes, miners, strict=True)]
    weights, biases = _detectors(miners, reasons)
    counts = [len(miner.positives) for miner in miners]
    with atomic(out) as path:
        np.savez(
            path,
            weights=weights,
            biases=biases,
            scales=scales,
            classes=list(classes),
            reasons=reasons,
            positives=counts,
            train_ids=ids,
        )
    return {
        "classes": reasons.count(""),
        "fits": sum(miner.fits for miner in miners),
        "positives": sum(counts),
        "duality_gap": max(miner.gap for miner in miners),
    }


@dataclass
class Miner:
    """Detector of one class with its cache of hard negatives."""

    positives: np.ndarray  # (P, D)
    hard_threshold: float
    evict: float
    retrain_every: int
    fit: Callable[..., Fit]
    weights: np.ndarray = field(init=False)  # (D,)
    bias: float = 0.0
    negatives: np.ndarray = field(init=False)  # (N, D)
    fits: int = 0
    gap: float = 0.0  # the largest of its fits
    _new: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        # An untrained detector scores 0, above the threshold: every negative of the first image is hard.
        self.weights = np.zeros(self.positives.shape[1], np.float32)
        self.negatives = np.zeros((0, self.positives.shape[1]), np.float32)

    def add(self, features: np.ndarray, scores: np.ndarray) -> None:
        """Keep the hard ones among an image's negatives (n, D)."""
        hard = scores > self.hard_threshold
        if hard.any():
            self._new.append(features[hard])

    def train(self, *, last: bool) -> None:
        """Fit when it is due, then drop easy negatives."""
        added = sum(map(len, self._new))
        due = last or self.fits == 0 or added > self.retrain_every
        if not due or added + len(self.negatives) == 0:
            return
        self.negatives = np.concatenate([self.negatives, *self._new])
        self._new = []
        found = self.fit(self.positives, self.negatives, start=(self.weights, self.bias))
        self.weights, self.bias = found.weights, found.bias
        self.gap = max(self.gap, found.gap)
        self.fits += 1
        self.negatives = self.negatives[self.negatives @ self.weights + self.bias >= self.evict]


def mean_norms(features: Sequence[str | Path], models: int, *, seed: int = 0) -> np.ndarray:
    """Mean Euclidean norm of each model's features (models,), over at most 200 images x 200 windows, drawn at random.

    Raises:
        UserError: no windows, or a model whose features are all zero.
    """
    rng = np.random.default_rng([seed, 1])
    total = len(image_ids(features, models))
    chosen = set(rng.permutation(total)[:NORM_IMAGES].tolist())
    norms: list[np.ndarray] = []
    first = 0
    for part in opened(features, models):
        for image in range(len(part.ids)):
            if first + image in chosen:
                norms.append(_norms(part.windows(image, np.ones(models)).features, part.widths, rng))
        first += len(part.ids)
    stacked = np.concatenate([np.zeros((0, models)), *norms])
    if len(stacked) == 0:
        raise UserError(f"{features[0]}: no windows in {total} images; check detection.proposals")
    means = stacked.mean(axis=0)
    if not (means > 0).all():
        dead = parts(features, models)[0][int(np.argmin(means))]
        raise UserError(
            f"{dead}: all features are zero; the network is dead: train it again with a lower learning rate"
        )
    return means


def _norms(features: np.ndarray, widths: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    sample = features[rng.permutation(len(features))[:NORM_BOXES]]
    models = np.split(sample, np.cumsum(widths)[:-1], axis=1)
    return np.stack([np.linalg.norm(each, axis=1) for each in models], axis=1)


def _positives(photos: Voc, features: Sequence[str | Path], models: int, scales: np.ndarray) -> list[np.ndarray]:
    """Scaled features of each class's ground-truth boxes, difficult ones included: (P, D) a class."""
    found: list[list[np.ndarray]] = [[] for _ in photos.classes]
    for part in opened(features, models):
        for image, image_id in enumerate(part.ids):
            labels = photos.objects(image_id).labels
            rows = part.rows(image)
            if part.is_gt[rows].sum() != len(labels):
                raise UserError(
                    f"{features[0]}: image {image_id} has {int(part.is_gt[rows].sum())} ground-truth windows, but "
                    f"{len(labels)} annotated objects; extract the features again"
                )
            windows = part.windows(image, scales, slice(rows.start, rows.start + len(labels)))
            for label, positive in zip(labels, windows.features, strict=True):
                found[label].append(positive)
    size = widths(parts(features, models)[0])
    return [np.array(each, np.float32).reshape(-1, size) for each in found]


def _mine(windows: Windows, photos: Voc, miners: Sequence[tuple[int, Miner]], negative_iou: float) -> None:
    """Offer one image's proposals to every class."""
    if not miners:
        return
    objects = photos.objects(windows.image_id)
    features, boxes = windows.features[~windows.is_gt], windows.boxes[~windows.is_gt]
    scores = features @ np.stack([miner.weights for _, miner in miners], axis=1)  # (N, classes)
    overlaps = iou(boxes, objects.boxes)  # (N, objects)
    for column, (label, miner) in enumerate(miners):
        negative = (overlaps[:, objects.labels == label] < negative_iou).all(axis=1)
        miner.add(features[negative], scores[negative, column] + miner.bias)


def _reason(name: str, miner: Miner) -> str:
    if len(miner.positives) < LEAST_OBJECTS:
        return f"{len(miner.positives) or 'no'} training object of class {name}; expected at least {LEAST_OBJECTS}"
    return "" if miner.fits else f"no negative window for class {name} in the training images"


def _detectors(miners: Sequence[Miner], reasons: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Weights (C, D) and biases (C,); NaN where there is a reason for none."""
    weights = np.stack([miner.weights for miner in miners])
    biases = np.array([miner.bias for miner in miners])
    untrained = np.array([reason != "" for reason in reasons])
    weights[untrained], biases[untrained] = np.nan, np.nan
    return weights, biases
