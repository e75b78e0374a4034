"""Coordinate descent in the dual of a linear SVM, on rows whose zeros are not stored.

As in `solver`, z_i is row i with its constant feature, times its sign; alpha_i is its multiplier, 0 <= alpha_i <= C_i;
the point u = sum_i alpha_i z_i (D + 1,) is the solution so far; and u z_i - 1 is its gradient.
"""

import numpy as np
from numba import njit
from scipy.sparse import csr_array


def sparse_rows(features: np.ndarray) -> csr_array:
    """The rows (N, D) without their zeros; SciPy's own conversion takes several times as long."""
    places = np.flatnonzero(features)
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(features, axis=1))])
    columns = (places % features.shape[1]).astype(np.int32)
    return csr_array((features.ravel()[places], columns, starts.astype(np.int32)), shape=features.shape)


@njit(nogil=True, cache=True)
def gradients(
    starts: np.ndarray,
    columns: np.ndarray,
    values: np.ndarray,
    signs: np.ndarray,
    bias_feature: float,
    point: np.ndarray,
) -> np.ndarray:
    """The gradient u z_i - 1 of every row (n,)."""
    found = np.empty(len(signs))
    for row in range(len(signs)):
        score = bias_feature * point[-1]
        for place in range(starts[row], starts[row + 1]):
            score += values[place] * point[columns[place]]
        found[row] = signs[row] * score - 1
    return found


@njit(nogil=True, cache=True)
def descend(
    starts: np.ndarray,
    columns: np.ndarray,
    values: np.ndarray,
    signs: np.ndarray,
    bias_feature: float,
    costs: np.ndarray,
    alpha: np.ndarray,
    point: np.ndarray,
    working: np.ndarray,
    target: float,
    most_epochs: int,
    seed: int,
) -> bool:
    """Move the multipliers of the working rows, and the point with them, until their part of the gap is below `target`.

    An epoch visits the rows in a random order and moves each multiplier to its best value. As in liblinear (Hsieh et
    al. 2008, https://doi.org/10.1145/1390156.1390208), a row at a bound whose gradient points outwards by more than
    any step of the previous epoch is not visited again until the visited rows have reached the target.

    Args:
        starts, columns, values: the rows as in `csr_array`.
        alpha: (n,), changed in place.
        point: (D + 1,), changed in place.
        working: indices of the rows that may move.

    Returns:
        Whether the target was reached within `most_epochs` epochs.
    """
    np.random.seed(seed)  # numba's own generator, which is of this thread
    order = working.copy()
    visited, farthest = len(order), np.inf
    for _ in range(most_epochs):
        all_visited, gap, largest, turn = visited == len(order), 0.0, 0.0, 0
        while turn < visited:
            drawn = turn + np.random.randint(visited - turn)
            row = order[drawn]
            order[drawn] = order[turn]
            score, square = bias_feature * point[-1], bias_feature**2
            for place in range(starts[row], starts[row + 1]):
                score += values[place] * point[columns[place]]
                square += values[place] ** 2
            gradient, before = signs[row] * score - 1, alpha[row]
            gap += (before if gradient > 0 else before - costs[row]) * gradient
            if (before == 0 and gradient > farthest) or (before == costs[row] and gradient < -farthest):
                visited -= 1
                order[turn], order[visited] = order[visited], row
                continue
            order[turn] = row
            turn += 1
            alpha[row] = min(max(before - gradient / square, 0.0), costs[row])
            if alpha[row] != before:
                largest = max(largest, abs(gradient))
                step = (alpha[row] - before) * signs[row]
                point[-1] += step * bias_feature
                for place in range(starts[row], starts[row + 1]):
                    point[columns[place]] += step * values[place]
        farthest = largest
        if gap < target:
            if all_visited:
                return True
            visited, farthest = len(order), np.inf
    return False
