import numpy as np
import pytest
from sklearn.svm import LinearSVC

from tracklearn.detection.hinge import fit, objective
from tracklearn.errors import UserError

SOLVER = {"C": 1e-3, "positive_weight": 2, "bias": 10}


def examples(seed=0, positives=8, negatives=300, size=64):
    rng = np.random.default_rng(seed)
    x = np.maximum(rng.normal(size=(positives + negatives, size)), 0)
    x[:positives] += 0.3 * rng.random(size)
    x *= 20 / np.linalg.norm(x, axis=1).mean()
    return x[:positives].astype(np.float32), x[positives:].astype(np.float32)


@pytest.mark.parametrize("positives", [1, 8, 60])
def test_relative_gap_to_a_tight_solution_is_small(positives):
    given = examples(positives=positives)
    reached = objective(*fit(*given, **SOLVER), *given, **SOLVER)
    best = objective(*fit(*given, **SOLVER, tolerance=1e-9), *given, **SOLVER)
    assert (reached - best) / best < 1e-4


def test_no_direction_lowers_the_objective():
    given = examples()
    weights, offset = fit(*given, **SOLVER, tolerance=1e-9)
    best = objective(weights, offset, *given, **SOLVER)
    rng = np.random.default_rng(1)
    for _ in range(30):
        step = 1e-3 * np.linalg.norm(weights) * rng.normal(size=len(weights)) / 8
        assert objective(weights + step, offset + 1e-3 * rng.normal(), *given, **SOLVER) > best


def test_one_feature_by_hand():
    # Two points at +-1, separable: w minimises w^2 / 2 + C (2 + 1) (1 - w) up to w = 1, with b = 0 only nearly.
    weights, offset = fit(np.array([[1.0]]), np.array([[-1.0]]), C=0.1, positive_weight=1, bias=1, tolerance=1e-9)
    assert weights[0] == pytest.approx(0.2, abs=1e-6)  # alphas at their bound: w = C + C
    assert offset == pytest.approx(0, abs=1e-6)


def test_positive_weight_counts_each_positive_twice():
    positives, negatives = examples(positives=5)
    doubled = fit(np.repeat(positives, 2, axis=0), negatives, C=1e-3, positive_weight=1, bias=10, tolerance=1e-9)
    weighted = fit(positives, negatives, **SOLVER, tolerance=1e-9)
    assert weighted[0] == pytest.approx(doubled[0], abs=1e-5)
    assert weighted[1] == pytest.approx(doubled[1], abs=1e-4)


def test_bias_is_a_constant_feature_of_that_value():
    positives, negatives = examples()
    weights, offset = fit(positives, negatives, **SOLVER, tolerance=1e-9)
    x = np.concatenate([positives, negatives])
    x = np.hstack([x, np.full((len(x), 1), 10)])
    plain = LinearSVC(loss="hinge", C=1e-3, class_weight={1: 2}, fit_intercept=False, tol=1e-9, max_iter=10**6)
    plain.fit(x, np.repeat([1, -1], [len(positives), len(negatives)]))
    assert weights == pytest.approx(plain.coef_[0, :-1], abs=1e-5)
    assert offset == pytest.approx(plain.coef_[0, -1] * 10, abs=1e-4)


def test_equal_seeds_give_equal_bits():
    given = examples()
    first, second = fit(*given, **SOLVER, seed=3), fit(*given, **SOLVER, seed=3)
    assert np.array_equal(first[0], second[0])
    assert first[1] == second[1]


def test_no_convergence_is_a_one_line_error(monkeypatch):
    monkeypatch.setattr("tracklearn.detection.hinge.MOST_PASSES", 1)
    with pytest.raises(UserError, match="C = 1000 did not converge in 1 passes over 308 windows"):
        fit(*examples(), C=1000, positive_weight=2, bias=10, tolerance=1e-9)
