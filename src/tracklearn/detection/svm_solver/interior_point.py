"""A quadratic problem within bounds, solved exactly: a primal-dual interior point method."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

MOST_STEPS = 60
CENTRING = 0.1  # factor by which a step aims to reduce the products of multipliers and slacks
TO_THE_BOUND = 0.99  # the longest step, as a share of the way to the nearest bound


def minimise_in_box(
    hessian: np.ndarray, gradient: np.ndarray, start: np.ndarray, upper: np.ndarray, target: float
) -> np.ndarray:
    """The x (k,) with 0 <= x <= upper that minimises a convex quadratic function, to a duality gap of `target`.

    Newton's method on the conditions of optimality, with multipliers of the two bounds (Wright 1997, Primal-Dual
    Interior-Point Methods, https://doi.org/10.1137/1.9781611971453). Its number of steps hardly depends on the
    condition of the Hessian.

    Args:
        hessian: (k, k), positive semidefinite.
        gradient: (k,) at `start`.
        start: (k,).
        upper: (k,), positive.
    """
    x = np.clip(start, 0.1 * upper, 0.9 * upper)
    gradient = gradient + hessian @ (x - start)
    low, high = np.maximum(gradient, 0) + 0.1, np.maximum(-gradient, 0) + 0.1  # multipliers of the bounds
    rounding = np.finfo(float).eps * np.trace(hessian)
    for _ in range(MOST_STEPS):
        room = upper - x
        if (np.maximum(gradient, 0) @ x + np.maximum(-gradient, 0) @ room) < target:
            break
        aim = CENTRING * (x @ low + room @ high) / (2 * len(x))
        matrix = hessian.copy()
        matrix[np.diag_indices_from(matrix)] += low / x + high / room + rounding
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        change = cho_solve(factor, aim / x - aim / room - gradient, check_finite=False)
        low_change = aim / x - low - low / x * change
        high_change = aim / room - high + high / room * change
        step = min(
            _longest_step(value, slope)
            for value, slope in ((x, change), (room, -change), (low, low_change), (high, high_change))
        )
        x = x + step * change
        gradient = gradient + step * (hessian @ change)
        low, high = low + step * low_change, high + step * high_change
    return x


def _longest_step(values: np.ndarray, changes: np.ndarray) -> float:
    """The longest step, at most 1, that keeps the values positive."""
    falling = changes < 0
    return float((TO_THE_BOUND * values[falling] / -changes[falling]).min(initial=1))
