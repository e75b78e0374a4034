"""The linear SVM with the L1 hinge that R-CNN takes from liblinear, solved to a certified duality gap.

With the constant feature `bias` appended, z_i = y_i (x_i, bias) and u = (w, b / bias), the problem and its dual are
    min |u|^2 / 2 + sum_i C_i max(0, 1 - u z_i),    max sum_i alpha_i - |sum_i alpha_i z_i|^2 / 2,  0 <= alpha_i <= C_i.
Coordinate descent (liblinear) crawls where the windows are nearly equal. Here the dual is solved by the proximal point
method (augmented Lagrangian: Rockafellar 1976, https://doi.org/10.1287/moor.1.2.97): around given multipliers a_i,
    alpha_i(u) = clip(a_i + min(C_i, S) (1 - u z_i) / width, 0, C_i)
is the slope of a Huber-smoothed hinge, whose minimum u = sum_i alpha_i(u) z_i a few Newton steps find; then a <- alpha,
the width shrinks, and so on. Every step yields feasible alpha, hence a bound on the gap.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import brentq
from scipy.sparse.linalg import LinearOperator, cg

from tracklearn.errors import UserError

FIRST_WIDTH = 0.5  # of the smoothed hinge, in units of the margin
STEEPEST = 10  # S times the mean of |z|^2: a larger C makes the constraint harder, not the smoothing steeper
SHRINK = 0.25
COARSE = 1000  # negatives of the smallest problem; each next one has four times as many
COARSE_GAP = 1e-2
FAR = 0.1  # outside the margin
ROUNDING = 1e-5  # of a single-precision score
BLOCK = 1024  # rows summed in the features' own precision, and cast at once
MOST_PIVOTS = 500  # rows whose Gram matrix is factorised
MOST_STEPS = 100


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
    bias: float,
    tolerance: float = 1e-4,
    start: tuple[np.ndarray, float] | None = None,
) -> Fit:
    """Weights and bias that minimise `objective` to a relative duality gap of `tolerance`.

    Rough solutions on every 4^k-th negative come first. The features are multiplied in their own precision; in double
    precision, block by block, only if that does not reach the tolerance. The gap, taken in double precision for the
    returned weights, tells whether it was reached; with a C of 10 or more their rounding to float32 can prevent it.

    Args:
        positives, negatives: (P, D) and (N, D) of one dtype, neither empty.
        bias: value of the constant feature; the larger, the less the bias is regularised.
        start: weights and bias to start from.

    Raises:
        UserError: features that are not finite.
    """
    weights, offset = start or (np.zeros(positives.shape[1]), 0.0)
    point = np.append(weights, offset / bias).astype(np.float64)
    stride = 1
    while len(negatives) > COARSE * stride:
        stride *= 4
    while stride > 1:
        sample = _Examples(positives, negatives[::stride], (C * positive_weight, C * stride), bias)
        point, _ = _near(sample, point, max(tolerance, COARSE_GAP))
        stride //= 4
    point, gap = _near(_Examples(positives, negatives, (C * positive_weight, C), bias), point, tolerance)
    return Fit(point[:-1].astype(np.float32), float(point[-1] * bias), gap)


def objective(
    weights: np.ndarray,
    offset: float,
    positives: np.ndarray,
    negatives: np.ndarray,
    *,
    C: float,
    positive_weight: float,
    bias: float,
) -> float:
    """|w|^2 / 2 + (b / bias)^2 / 2 + C (positive_weight sum max(0, 1 - w x - b) + sum max(0, 1 + w x + b)).

    The first sum runs over positives, the second over negatives (rcnn_train.m).
    """
    weights = weights.astype(np.float64)
    missed = np.maximum(0, 1 - positives @ weights - offset).sum()
    alarms = np.maximum(0, 1 + negatives @ weights + offset).sum()
    regular = (weights @ weights + (offset / bias) ** 2) / 2
    return float(regular + C * (positive_weight * missed + alarms))


class _Examples:
    """The signed rows z (n, D + 1), positives first; the features are cast to `precision` block by block."""

    def __init__(
        self,
        positives: np.ndarray,
        negatives: np.ndarray,
        costs: tuple[float, float],
        bias: float,
        precision: type | np.dtype | None = None,
    ) -> None:
        counts = [len(positives), len(negatives)]
        self.features = (positives, negatives)
        self.pair, self.bias, self.precision = costs, bias, precision or positives.dtype
        self.costs = np.repeat(np.asarray(costs, np.float64), counts)  # (n,) C_i
        self.signs = np.repeat([1.0, -1.0], counts)
        self.blocks = [each[at : at + BLOCK] for each in self.features for at in range(0, len(each), BLOCK)]
        self.ends = np.cumsum([len(block) for block in self.blocks])

    def exact(self) -> "_Examples":
        """The same in double precision."""
        return _Examples(*self.features, self.pair, self.bias, np.float64)

    def only(self, chosen: np.ndarray) -> "_Examples":
        """All positives and the chosen (n,) negatives."""
        positives, negatives = self.features
        return _Examples(positives, negatives[chosen[len(positives) :]], self.pair, self.bias, self.precision)

    def margins(self, point: np.ndarray) -> np.ndarray:
        """Z u (n,)."""
        weights = point[:-1].astype(self.precision)
        scores = np.concatenate([block.astype(self.precision, copy=False) @ weights for block in self.blocks])
        return self.signs * (scores + point[-1] * self.bias)

    def combine(self, alpha: np.ndarray) -> np.ndarray:
        """Z^T alpha (D + 1,)."""
        signed = alpha * self.signs
        total = np.zeros(self.features[0].shape[1] + 1)
        for block, share in zip(self.blocks, np.split(signed, self.ends[:-1]), strict=True):
            used = np.flatnonzero(share)
            if len(used) < len(share) / 4:  # a copy of them is cheaper
                block, share = block[used], share[used]  # noqa: PLW2901
            total[:-1] += share.astype(self.precision) @ block.astype(self.precision, copy=False)
        total[-1] = self.bias * signed.sum()
        return total

    def mean_square(self) -> float:
        """Mean of |z|^2 over the first positives."""
        return float(np.square(self.features[0][:100], dtype=np.float64).sum(axis=1).mean() + self.bias**2)

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Rows of Z at ascending indices (k, D + 1)."""
        first = len(self.features[0])
        chosen = [self.features[0][index[index < first]], -self.features[1][index[index >= first] - first]]
        constant = self.bias * self.signs[index, None]
        return np.hstack([np.concatenate(chosen), constant]).astype(self.precision)


