"""The linear SVM with the L1 hinge that R-CNN takes from liblinear, solved to a certified duality gap.

Coordinate descent (liblinear) is slow where windows are nearly equal. Here the dual of `Problem` is solved by the
proximal point method (augmented Lagrangian: Rockafellar 1976, https://doi.org/10.1287/moor.1.2.97). As in `Problem`,
z_i is example i with its constant feature, negated if the example is a negative; C_i is the cost of its hinge
max(0, 1 - u z_i); and u holds the weights and the bias. Around a centre a,
    alpha_i(u) = clip(a_i + s_i (1 - u z_i), 0, C_i)
is the slope of a smoothed hinge with curvature s_i. A few Newton steps find the minimum of the smoothed objective,
which is u = sum_i alpha_i(u) z_i. Then alpha(u) becomes the centre, the curvatures grow fourfold, and so on. The alpha
of every step are feasible for the dual, so every step bounds the gap.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import brentq
from scipy.sparse.linalg import LinearOperator, cg

from tracklearn.detection.svm_solver.problem import Problem
from tracklearn.errors import UserError

COARSE_NEGATIVES = 1000  # negatives of the smallest problem; each next problem has four times as many
COARSE_GAP = 1e-2
FAR = 0.1  # a negative is far from the margin where its loss 1 - u z is below -FAR
ROUNDING = 1e-5  # bounds the rounding error of a score in single precision
# The first s_i is min(C_i, MOST_CURVATURE / mean of |z|^2) / FIRST_WIDTH. With a small C_i, alpha_i therefore rises
# from 0 to C_i while the loss 1 - u z_i rises by FIRST_WIDTH.
FIRST_WIDTH = 0.5
MOST_CURVATURE = 10  # bounds the first s_i, so that a larger C_i raises the limit of alpha_i and not the curvature
GROWTH = 4  # factor by which the curvatures grow; a power of two, as is FIRST_WIDTH
MOST_STEPS = 100
MOST_PIVOTS = 500  # rows whose Gram matrix is factorised


class Fit(NamedTuple):
    """A trained detector."""

    weights: np.ndarray  # (D,) float32
    bias: float
    gap: float  # (objective - lower bound of the least objective) / objective


def fit(
    positives: np.ndarray,
    negatives: np.ndarray,
    *,
    C: float,
    positive_weight: float,
    bias_feature: float,
    tolerance: float = 1e-4,
    start: tuple[np.ndarray, float] | None = None,
) -> Fit:
    """Weights w and bias b that minimise, to a relative duality gap of `tolerance`,

        |w|^2 / 2 + (b / bias_feature)^2 / 2 + C (positive_weight sum max(0, 1 - w x - b) + sum max(0, 1 + w x + b)),

    where the first sum runs over the positives and the second one over the negatives (rcnn_train.m).

    Without a start, problems with every 4^k-th negative are solved roughly first. The gap in the result is computed in
    double precision for the returned weights; with a C of 10 or more, their rounding to float32 can keep it above
    `tolerance`.

    Args:
        positives, negatives: (P, D) and (N, D) of one dtype, neither empty.
        bias_feature: value of the constant feature; the larger it is, the less the bias is regularised.
        start: weights and bias to start from.

    Raises:
        UserError: features that are not finite.
    """
    weights, offset = start or (np.zeros(positives.shape[1]), 0.0)
    point = np.append(weights, offset / bias_feature).astype(np.float64)
    strides = [1]
    while start is None and len(negatives) > COARSE_NEGATIVES * strides[-1]:
        strides.append(4 * strides[-1])
    for stride in reversed(strides):
        problem = Problem(
            positives, negatives[::stride], (C * positive_weight, C * stride), bias_feature, positives.dtype
        )
        point, gap = _solve(problem, point, tolerance if stride == 1 else max(tolerance, COARSE_GAP))
    return Fit(point[:-1].astype(np.float32), float(point[-1] * bias_feature), gap)


def _solve(problem: Problem, point: np.ndarray, tolerance: float) -> tuple[np.ndarray, float]:
    """The solution u (D + 1,), its weights rounded to float32, and its relative gap.

    Negatives far outside the margin of `point` are left out until they prove to matter.
    """
    near = ~(problem.margins(point) >= 1 + FAR)  # a margin that is not a number counts as near
    positive_count = len(problem.positives)
    near[:positive_count] = True
    while near.mean() <= 0.5:
        part = replace(problem, negatives=problem.negatives[near[positive_count:]])
        point, primal, dual = _solve_all(part, point, tolerance)
        losses = 1 - problem.margins(point)
        primal += float(problem.costs[~near] @ np.maximum(0, losses[~near] + ROUNDING))
        if primal - dual <= tolerance * primal or not (losses[~near] > -FAR).any():
            return point, (primal - dual) / primal
        near |= losses > -FAR
    point, primal, dual = _solve_all(problem, point, tolerance)
    return point, (primal - dual) / primal


def _solve_all(problem: Problem, point: np.ndarray, tolerance: float) -> tuple[np.ndarray, float, float]:
    """The solution u, its weights rounded to float32, and its primal and dual values in double precision.

    The products of the search are in the features' own precision, then in double if the tolerance is not reached.
    """
    exact = replace(problem, precision=np.float64)
    for searched_problem in (problem, exact):
        point, alpha = _search(searched_problem, point, 0.9 * tolerance)  # the last tenth is for the rounding
        point[:-1] = point[:-1].astype(np.float32)
        dual_point = exact.combine(alpha)
        primal = point @ point / 2 + exact.costs @ np.maximum(0, 1 - exact.margins(point))
        dual = alpha.sum() - dual_point @ dual_point / 2
        if primal - dual <= tolerance * primal:
            break
    return point, float(primal), float(dual)


def _search(problem: Problem, point: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """The best u (D + 1,) found from `point` on, and the best multipliers alpha (n,): the proximal point method."""
    costs = problem.costs
    mean_square = (
        np.square(problem.positives[:100], dtype=np.float64).sum(axis=1).mean() + problem.bias_feature**2
    )  # of |z|
    centre, curvatures = np.zeros(len(costs)), np.minimum(costs, MOST_CURVATURE / mean_square) / FIRST_WIDTH
    losses = 1 - problem.margins(point)  # (n,) 1 - u z
    best, least = point, np.float64(np.inf)
    best_alpha, bound = centre, np.float64(0)
    for _ in range(MOST_STEPS):
        slopes = partial(_slopes, centre, curvatures, costs)
        alpha = slopes(losses)
        dual_point = problem.combine(alpha)
        gradient = point - dual_point  # of the smoothed objective
        hinge_loss = costs @ np.maximum(losses, 0)
        primal = point @ point / 2 + hinge_loss
        dual = alpha.sum() - dual_point @ dual_point / 2
        if not np.isfinite(primal + dual):
            raise UserError("detection.svm: features are not finite; the network diverged: train it again")
        if primal < least:
            best, least = point, primal
        if dual > bound:
            best_alpha, bound = alpha, dual
        if least - bound <= tolerance * least:
            break
        # The gap of (u, alpha) is the sum of the two sides. The search for u makes the left side, and the smoothing the
        # right side. Once the right side is larger, the smoothing is reduced.
        if gradient @ gradient / 2 < hinge_loss - alpha @ losses:
            centre, curvatures = alpha, curvatures * GROWTH
            continue
        direction = _newton(problem, gradient, np.where((alpha > 0) & (alpha < costs), curvatures, 0))
        change = problem.margins(direction)
        step = _line_search(slopes, point, direction, losses, change)
        if step == 0:  # the step is below the rounding error
            break
        point, losses = point + step * direction, losses - step * change
    return best, best_alpha


def _slopes(centre: np.ndarray, curvatures: np.ndarray, costs: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Slopes alpha (n,) of the smoothed hinges at the losses (n,)."""
    return np.clip(centre + curvatures * losses, 0, costs)


