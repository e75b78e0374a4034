import numpy as np
import pytest
from reference.scenes import loops_neighbours, loops_softmax_objective
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier

from tracklearn.errors import UserError
from tracklearn.scenes.classifiers import best_predictions, neighbour_predictions, softmax_candidates, svm_candidates
from tracklearn.settings.scenes import GistSvm, Softmax


def blobs(count=60, width=5, classes=3, noise=1.0, seed=0):
    """Features and labels of overlapping classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return (rng.normal(size=(classes, width))[labels] + noise * rng.normal(size=(count, width))).astype(
        np.float32
    ), labels


def test_softmax_minimises_its_objective():
    features, labels = blobs()
    (pipeline,) = softmax_candidates(Softmax(C=(3.0,)), width=5).values()
    pipeline.fit(features, labels)
    # With features x / sqrt(D) the weights are sqrt(D) times those of x.
    scaled = pipeline[0].transform(features).astype(float) / np.sqrt(5)
    weights, biases = pipeline[1].coef_ * np.sqrt(5), pipeline[1].intercept_
    assert scaled.std(axis=0) == pytest.approx(1 / np.sqrt(5), rel=1e-3)

    def objective(shift, of):
        moved = weights.copy()
        moved[of] += shift
        return loops_softmax_objective(moved.tolist(), biases.tolist(), scaled.tolist(), labels.tolist(), 3.0)

    for place in np.ndindex(*weights.shape):
        slope = (objective(1e-3, place) - objective(-1e-3, place)) / 2e-3
        assert abs(slope) < 0.05
        assert min(objective(0.1, place), objective(-0.1, place)) > objective(0, place)


@pytest.mark.parametrize(
    "candidates",
    [
        lambda width: softmax_candidates(Softmax(C=(0.1, 10)), width=width),
        lambda width: svm_candidates(GistSvm(C=(0.1, 10)), width=width),
    ],
    ids=["softmax", "SVM"],
)
def test_one_C_regularises_any_number_of_features_alike(candidates):
    features, labels = blobs(noise=2)
    for narrow, wide in zip(candidates(5).values(), candidates(20).values(), strict=True):
        narrow.fit(features, labels)
        wide.fit(np.tile(features, 4), labels)
        np.testing.assert_allclose(
            narrow.decision_function(features), wide.decision_function(np.tile(features, 4)), atol=5e-3
        )


def test_candidates_are_named_and_begin_with_the_most_regularised():
    assert list(softmax_candidates(Softmax(C=(10, 0.1)), width=2)) == ["C 0.1", "C 10"]
    named = list(svm_candidates(GistSvm(kernels=("rbf", "linear"), C=(1, 0.5)), width=2))
    assert named == ["rbf, C 0.5", "rbf, C 1", "linear, C 0.5", "linear, C 1"]


def test_the_best_on_held_out_photos_is_chosen_and_trained_on_all():
    features = np.array([[0.0], [1.0], [2.0], [3.0], [9.0]])
    labels = np.array([0, 0, 1, 1, 2])
    held_out = np.array([False, True, False, False, True])
    candidates = {
        "always 1": DummyClassifier(strategy="constant", constant=1),
        "nearest": KNeighborsClassifier(1),
        "nearest again": KNeighborsClassifier(1),
    }
    points = []
    predicted, chosen, accuracies = best_predictions(
        candidates,
        features,
        labels,
        np.array([[8.0], [0.2]]),
        held_out=held_out,
        report=lambda step, values: points.append((step, values["held_out_accuracy"])),
    )
    assert chosen == "nearest"
    assert accuracies == {"always 1": 0, "nearest": 50, "nearest again": 50}  # class 2 is held out alone
    assert predicted.tolist() == [2, 0]
    assert points == [(0, 0), (1, 50), (2, 50)]


def test_nothing_held_out_is_a_one_line_error():
    features, labels = blobs(count=3)
    with pytest.raises(UserError, match="scenes: no category has two training photos, so none can be held out"):
        best_predictions(softmax_candidates(Softmax(), width=5), features, labels, features, held_out=np.zeros(3, bool))


@pytest.mark.parametrize("k", [1, 7, 500])
def test_neighbours_are_those_of_the_loops(k):
    features, labels = blobs(classes=4)
    test, _ = blobs(count=25, classes=4, seed=1)
    found = neighbour_predictions(features, labels, test, k=k, temperature=0.1, classes=4)
    assert len(set(found)) > 1
    expected = loops_neighbours(features.tolist(), labels.tolist(), test.tolist(), k=k, temperature=0.1, classes=4)
    assert found.tolist() == expected


def test_votes_by_hand():
    # Cosines 1, 0.6 and 0.6: at temperature 1 two votes of exp(0.6) outweigh one of exp(1); at 0.1 they do not.
    features, labels = np.array([[2.0, 0.0], [3.0, 4.0], [0.6, -0.8]]), np.array([1, 0, 0])
    for temperature, expected in ((1.0, 0), (0.1, 1), (None, 0)):
        found = neighbour_predictions(features, labels, np.array([[5.0, 0.0]]), k=3, temperature=temperature, classes=2)
        assert found.tolist() == [expected]


def test_of_classes_with_equal_votes_the_first_wins():
    features, labels = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2, 1])
    near_class_2 = np.array([[0.9, 0.1]])  # class 2 is nearer, but each of the two votes counts 1
    assert neighbour_predictions(features, labels, near_class_2, k=2, temperature=None, classes=3).tolist() == [1]


def test_the_length_of_features_makes_no_difference_to_neighbours():
    features, labels = blobs()
    test, _ = blobs(count=25, seed=1)
    plain = neighbour_predictions(features, labels, test, k=5, temperature=0.07, classes=3)
    lengths = np.random.default_rng(2).uniform(0.1, 9, (60, 1))
    scaled = neighbour_predictions(features * lengths, labels, test * 3, k=5, temperature=0.07, classes=3)
    assert plain.tolist() == scaled.tolist()
