"""Nearest windows by the cosine of their features."""

from collections.abc import Iterator

import h5py
import numpy as np

from tracklearn.features.store import Part
from tracklearn.report import Report, silent

# Windows that are compared at once: a block of pool5 takes 75 MB in single precision. BLOCK is not only a limit of
# memory: products of few rows are rounded differently, so another value can change the last digit of a cosine.
BLOCK = 2048


def nearest_labels(
    queries: np.ndarray,
    blocks: Iterator[tuple[np.ndarray, np.ndarray]],
    *,
    k: int,
    classes: int,
    report: Report = silent,
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the `k` windows nearest to each query, and how many windows each class has.

    Args:
        queries: (Q, D) float32 of length 1.
        blocks: features (n, D) of length 1 and labels (n,) of the database's windows, block by block.
        classes: number of classes C.

    Returns:
        Labels (Q, k) in no particular order, -1 where the database has fewer windows, and numbers of windows (C,).
    """
    best = np.full((len(queries), k), -np.inf, np.float32)
    labels = np.full((len(queries), k), -1)
    windows_of_class = np.zeros(classes, np.int64)
    for features, block_labels in blocks:
        windows_of_class += np.bincount(block_labels, minlength=classes)
        for start in range(0, len(queries), BLOCK):
            rows = slice(start, start + BLOCK)
            cosines = np.hstack([best[rows], queries[rows] @ features.T])  # (q, k + n)
            candidates = np.hstack([labels[rows], np.broadcast_to(block_labels, (len(cosines), len(block_labels)))])
            kept = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
            best[rows] = np.take_along_axis(cosines, kept, axis=1)
            labels[rows] = np.take_along_axis(candidates, kept, axis=1)
        compared = int(windows_of_class.sum())
        report(compared, {"windows_compared": float(compared)})
    return labels, windows_of_class


def unit_features(part: Part, rows: np.ndarray) -> np.ndarray:
    """Features (n, D) float32 of single windows, scaled to length 1; features that are all 0 stay 0.

    The file is read through a memory map, since HDF5 reads scattered rows slowly: one window in a hundred shows an
    object.
    """
    data: h5py.Dataset = part.files[0]["features"]
    if not len(rows):
        return np.zeros((0, data.shape[1]), np.float32)
    mapped = np.memmap(part.files[0].filename, data.dtype, "r", data.id.get_offset(), data.shape)
    features = mapped[rows].astype(np.float32)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)