class _Smoothed(NamedTuple):
    """The smoothed hinges around given multipliers."""

    costs: np.ndarray  # (n,) C_i
    steepness: np.ndarray  # (n,) min(C_i, S)
    multipliers: np.ndarray  # (n,) a_i
    width: float = FIRST_WIDTH

    def closer(self, alpha: np.ndarray) -> "_Smoothed":
        """Narrower ones around `alpha`."""
        return self._replace(multipliers=alpha, width=self.width * SHRINK)

    def alpha(self, losses: np.ndarray) -> np.ndarray:
        """Slopes (n,) at losses 1 - Z u."""
        return np.clip(self.multipliers + self.steepness * losses / self.width, 0, self.costs)

    def curvatures(self, alpha: np.ndarray) -> np.ndarray:
        """Second derivatives (n,): zero outside the quadratic zone."""
        return np.where((alpha > 0) & (alpha < self.costs), self.steepness / self.width, 0)


def _near(examples: _Examples, point: np.ndarray, tolerance: float) -> tuple[np.ndarray, float]:
    """The solution u, its weights rounded to float32, and its gap, from the windows near the margin.

    Negatives far outside the margin of `point` are left out, until they prove to matter.
    """
    near = ~(examples.margins(point) >= 1 + FAR)  # not a number is near
    near[: len(examples.features[0])] = True
    while True:
        some = examples if near.mean() > 0.5 else examples.only(near)
        point, primal, dual = _certified(some, point, tolerance)
        if some is not examples:
            losses = 1 - examples.margins(point)
            primal += float(examples.costs[~near] @ np.maximum(0, losses[~near] + ROUNDING))
            if primal - dual > tolerance * primal and (losses[~near] > -FAR).any():
                near |= losses > -FAR
                continue
        return point, (primal - dual) / primal


