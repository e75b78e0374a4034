"""The linear SVM with the L1 hinge that R-CNN takes from liblinear, solved to a certified duality gap.

With z_i = (x_i, bias_feature) for a positive x_i and -(x_i, bias_feature) for a negative one, u = (w, b / bias_feature)
and C_i the cost of example i's hinge, the problem and its dual are
    min  |u|^2 / 2 + sum_i C_i max(0, 1 - u z_i),
    max  sum_i alpha_i - |sum_i alpha_i z_i|^2 / 2  with 0 <= alpha_i <= C_i.
Each round computes u z_i for all examples, which bounds the gap, and then solves the dual of the working examples
alone: those whose alpha may have to change. Coordinate descent does this, one example after the other. It is slow where
examples are nearly equal, as windows of a weakly trained network are. If it takes too many epochs, an interior point
method moves all working alpha together.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from tracklearn.detection.svm_solver.descent import descend, gradients
from tracklearn.detection.svm_solver.interior_point import minimise_in_box
from tracklearn.errors import UserError

FIRST_STRIDE = 8  # without a start, the first round works on all positives and every eighth negative
NEAR = 0.02  # an example works if its margin lies within NEAR of where its alpha would have to change
REDUCTION = 0.05  # factor by which a round reduces the working examples' part of the gap
MOST_EPOCHS = 15  # of coordinate descent in a round
MOST_TOGETHER = 1000  # examples that the interior point method moves
MOST_ROUNDS = 60


class Fit(NamedTuple):
    """A trained detector."""

    weights: np.ndarray  # (D,) float32
    bias: float
    gap: float  # (objective - lower bound of the least objective) / objective
    alpha: np.ndarray  # (n,) multipliers of the examples


def fit(
    examples: csr_array,
    positives: int,
    *,
    C: float,
    positive_weight: float,
    bias_feature: float,
    tolerance: float = 1e-4,
    start: np.ndarray | None = None,
) -> Fit:
    """Weights w and bias b that minimise, to a relative duality gap of `tolerance`,

        |w|^2 / 2 + (b / bias_feature)^2 / 2 + C (positive_weight sum max(0, 1 - w x - b) + sum max(0, 1 + w x + b)),

    where the first sum runs over the positives and the second one over the negatives (rcnn_train.m).

    The gap in the result is computed in double precision for the returned weights; with a C of 10 or more, their
    rounding to float32 can keep it above `tolerance`.

    Args:
        examples: (n, D), see `descent.sparse_rows`; the positives come first. There are examples of both kinds.
        positives: the number of positives.
        bias_feature: value of the constant feature; the larger it is, the less the bias is regularised.
        start: alpha (n,) to start from, such as those of an earlier training on some of the examples and 0 elsewhere.

    Raises:
        UserError: features that are not finite.
    """
    count = examples.shape[0]
    is_positive = np.arange(count) < positives
    signs, costs = np.where(is_positive, 1.0, -1.0), np.where(is_positive, C * positive_weight, C)
    rows = (examples.indptr, examples.indices, examples.data, signs, bias_feature)
    alpha = np.zeros(count) if start is None else start.clip(0, costs)
    point = np.append(examples.T @ (alpha * signs), bias_feature * (alpha @ signs))
    least, best = np.inf, point
    for number in range(MOST_ROUNDS):
        rounded = np.append(point[:-1].astype(np.float32), point[-1])
        slopes = gradients(*rows, rounded)  # (n,) of the dual in alpha
        primal = float(rounded @ rounded / 2 + costs @ np.maximum(0, -slopes))
        dual = float(alpha.sum() - point @ point / 2)
        if not np.isfinite(primal + dual):
            raise UserError("detection.svm: features are not finite; the network diverged: train it again")
        if primal < least:
            least, best = primal, rounded
        if least - dual <= tolerance * least:
            break
        movable = ((alpha < costs) & (slopes < NEAR)) | ((alpha > 0) & (slopes > -NEAR))
        if number == 0 and start is None:
            movable &= is_positive | (np.arange(count) % FIRST_STRIDE == 0)
        working = np.flatnonzero(movable)
        target = max(REDUCTION * (primal - dual), 0.3 * tolerance * least)
        if not descend(*rows, costs, alpha, point, working, target, MOST_EPOCHS, number):
            _move_together(examples, signs, costs, bias_feature, alpha, point, working, target)
    return Fit(best[:-1].astype(np.float32), float(best[-1] * bias_feature), (least - dual) / least, alpha)


def _move_together(
    examples: csr_array,
    signs: np.ndarray,
    costs: np.ndarray,
    bias_feature: float,
    alpha: np.ndarray,
    point: np.ndarray,
    working: np.ndarray,
    target: float,
) -> None:
    """Solve the dual of the working examples, or of those between their bounds; change alpha and the point in place."""
    if len(working) > MOST_TOGETHER:
        between = working[(alpha[working] > 0) & (alpha[working] < costs[working])]
        working = between[:: max(1, -(-len(between) // MOST_TOGETHER))]
    dense = np.hstack([examples[working].toarray(), np.full((len(working), 1), bias_feature)])
    dense *= signs[working, None]  # (k, D + 1) z_i
    found = minimise_in_box(dense @ dense.T, dense @ point - 1, alpha[working], costs[working], target)
    point += (found - alpha[working]) @ dense
    alpha[working] = found
