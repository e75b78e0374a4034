"""Exemplar LDA on HOG: the paper's baseline of retrieval (Hariharan, Malik and Ramanan, ECCV 2012)."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.machine.devices import own_device
from tracklearn.machine.threads import one_opencv_thread
from tracklearn.report import Report, silent
from tracklearn.retrieval.labelled import LabelledWindows, queries_and_database
from tracklearn.retrieval.neighbours import Nearest
from tracklearn.retrieval.outcome import Outputs, write_outcome
from tracklearn.retrieval.statistics import Statistics, read_statistics
from tracklearn.retrieval.templates import Shape, describe, nearest_shapes, template_shapes
from tracklearn.settings.base import Block
from tracklearn.settings.retrieval import Elda
from tracklearn.voc.annotations import Voc
from tracklearn.voc.image_sets import CLASSES
from tracklearn.voc.proposals_file import read_proposals
from tracklearn.voc.window_labels import OVERLAP

AT_ONCE = 1024  # windows that are scored at once: their HOG takes 18 MB in single precision for each shape
MOST_RIDGE = 1.0  # no variance of HOG is above 0.1, so a ridge of 1 hides any covariance


def elda_precision(
    *,
    voc: str | Path,
    year: int,
    image_set: str,
    proposals: Sequence[str | Path],
    statistics: str | Path,
    k: int,
    elda: Block = None,
    classes: Sequence[str] = CLASSES,
    overlap: float = OVERLAP,
    threads: int = 1,
    report: Report = silent,
    **outputs: Unpack[Outputs],
) -> dict[str, float]:
    """Find the `k` database windows that each query's detector scores highest, and count those of the query's class.

    Queries and database are those of `precision_at_k`.

    Args:
        image_set: the evaluation images.
        proposals: files of `propose` for the training images.
        statistics: file of `statistics.hog_statistics`.
        elda: block `settings.retrieval.Elda`.
        outputs: see `outcome.Outputs`.

    Returns:
        The figures, the numbers of queries and windows, and the largest ridge in use.

    Raises:
        UserError: no query, fewer than `k` windows, an image in both sets, or an unreadable photo.
    """
    settings = Elda.read(elda)
    photos = Voc(voc, year, classes=classes)
    ids, boxes = photos.images(image_set), read_proposals(proposals)
    objects = [photos.objects(image_id) for image_id in ids]
    queries, database = queries_and_database(photos, ids, objects, boxes, k=k, overlap=overlap)
    neighbours, scores, ridge = rank(
        photos,
        queries,
        database,
        read_statistics(statistics),
        shapes=template_shapes(settings.cells, settings.shapes),
        ridge=settings.ridge,
        k=k,
        threads=threads,
        report=report,
    )
    used = {"ridge": ridge}
    return write_outcome(queries, database, neighbours, scores, classes=classes, shared=used, **outputs) | used


def rank(
    photos: Voc,
    queries: LabelledWindows,
    database: LabelledWindows,
    statistics: Statistics,
    *,
    shapes: Sequence[Shape],
    ridge: float,
    k: int,
    threads: int = 1,
    report: Report = silent,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Indices (Q, k) of the windows that each query's detector scores highest, their scores, and the largest ridge.

    All queries of a shape are scored at once, by one matrix product with the HOG of a block of windows that were warped
    to this shape.
    """
    device = own_device()
    nearest = Nearest(len(queries), k, device)
    chosen = nearest_shapes(queries.boxes, shapes)
    used = np.unique(chosen)
    with ThreadPoolExecutor(threads) as pool, one_opencv_thread():
        features = describe(photos, queries, shapes, pool, chosen=chosen)
        detectors, ridges = [], []
        for index in used:
            # Features are let go as soon as they are used: at the paper's size they take 280 MB, as the detectors do.
            own, features[index] = features[index], features[index][:0]
            found, needed = train(own, statistics, shapes[index], ridge=ridge, device=device)
            detectors.append((torch.from_numpy(np.flatnonzero(chosen == index)).to(device), *found))
            ridges.append(needed)
        done = 0
        for block in _blocks(database):
            hogs = describe(photos, block, [shapes[index] for index in used], pool)
            for (rows, weights, biases), hog in zip(detectors, hogs, strict=True):
                scores = torch.addmm(biases[:, None], weights, torch.from_numpy(hog).to(device).T)
                nearest.meet(rows, scores, done)
            done += len(block)
            report(done, {"windows_compared": float(done)})
    return *nearest.ranked(), max(ridges)


def train(
    features: np.ndarray, statistics: Statistics, shape: Shape, *, ridge: float, device: torch.device
) -> tuple[tuple[Tensor, Tensor], float]:
    """The detectors of queries of one shape: w = (S + ridge I)^-1 (x - mu0) and b = -w (x + mu0) / 2.

    With this bias, w h + b is the log-likelihood ratio of two normal distributions of covariance S + ridge I, whose
    means are the query and mu0. S is an estimate of few photos if there are few, and may then not be positive definite;
    the ridge grows tenfold until S + ridge I is.

    Args:
        features: x (q, D).

    Returns:
        Weights (q, D) and biases (q,) float32 on the device, and the ridge.

    Raises:
        UserError: no ridge helps.
    """
    covariance = torch.from_numpy(statistics.of_template(shape)).to(device, torch.float64)
    mean = torch.from_numpy(np.repeat(statistics.mean, shape.cells)).to(device, torch.float64)
    x = torch.from_numpy(features).to(device, torch.float64)
    diagonal = covariance.diagonal().clone()
    while True:
        covariance.diagonal().copy_(diagonal + ridge)
        factor, failed = torch.linalg.cholesky_ex(covariance)
        if not failed:
            break
        if (ridge := 10 * ridge) > MOST_RIDGE:
            raise UserError(
                f"ELDA: the covariance of HOG in a template of {shape.rows} x {shape.columns} cells is not positive "
                "definite; its statistics need more training photos"
            )
    weights = torch.cholesky_solve((x - mean).T, factor).T
    biases = -(weights * (x + mean)).sum(dim=1) / 2
    return (weights.float(), biases.float()), ridge


def _blocks(windows: LabelledWindows) -> Iterator[LabelledWindows]:
    """`AT_ONCE` windows at a time."""
    for start in range(0, len(windows), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        yield LabelledWindows(windows.ids, *(part[some] for part in windows[1:]))
