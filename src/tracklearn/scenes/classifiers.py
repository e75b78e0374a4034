"""Classifiers of fixed features: linear softmax, SVM, and the vote of the nearest neighbours."""

from collections.abc import Mapping

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.svm import SVC

from tracklearn.errors import UserError
from tracklearn.report import Report, silent
from tracklearn.settings.scenes import GistSvm, Softmax

ITERATIONS = 1000  # of L-BFGS at most
TOLERANCE = 1e-5  # of the gradient of the mean loss; 1e-4 stops early where there are many features
KERNEL_CACHE_MB = 500


def softmax_candidates(settings: Softmax, *, width: int) -> dict[str, Pipeline]:
    """Linear softmax classifiers of standardised features by name, the most regularised first.

    Args:
        width: number of features D. The weight of the losses is C / D, so that one C regularises networks of any width
            alike.
    """
    return {
        f"C {c:g}": make_pipeline(StandardScaler(), LogisticRegression(C=c / width, max_iter=ITERATIONS, tol=TOLERANCE))
        for c in sorted(settings.C)
    }


def svm_candidates(settings: GistSvm, *, width: int) -> dict[str, Pipeline]:
    """SVMs of standardised features by name, one-vs-one.

    Args:
        width: number of features D. The kernels are x.y / D and exp(-|x - y|^2 / D).
    """
    scales = {"linear": 1 / width, "rbf": 1.0}  # scikit-learn's linear kernel is x.y: a factor on it is one on C
    return {
        f"{kernel}, C {c:g}": make_pipeline(
            StandardScaler(), SVC(kernel=kernel, C=c * scales[kernel], gamma=1 / width, cache_size=KERNEL_CACHE_MB)
        )
        for kernel in settings.kernels
        for c in sorted(settings.C)
    }


def best_predictions(
    candidates: Mapping[str, ClassifierMixin],
    features: np.ndarray,
    labels: np.ndarray,
    test: np.ndarray,
    *,
    held_out: np.ndarray,
    report: Report = silent,
) -> tuple[np.ndarray, str, dict[str, float]]:
    """Choose a classifier by its accuracy on held-out training photos, train it on all of them, and predict.

    Args:
        candidates: untrained classifiers by name; of several that are equally good, the first is chosen.
        features, labels: (N, D) and (N,) of the training photos.
        test: (M, D) features of the test photos.
        held_out: (N,) bool, the training photos that the choice rests on.

    Returns:
        The predicted labels (M,), the name of the chosen classifier, and the accuracy in percent of every candidate on
        the held-out photos.

    Raises:
        UserError: no photo is held out.
    """
    if not held_out.any():
        raise UserError(
            "scenes: no category has two training photos, so none can be held out to choose a classifier by; add photos"
        )
    accuracies = {}
    for step, (name, candidate) in enumerate(candidates.items()):
        trained = clone(candidate).fit(features[~held_out], labels[~held_out])
        accuracies[name] = 100 * float(np.mean(trained.predict(features[held_out]) == labels[held_out]))
        report(step, {"held_out_accuracy": accuracies[name]})
    chosen = max(accuracies, key=lambda name: accuracies[name])
    return clone(candidates[chosen]).fit(features, labels).predict(test), chosen, accuracies


def neighbour_predictions(
    features: np.ndarray,
    labels: np.ndarray,
    test: np.ndarray,
    *,
    k: int,
    temperature: float | None,
    classes: int,
) -> np.ndarray:
    """Predict by the vote of the k training photos nearest by cosine, each vote weighted exp(cosine / temperature).

    Without a temperature, each vote counts 1.

    Args:
        features, labels: (N, D) and (N,) of the training photos; with fewer than k photos, all of them vote.
        test: (M, D) features of the test photos.
        classes: number of classes C.

    Returns:
        The predicted labels (M,); of classes with equal votes, the first.

    Source: Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination, CVPR 2018, section 3.4.
    """
    k = min(k, len(labels))
    cosines = normalize(test) @ normalize(features).T  # (M, N)
    nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]  # (M, k)
    if temperature is None:
        weights = np.ones(nearest.shape)
    else:
        weights = np.exp((np.take_along_axis(cosines, nearest, axis=1) - 1) / temperature)
    votes = np.zeros((len(test), classes))
    np.add.at(votes, (np.arange(len(test))[:, None], labels[nearest]), weights)
    return votes.argmax(axis=1)