def _newton(problem: Problem, gradient: np.ndarray, curvatures: np.ndarray) -> np.ndarray:
    """-(I + Z^T diag(curvatures) Z)^-1 gradient, (D + 1,).

    Only the rows of Z with positive curvature count. If there are at most MOST_PIVOTS of them, Woodbury's identity
    gives the result. If there are more, Woodbury's identity on evenly chosen rows is the preconditioner of a few steps
    of conjugate gradients.
    """
    curved = np.flatnonzero(curvatures)
    if len(curved) == 0:
        return -gradient
    pivots = curved[:: -(-len(curved) // MOST_PIVOTS)]
    rows = problem.rows(pivots)
    gram = (rows @ rows.T).astype(np.float64)
    ridge = len(pivots) / len(curved) / curvatures[pivots]
    rounding = np.finfo(rows.dtype).eps * np.trace(gram)
    gram[np.diag_indices_from(gram)] += np.maximum(ridge, rounding)
    factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)

    def inverse(vector: np.ndarray) -> np.ndarray:
        inner = cho_solve(factor, rows @ vector.astype(rows.dtype), check_finite=False)
        return vector - inner.astype(rows.dtype) @ rows

    def hessian(vector: np.ndarray) -> np.ndarray:
        return vector + problem.combine(curvatures * problem.margins(vector))

    if len(pivots) == len(curved):
        return -inverse(gradient)
    shape = (len(gradient), len(gradient))
    matrix, preconditioner = (LinearOperator(shape, product, dtype=np.float64) for product in (hessian, inverse))
    return cg(matrix, -gradient, M=preconditioner, rtol=0.1, maxiter=20)[0]


def _line_search(
    slopes: Callable[[np.ndarray], np.ndarray],
    point: np.ndarray,
    direction: np.ndarray,
    losses: np.ndarray,
    change: np.ndarray,
) -> float:
    """The step that minimises the smoothed objective along `direction`; 0 where the objective does not descend."""
    linear, square = point @ direction, direction @ direction

    def derivative(step: float) -> float:
        return float(linear + step * square - slopes(losses - step * change) @ change)

    if derivative(0) >= 0:
        return 0.0
    upper_step = 1.0
    while derivative(upper_step) < 0:
        upper_step *= 2
    return float(brentq(derivative, 0, upper_step, xtol=1e-15, rtol=1e-3))
