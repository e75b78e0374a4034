"""How much faster than liblinear are a row's SVMs? Both solve the same problems to the same primal gap, on one thread.

Times are seconds of the CPU, so that other processes hardly matter.

LinearSVC(loss="hinge") stops at a tolerance of its projected gradient, not of the gap. It is run with ever smaller
tolerances until its solution has a relative primal gap of at most 1e-4, and only the last run counts. A user does not
know the gap and has to take a smaller tolerance, so the time at the default of 1e-4 is given as well. The gap is the
distance to a lower bound of the least objective, which a run of `fit` at 1e-6 certifies. Each is given the rows in the
form that it works on, ours as `sparse_rows` and LinearSVC's as a CSR matrix in double precision, so neither converts.

Hard-negative mining trains a class again and again on a growing set. "again" is a training on all negatives that starts
from a training on the first four fifths of them; LinearSVC cannot start from anything.
"""

import time
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from tracklearn.detection.svm_solver.descent import sparse_rows
from tracklearn.detection.svm_solver.solver import fit

GAP = 1e-4
PEER_TOLERANCES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 1e-4)  # the last one is LinearSVC's default
MOST_PASSES = 2000  # of the peer; its time counts even if it has not reached the gap by then
SOLVER = {"C": 1e-3, "positive_weight": 2, "bias_feature": 10}  # R-CNN's


class Case(NamedTuple):
    """Sizes of a problem; `varied` is the share of a feature that differs between windows."""

    name: str
    classes: int
    positives: int
    negatives: int
    size: int
    varied: float = 1.0
    threshold: float = 0.0  # of the rectification; at 1.9, 80% of the features are zero
    overlapping: bool = False  # the negatives are windows on a part of the class's objects, or on similar objects


CASES = (
    Case("pool5 of a trained network", 20, 40, 2_000, 1024),
    Case("weakly trained network, 300 windows", 20, 20, 300, 3072, varied=0.02),
    Case("paper's scale, half zeros, easy negatives", 2, 300, 20_000, 4096),
    Case("paper's scale, 80% zeros, overlapping classes", 2, 300, 20_000, 4096, threshold=1.9, overlapping=True),
)


def main() -> None:
    """Print seconds and ratios."""
    with threadpool_limits(1):
        for case in CASES:
            runs = [_class(*given) for given in _classes(case)]
            ours, again, peer, default, worst, missed = (np.array(column) for column in zip(*runs, strict=True))
            note = f" (without reaching the gap in {missed.sum()} classes)" if missed.any() else ""
            print(
                f"{case.name}: {case.classes} classes, {case.negatives} x {case.size}: {ours.sum():.2f} s, again "
                f"{again.sum():.2f} s; LinearSVC {peer.sum():.2f} s{note}: {peer.sum() / ours.sum():.1f} x, again "
                f"{peer.sum() / again.sum():.1f} x; at its default tolerance {default.sum():.2f} s: "
                f"{default.sum() / ours.sum():.1f} x; our largest gap {worst.max():.1e}",
                flush=True,
            )


def _classes(case: Case) -> Iterator[tuple[csr_array, int]]:
    """Examples and number of positives of each class: rectified mixtures of 60 factors, of R-CNN's mean norm of 20."""
    rng = np.random.default_rng(0)
    loadings = rng.standard_normal((60, case.size), dtype=np.float32)
    common = 4 * rng.random(case.size, dtype=np.float32)
    count = case.positives + case.negatives
    for _ in range(case.classes):
        factors = rng.standard_normal((count, 60), dtype=np.float32) / np.sqrt(np.arange(1, 61, dtype=np.float32))
        if case.overlapping:
            x = factors @ loadings + rng.standard_normal((count, case.size), dtype=np.float32)
            x += _strengths(rng, case) @ (1.2 * rng.standard_normal((4, case.size), dtype=np.float32))
        else:
            factors[: case.positives] += 0.4 * rng.standard_normal(60, dtype=np.float32)
            x = factors @ loadings + rng.standard_normal((count, case.size), dtype=np.float32)
        x = np.maximum(x - case.threshold, 0) if case.varied == 1 else common + case.varied * x
        x *= 20 / np.linalg.norm(x, axis=1).mean()
        yield sparse_rows(x), case.positives


