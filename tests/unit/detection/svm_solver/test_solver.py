import time

import numpy as np
import pytest
from reference.detection import svm_objective as objective
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from tracklearn.detection.svm_solver import solver
from tracklearn.detection.svm_solver.descent import sparse_rows
from tracklearn.errors import UserError

SOLVER = {"C": 1e-3, "positive_weight": 2, "bias_feature": 10}
EXACT = SOLVER | {"tolerance": 1e-9}


@pytest.fixture(autouse=True)
def one_thread():
    """As in training, where each thread trains its own class."""
    with threadpool_limits(1):
        yield


def examples(seed=0, positives=8, negatives=300, size=64):
    rng = np.random.default_rng(seed)
    x = np.maximum(rng.normal(size=(positives + negatives, size)), 0)
    x[:positives] += 0.3 * rng.random(size)
    x *= 20 / np.linalg.norm(x, axis=1).mean()
    return x[:positives].astype(np.float32), x[positives:].astype(np.float32)


def nearly_constant(negatives=3000, size=1024, positives=20):
    """Features as a weakly trained network gives them: all rows are nearly the same; they vary in 30 directions."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(30, size)) / np.arange(1, 31)[:, None]
    x = rng.random(size) + 0.005 * rng.normal(size=(positives + negatives, 30)) @ directions
    x[:positives] += 0.01 * rng.random(size)
    x *= 20 / np.linalg.norm(x, axis=1).mean()
    return x[:positives].astype(np.float32), x[positives:].astype(np.float32)


def rectified(positives=30, negatives=1500, size=256):
    """Features of which 80% are zero, as ReLU leaves them, and negatives that look like positives in part."""
    rng = np.random.default_rng(0)
    strength = np.r_[rng.uniform(0.4, 1.3, positives), rng.uniform(0, 0.8, negatives)]
    x = np.maximum(rng.normal(size=(len(strength), size)) + strength[:, None] * rng.normal(size=size) - 0.95, 0)
    x *= 20 / np.linalg.norm(x, axis=1).mean()
    return x[:positives].astype(np.float32), x[positives:].astype(np.float32)


def fit(positives, negatives, **arguments):
    return solver.fit(sparse_rows(np.concatenate([positives, negatives])), len(positives), **arguments)


def liblinear(positives, negatives, *, C=1e-3, tolerance=1e-6):
    """Weights and bias of the peer at a small tolerance."""
    model = LinearSVC(
        loss="hinge", C=C, class_weight={1: 2}, intercept_scaling=10, tol=tolerance, max_iter=10**6, random_state=0
    )
    signs = np.repeat([1, -1], [len(positives), len(negatives)])
    model.fit(np.concatenate([positives, negatives]).astype(np.float64), signs)
    return model.coef_[0], float(model.intercept_[0])


CASES = {
    "one positive": examples(positives=1),
    "more windows than features": examples(positives=60, negatives=900, size=32),
    "fewer windows than features": examples(negatives=80, size=500),
    "duplicates": tuple(np.repeat(each, 4, axis=0) for each in examples(negatives=100)),
    "coarse levels": examples(positives=30, negatives=5000, size=32),
    "nearly constant": nearly_constant(negatives=200, size=64),
    "mostly zeros": rectified(),
    "a row of zeros": tuple(np.vstack([each, np.zeros_like(each[:1])]) for each in examples()),
}


@pytest.mark.parametrize("C", [1e-3, 4e-3])
@pytest.mark.parametrize("case", CASES)
def test_gap_bounds_the_distance_to_the_least_objective(case, C):
    given, solver = CASES[case], SOLVER | {"C": C}
    found = fit(*given, **solver)
    reached = objective(found.weights, found.bias, *given, **solver)
    best = objective(*liblinear(*given, C=C), *given, **solver)
    assert -1e-6 < (reached - best) / reached <= found.gap + 1e-7 <= 1e-4 + 1e-7


def test_separable_with_a_large_C():
    positives, negatives = examples(positives=20, size=200)
    positives = positives + 2
    found = fit(positives, negatives, C=1, positive_weight=2, bias_feature=10)
    assert found.gap <= 1e-4
    assert (positives @ found.weights + found.bias).min() > 0.999
    assert (negatives @ found.weights + found.bias).max() < -0.999


def test_nearly_constant_rows_take_less_than_a_second():
    given = nearly_constant()
    fit(*CASES["one positive"], **SOLVER)
    start = time.process_time()
    found = fit(*given, **SOLVER)
    assert time.process_time() - start < 1
    assert found.gap <= 1e-4


@pytest.mark.parametrize("case", CASES)
def test_a_warm_start_leads_to_the_same_solution(case):
    positives, negatives = CASES[case]
    cold = fit(positives, negatives, **EXACT)
    half = fit(positives, negatives[: len(negatives) // 2], **EXACT)
    known = np.append(half.alpha, np.zeros(len(negatives) - len(negatives) // 2))
    for start in (known, cold.alpha, np.full(len(known), 1.0)):  # the last one is beyond the bounds
        warm = fit(positives, negatives, **EXACT, start=start)
        assert warm.weights == pytest.approx(cold.weights, abs=1e-4)
        assert warm.bias == pytest.approx(cold.bias, abs=1e-3)
        assert max(cold.gap, warm.gap) < 1e-7  # the weights are in single precision


def test_the_multipliers_make_the_weights():
    positives, negatives = CASES["mostly zeros"]
    found = fit(positives, negatives, **EXACT)
    signs = np.repeat([1, -1], [len(positives), len(negatives)])
    assert (np.concatenate([positives, negatives]).T @ (signs * found.alpha)) == pytest.approx(found.weights, abs=1e-5)
    assert 100 * (signs @ found.alpha) == pytest.approx(found.bias, abs=1e-5)  # the square of the constant feature
    assert found.alpha.min() >= 0
    assert found.alpha.max() <= 2e-3


def test_rows_are_stored_without_zeros():
    features = np.array([[0, 2, 0], [0, 0, 0], [3, 0, -1]], np.float32)
    rows = sparse_rows(features)
    assert rows.data.tolist() == [2, 3, -1]
    assert rows.data.dtype == np.float32
    assert np.array_equal(rows.toarray(), features)
    assert sparse_rows(features[:0]).shape == (0, 3)


def test_the_same_examples_give_the_same_bits():
    one, two = (fit(*CASES["mostly zeros"], **SOLVER) for _ in range(2))
    assert np.array_equal(one.weights, two.weights)
    assert np.array_equal(one.alpha, two.alpha)


@pytest.mark.parametrize("most", [0, 50])
def test_too_many_working_rows_move_in_part(monkeypatch, most):
    given = nearly_constant(negatives=400, size=64)
    whole = fit(*given, **EXACT)
    monkeypatch.setattr(solver, "MOST_TOGETHER", most or 1)
    monkeypatch.setattr(solver, "MOST_EPOCHS", 200)
    part = fit(*given, **SOLVER)
    best = objective(whole.weights, whole.bias, *given, **SOLVER)
    assert (objective(part.weights, part.bias, *given, **SOLVER) - best) / best <= part.gap + 1e-7


def test_no_direction_lowers_the_objective():
    given = examples()
    weights, offset, *_ = fit(*given, **EXACT)
    best = objective(weights, offset, *given, **SOLVER)
    rng = np.random.default_rng(1)
    for _ in range(30):
        step = 1e-3 * np.linalg.norm(weights) * rng.normal(size=len(weights)) / 8
        assert objective(weights + step, offset + 1e-3 * rng.normal(), *given, **SOLVER) > best


def test_one_feature_by_hand():
    # Two points at +-1, both inside the margin: alphas at their bound, w = C + C, and b = 0 by symmetry.
    weights, offset, gap, _ = fit(
        np.array([[1.0]]), np.array([[-1.0]]), C=0.1, positive_weight=1, bias_feature=1, tolerance=1e-9
    )
    assert weights[0] == pytest.approx(0.2, abs=1e-6)
    assert offset == pytest.approx(0, abs=1e-6)
    assert gap < 1e-9


def test_positive_weight_counts_each_positive_twice():
    positives, negatives = examples(positives=5)
    twice = np.repeat(positives, 2, axis=0)
    doubled = fit(twice, negatives, C=1e-3, positive_weight=1, bias_feature=10, tolerance=1e-9)
    weighted = fit(positives, negatives, **EXACT)
    assert weighted.weights == pytest.approx(doubled.weights, abs=1e-5)
    assert weighted.bias == pytest.approx(doubled.bias, abs=1e-4)


def test_bias_is_a_constant_feature_of_that_value():
    positives, negatives = examples()
    weights, offset, *_ = fit(positives, negatives, **EXACT)
    x = np.concatenate([positives, negatives])
    x = np.hstack([x, np.full((len(x), 1), 10)])
    plain = LinearSVC(loss="hinge", C=1e-3, class_weight={1: 2}, fit_intercept=False, tol=1e-9, max_iter=10**6)
    plain.fit(x, np.repeat([1, -1], [len(positives), len(negatives)]))
    assert weights == pytest.approx(plain.coef_[0, :-1], abs=1e-5)
    assert offset == pytest.approx(plain.coef_[0, -1] * 10, abs=1e-4)


def test_a_stopped_solver_returns_its_gap(monkeypatch):
    monkeypatch.setattr(solver, "MOST_ROUNDS", 2)
    given = examples()
    found = fit(*given, **SOLVER)
    reached = objective(found.weights, found.bias, *given, **SOLVER)
    best = objective(*liblinear(*given), *given, **SOLVER)
    assert 1e-4 < (reached - best) / reached <= found.gap


def test_features_that_are_not_finite_are_a_one_line_error():
    positives, negatives = examples()
    negatives[7, 3] = np.nan
    with pytest.raises(UserError, match=r"^detection\.svm: features are not finite; the network diverged"):
        fit(positives, negatives, **SOLVER)