def _certified(examples: _Examples, point: np.ndarray, tolerance: float) -> tuple[np.ndarray, float, float]:
    """The solution u, its weights rounded to float32, and its primal and dual value in double precision."""
    exact = examples.exact()
    for each in (examples, exact):
        point, alpha = _solve(each, point, 0.9 * tolerance)  # the rest is for rounding
        point[:-1] = point[:-1].astype(np.float32)
        dual_point = exact.combine(alpha)
        primal = point @ point / 2 + exact.costs @ np.maximum(0, 1 - exact.margins(point))
        dual = alpha.sum() - dual_point @ dual_point / 2
        if primal - dual <= tolerance * primal:
            break
    return point, float(primal), float(dual)


def _solve(examples: _Examples, point: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """The best point u (D + 1,) found from `point` on, and the best multipliers alpha (n,)."""
    costs = examples.costs
    smoothed = _Smoothed(costs, np.minimum(costs, STEEPEST / examples.mean_square()), np.zeros(len(costs)))
    losses = 1 - examples.margins(point)  # (n,) before max(0, .)
    best, least = point, np.float64(np.inf)
    multipliers, bound = np.zeros(len(costs)), np.float64(0)
    for _ in range(MOST_STEPS):
        alpha = smoothed.alpha(losses)
        dual_point = examples.combine(alpha)
        gradient = point - dual_point  # of the smoothed objective
        hinges = costs @ np.maximum(losses, 0)
        primal = point @ point / 2 + hinges
        dual = alpha.sum() - dual_point @ dual_point / 2
        if not np.isfinite(primal + dual):
            raise UserError("detection.svm: features are not finite; the network diverged: train it again")
        if primal < least:
            best, least = point, primal
        if dual > bound:
            multipliers, bound = alpha, dual
        if least - bound <= tolerance * least:
            break
        if gradient @ gradient / 2 < hinges - alpha @ losses:  # the two add up to the gap of (u, alpha)
            smoothed = smoothed.closer(alpha)
            continue
        direction = _newton(examples, gradient, smoothed.curvatures(alpha))
        change = examples.margins(direction)
        step = _line_search(smoothed, point, direction, losses, change)
        if step == 0:  # all digits are used up
            break
        point, losses = point + step * direction, losses - step * change
    return best, multipliers


def _newton(examples: _Examples, gradient: np.ndarray, curvatures: np.ndarray) -> np.ndarray:
    """-(I + Z^T diag(curvatures) Z)^-1 gradient.

    Woodbury's identity on the rows in the quadratic zone; where they are many, on evenly chosen ones of them, as the
    preconditioner of a few conjugate gradients.
    """
    curved = np.flatnonzero(curvatures)
    if len(curved) == 0:
        return -gradient
    pivots = curved[:: -(-len(curved) // MOST_PIVOTS)]
    rows = examples.rows(pivots)
    gram = (rows @ rows.T).astype(np.float64)
    ridge = len(pivots) / len(curved) / curvatures[pivots]
    rounding = np.finfo(rows.dtype).eps * np.trace(gram)
    gram[np.diag_indices_from(gram)] += np.maximum(ridge, rounding)
    factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)

    def inverse(vector: np.ndarray) -> np.ndarray:
        inner = cho_solve(factor, rows @ vector.astype(rows.dtype), check_finite=False)
        return vector - inner.astype(rows.dtype) @ rows

    if len(pivots) == len(curved):
        return -inverse(gradient)

    def hessian(vector: np.ndarray) -> np.ndarray:
        return vector + examples.combine(curvatures * examples.margins(vector))

    square = (len(gradient), len(gradient))
    operators = [LinearOperator(square, each, dtype=np.float64) for each in (hessian, inverse)]
    direction, _ = cg(operators[0], -gradient, M=operators[1], rtol=0.1, maxiter=20)
    return direction


def _line_search(
    smoothed: _Smoothed, point: np.ndarray, direction: np.ndarray, losses: np.ndarray, change: np.ndarray
) -> float:
    """The step that minimises the smoothed objective along `direction`; 0 where it does not descend."""
    linear, square = point @ direction, direction @ direction

    def slope(step: float) -> float:
        return float(linear + step * square - smoothed.alpha(losses - step * change) @ change)

    if slope(0) >= 0:
        return 0.0
    far = 1.0
    while slope(far) < 0:
        far *= 2
    return float(brentq(slope, 0, far, xtol=1e-15, rtol=1e-3))
