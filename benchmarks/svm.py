"""How much faster than liblinear are a row's SVMs? Both solve the same problems to the same primal gap, on one thread.

LinearSVC(loss="hinge") stops at a tolerance of its projected gradient, not of the gap. It is run with ever smaller
tolerances until its solution has a relative primal gap of at most 1e-4, and only the last run counts. A user does not
know the gap and has to take a smaller tolerance, so the time at the default of 1e-4 is given as well. The gap is the
distance to a lower bound of the least objective, which a run of `fit` at 1e-6 certifies.
"""

import time
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

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
    varied: float


CASES = (
    Case("pool5 of a trained network", 20, 40, 2_000, 1024, 1.0),
    Case("weakly trained network, 300 windows", 20, 20, 300, 3072, 0.02),
    Case("paper's scale", 2, 300, 20_000, 4096, 1.0),
)


def main() -> None:
    """Print seconds and ratios."""
    with threadpool_limits(1):
        for case in CASES:
            runs = [_class(given) for given in _classes(case)]
            ours, peer, default, worst, missed = (np.array(column) for column in zip(*runs, strict=True))
            note = f" (without reaching the gap in {missed.sum()} classes)" if missed.any() else ""
            print(
                f"{case.name}: {case.classes} classes, {case.negatives} x {case.size}: {ours.sum():.2f} s; "
                f"LinearSVC {peer.sum():.2f} s{note}: {peer.sum() / ours.sum():.1f} x; "
                f"at its default tolerance {default.sum():.2f} s: {default.sum() / ours.sum():.1f} x; "
                f"our largest gap {worst.max():.1e}",
                flush=True,
            )


def _classes(case: Case) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positives and negatives of each class: rectified mixtures of 60 factors, scaled to R-CNN's mean norm of 20."""
    rng = np.random.default_rng(0)
    loadings = rng.standard_normal((60, case.size), dtype=np.float32)
    common = 4 * rng.random(case.size, dtype=np.float32)
    for _ in range(case.classes):
        count = case.positives + case.negatives
        factors = rng.standard_normal((count, 60), dtype=np.float32) / np.sqrt(np.arange(1, 61, dtype=np.float32))
        factors[: case.positives] += 0.4 * rng.standard_normal(60, dtype=np.float32)
        x = factors @ loadings + rng.standard_normal((count, case.size), dtype=np.float32)
        x = np.maximum(x, 0) if case.varied == 1 else common + case.varied * x
        x *= 20 / np.linalg.norm(x, axis=1).mean()
        yield x[: case.positives], x[case.positives :]


def _class(given: tuple[np.ndarray, np.ndarray]) -> tuple[float, float, float, float, bool]:
    """Seconds of ours, of the peer and of the peer at its default; our gap, and whether the peer missed the gap."""
    start = time.perf_counter()
    found = fit(*given, **SOLVER, tolerance=GAP)
    ours = time.perf_counter() - start
    best = fit(*given, **SOLVER, tolerance=1e-6, start=found[:2])
    bound = _objective(*best[:2], given) * (1 - best.gap)
    for tolerance in PEER_TOLERANCES:
        peer, gap = _liblinear(given, tolerance, bound)
        if gap <= GAP:
            break
    default, _ = (peer, gap) if tolerance == PEER_TOLERANCES[-1] else _liblinear(given, PEER_TOLERANCES[-1], bound)
    return ours, peer, default, _objective(*found[:2], given) / bound - 1, gap > GAP


def _liblinear(given: tuple[np.ndarray, np.ndarray], tolerance: float, bound: float) -> tuple[float, float]:
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
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(np.concatenate(given), np.repeat([1, -1], [len(given[0]), len(given[1])]))
    seconds = time.perf_counter() - start
    return seconds, _objective(model.coef_[0], float(model.intercept_[0]), given) / bound - 1


def _objective(weights: np.ndarray, bias: float, given: tuple[np.ndarray, np.ndarray]) -> float:
    """What both minimise, in double precision (see `fit`)."""
    weights = weights.astype(np.float64)
    missed = np.maximum(0, 1 - given[0] @ weights - bias).sum()
    alarms = np.maximum(0, 1 + given[1] @ weights + bias).sum()
    regular = (weights @ weights + (bias / SOLVER["bias_feature"]) ** 2) / 2
    return float(regular + SOLVER["C"] * (SOLVER["positive_weight"] * missed + alarms))


if __name__ == "__main__":
    main()
