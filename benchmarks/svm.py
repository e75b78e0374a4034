"""How much faster than liblinear are a row's SVMs? The same classes, negatives and loss, to the same primal gap.

LinearSVC(loss="hinge") is stopped by a projected gradient, not by a gap: it gets the loosest of a few tolerances whose
solution lies within a relative primal gap of 1e-4, and only that one run counts. The gap is taken to a lower bound of
the least objective, which a run of `fit` at 1e-6 certifies. Both use one thread.
"""

import time
import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from tracklearn.detection.hinge import fit, objective

GAP = 1e-4
PEER_TOLERANCES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 1e-4)
MOST_PASSES = 2000  # a peer that needs more is counted with the time that it took to them
SOLVER = {"C": 1e-3, "positive_weight": 2, "bias": 10}  # R-CNN's


class Case(NamedTuple):
    """Sizes of a row; `varied` is the share of a feature that differs between windows."""

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
            ours, peer, worst, missed = (np.array(column) for column in zip(*map(_class, _classes(case)), strict=True))
            print(
                f"{case.name}: {case.classes} classes, {case.negatives} x {case.size}: "
                f"{ours.sum():.2f} s, LinearSVC {peer.sum():.2f} s{_note(missed)}: {peer.sum() / ours.sum():.1f} x "
                f"(classes {(peer / ours).min():.1f} to {(peer / ours).max():.1f}); largest gap {worst.max():.1e}",
                flush=True,
            )


def _classes(case: Case):  # noqa: ANN202
    """Positives and negatives of each class: rectified mixtures of 60 factors, scaled to R-CNN's norm of 20."""
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


def _class(given: tuple[np.ndarray, np.ndarray]) -> tuple[float, float, float, bool]:
    """Seconds of ours and of the peer, our gap, and whether the peer missed the gap."""
    start = time.perf_counter()
    found = fit(*given, **SOLVER, tolerance=GAP)
    ours = time.perf_counter() - start
    best = fit(*given, **SOLVER, tolerance=1e-6, start=found[:2])
    bound = objective(*best[:2], *given, **SOLVER) * (1 - best.gap)
    for tolerance in PEER_TOLERANCES:
        start = time.perf_counter()
        weights, bias, converged = _liblinear(*given, tolerance)
        peer = time.perf_counter() - start
        reached = objective(weights, bias, *given, **SOLVER)
        near = (reached - bound) / bound <= GAP
        if near or not converged:
            break
    return ours, peer, (objective(*found[:2], *given, **SOLVER) - bound) / bound, not near


def _liblinear(positives: np.ndarray, negatives: np.ndarray, tolerance: float) -> tuple[np.ndarray, float, bool]:
    model = LinearSVC(
        loss="hinge",
        C=SOLVER["C"],
        class_weight={1: SOLVER["positive_weight"]},
        intercept_scaling=SOLVER["bias"],
        tol=tolerance,
        max_iter=MOST_PASSES,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        signs = np.repeat([1, -1], [len(positives), len(negatives)])
        model.fit(np.concatenate([positives, negatives]), signs)
    return model.coef_[0], float(model.intercept_[0]), model.n_iter_ < MOST_PASSES


def _note(missed: np.ndarray) -> str:
    return f" (without reaching the gap in {missed.sum()} classes)" if missed.any() else ""


if __name__ == "__main__":
    main()