def _strengths(rng: np.random.Generator, case: Case) -> np.ndarray:
    """How much (n, 4) of the class, of two similar classes, and of what all three have in common a window shows."""
    strengths = np.zeros((case.positives + case.negatives, 4), np.float32)
    shown = rng.uniform(0.4, 1.3, len(strengths))
    kinds = rng.integers(0, 5, len(strengths))  # 3 and 4 are background
    kinds[: case.positives] = 0
    shown[case.positives :] *= rng.uniform(0, 1, case.negatives)
    shown[case.positives :][kinds[case.positives :] == 0] *= 0.3  # as a window that overlaps an object by less than 0.3
    objects = np.flatnonzero(kinds < 3)
    strengths[objects, kinds[objects]] = strengths[objects, 3] = shown[objects]
    return strengths


def _class(examples: csr_array, positives: int) -> tuple[float, float, float, float, float, bool]:
    """Seconds of ours, ours again, the peer and the peer at its default; our gap; whether the peer missed the gap."""
    known = examples.shape[0] - (examples.shape[0] - positives) // 5
    earlier = fit(examples[:known], positives, **SOLVER, tolerance=GAP)
    start = time.process_time()
    found = fit(examples, positives, **SOLVER, tolerance=GAP)
    ours = time.process_time() - start
    alpha = np.append(earlier.alpha, np.zeros(examples.shape[0] - known))
    start = time.process_time()
    warm = fit(examples, positives, **SOLVER, tolerance=GAP, start=alpha)
    again = time.process_time() - start
    best = fit(examples, positives, **SOLVER, tolerance=1e-6, start=found.alpha)
    bound = _objective(*best[:2], examples, positives) * (1 - best.gap)
    for tolerance in PEER_TOLERANCES:
        peer, gap = _liblinear(examples, positives, tolerance, bound)
        if gap <= GAP:
            break
    last = PEER_TOLERANCES[-1]
    default = peer if tolerance == last else _liblinear(examples, positives, last, bound)[0]
    reached = max(_objective(*each[:2], examples, positives) / bound - 1 for each in (found, warm))
    return ours, again, peer, default, reached, gap > GAP


def _liblinear(examples: csr_array, positives: int, tolerance: float, bound: float) -> tuple[float, float]:
    """Seconds and relative primal gap."""
    model = LinearSVC(
        loss="hinge",
        C=SOLVER["C"],
        class_weight={1: SOLVER["positive_weight"]},
        intercept_scaling=SOLVER["bias_feature"],
        tol=tolerance,
        max_iter=MOST_PASSES,
        random_state=0,
    )
    rows, labels = csr_matrix(examples.astype(np.float64)), _signs(examples, positives)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, labels)
    seconds = time.process_time() - start
    return seconds, _objective(model.coef_[0], float(model.intercept_[0]), examples, positives) / bound - 1


def _objective(weights: np.ndarray, bias: float, examples: csr_array, positives: int) -> float:
    """What both minimise, in double precision (see `fit`)."""
    weights = weights.astype(np.float64)
    losses = np.maximum(0, 1 - _signs(examples, positives) * (examples @ weights + bias))
    regular = (weights @ weights + (bias / SOLVER["bias_feature"]) ** 2) / 2
    weighted = SOLVER["positive_weight"] * losses[:positives].sum() + losses[positives:].sum()
    return float(regular + SOLVER["C"] * weighted)


def _signs(examples: csr_array, positives: int) -> np.ndarray:
    """1 (n,) for a positive and -1 for a negative."""
    return np.where(np.arange(examples.shape[0]) < positives, 1, -1)


if __name__ == "__main__":
    main()
