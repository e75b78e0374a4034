"""The linear SVM with the L1 hinge that R-CNN takes from liblinear."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from tracklearn.errors import UserError

MOST_PASSES = 20_000


def fit(
    positives: np.ndarray,
    negatives: np.ndarray,
    *,
    C: float,
    positive_weight: float,
    bias: float,
    tolerance: float = 1e-4,
    seed: float = 0,
) -> tuple[np.ndarray, float]:
    """Weights (D,) float32 and bias that minimise `objective`, by liblinear's dual coordinate descent.

    Args:
        positives, negatives: (P, D) and (N, D), neither empty.
        bias: value of the constant feature; the larger, the less the bias is regularised.
        tolerance: on the projected gradient of the dual.

    Raises:
        UserError: no convergence.
    """
    examples = np.concatenate([positives, negatives]).astype(np.float64)
    signs = np.repeat([1, -1], [len(positives), len(negatives)])
    model = LinearSVC(
        loss="hinge",
        C=C,
        class_weight={1: positive_weight, -1: 1},
        intercept_scaling=bias,
        dual=True,
        tol=tolerance,
        max_iter=MOST_PASSES,
        random_state=int(seed),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(examples, signs)
        except ConvergenceWarning as error:
            raise UserError(
                f"detection.svm: C = {C} did not converge in {MOST_PASSES} passes over {len(signs)} windows; "
                "expected convergence within them: lower C or raise the tolerance"
            ) from error
    return model.coef_[0].astype(np.float32), float(model.intercept_[0])


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
