"""Nearest windows by the cosine of their features."""

from collections.abc import Iterator

import numpy as np

from tracklearn.report import Report, silent

# Windows that are compared at once: their pool5 takes 75 MB in single precision. This is not only a limit of memory.
# A matrix product with few rows rounds differently, so another value can change the last digit of a cosine.
AT_ONCE = 2048


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
        Labels (Q, k) in no particular order, -1 in the places that are left if the database has fewer than `k` windows,
        and numbers of windows (C,).
    """
    nearest_cosines = np.full((len(queries), k), -np.inf, np.float32)
    labels = np.full((len(queries), k), -1)
    windows_of_class = np.zeros(classes, np.int64)
    for features, block_labels in blocks:
        windows_of_class += np.bincount(block_labels, minlength=classes)
        for start in range(0, len(queries), AT_ONCE):
            query_slice = slice(start, start + AT_ONCE)
            cosines = np.hstack([nearest_cosines[query_slice], queries[query_slice] @ features.T])  # (q, k + n)
            candidate_labels = np.hstack(
                [labels[query_slice], np.broadcast_to(block_labels, (len(cosines), len(block_labels)))]
            )
            kept = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
            nearest_cosines[query_slice] = np.take_along_axis(cosines, kept, axis=1)
            labels[query_slice] = np.take_along_axis(candidate_labels, kept, axis=1)
        compared = int(windows_of_class.sum())
        report(compared, {"windows_compared": float(compared)})
    return labels, windows_of_class


def unit_length(features: np.ndarray) -> np.ndarray:
    """Features (n, D) scaled to length 1; features that are all 0 stay 0."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)
