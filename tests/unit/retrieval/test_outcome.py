import json

import numpy as np
import pytest
from reference.retrieval import loops_figures

from tracklearn.retrieval.labelled import LabelledWindows
from tracklearn.retrieval.outcome import figures, image_sums, write_outcome
from tracklearn.tables.bootstrap import image_draws

CLASSES = ("disc", "star", "box")


def windows_of(ids, images, labels):
    count = len(images)
    boxes = np.arange(4 * count, dtype=np.float32).reshape(count, 4)
    return LabelledWindows(ids, np.array(images), np.arange(count), boxes, np.array(labels))


QUERIES = windows_of(["a", "none", "b"], [0, 0, 2], [0, 0, 1])  # two discs in image a, a star in b
DATABASE = windows_of(["t"], [0, 0, 0, 0], [0, 1, 1, 0])


def test_figures_by_hand():
    correct = np.array([[True, True, False, False], [False, False, False, False], [True, False, False, False]])
    found = figures(image_sums(correct, QUERIES, 3), np.array([[1, 1, 1], [0, 5, 1], [2, 0, 0], [0, 1, 0]]))
    np.testing.assert_allclose(found["precision"], [25, 25, 25, np.nan])
    np.testing.assert_allclose(found["hit_rate"], [200 / 3, 100, 50, np.nan])
    np.testing.assert_allclose(found["precision_class_mean"], [(25 + 25) / 2, 25, 25, np.nan])
    np.testing.assert_allclose(found["hit_rate_class_mean"], [(50 + 100) / 2, 100, 50, np.nan])


def test_figures_are_those_of_loops_in_every_draw():
    rng = np.random.default_rng(1)
    labels, images = rng.integers(0, 3, 40), np.sort(rng.integers(0, 12, 40))
    found = rng.integers(0, 3, (40, 5))
    queries = windows_of([f"{index}" for index in range(12)], images, labels)
    weights = image_draws(12, 20)
    replicates = figures(image_sums(found == labels[:, None], queries, 3), weights)
    for draw, counts in enumerate(weights):
        for name, value in loops_figures(found, labels, images, counts).items():
            assert replicates[name][draw] == pytest.approx(value), name


def outcome(folder, neighbours, **shared):
    files = {"cell": folder / "cell.json", "replicates": folder / "draws.npz", "nearest": folder / "nearest.npz"}
    scores = np.linspace(1, 0, neighbours.size).reshape(neighbours.shape)
    metrics = write_outcome(
        QUERIES, DATABASE, neighbours, scores, classes=CLASSES, shared=shared, draws=50, runs=["r"], **files
    )
    return metrics, files


def test_the_cell_the_replicates_and_the_nearest_windows(tmp_path):
    metrics, files = outcome(tmp_path, np.array([[0, 3], [1, 2], [-1, -1]]), ridge=0.01)
    assert metrics["precision"] == pytest.approx(100 / 3) and metrics["queries_without_neighbours"] == 1
    cell = json.loads(files["cell"].read_text())
    assert cell["value"] == pytest.approx(100 / 3)
    assert (cell["k"], cell["queries"], cell["windows"], cell["images"], cell["classes"]) == (2, 3, 4, 3, 2)
    assert (cell["chance"], cell["runs"], cell["ridge"], cell["reason"]) == (50, ["r"], 0.01, None)
    assert list(cell["figures"]) == ["precision", "hit_rate", "precision_class_mean", "hit_rate_class_mean"]
    assert cell["by_class"]["star"] == {
        "precision": 0, "hit_rate": 0, "chance": 50, "queries": 1, "reason": None,
    }  # fmt: skip
    assert cell["by_class"]["box"]["precision"] is None
    assert cell["by_class"]["box"]["reason"] == "no object of this class in the evaluation images"
    with np.load(files["replicates"]) as stored:
        low, high = np.nanpercentile(stored["precision"], [2.5, 97.5])
        assert stored["precision"].shape == (50,)
    assert cell["interval"] == pytest.approx([low, high])
    with np.load(files["nearest"]) as stored:
        assert stored["image"].tolist() == ["a", "a", "b"]
        assert stored["nearest_image"].tolist() == [[0, 0], [0, 0], [-1, -1]]
        assert stored["nearest_label"][:2].tolist() == [[0, 0], [1, 1]]
        np.testing.assert_array_equal(stored["nearest_box"][1], DATABASE.boxes[[1, 2]])


def test_replicates_of_two_systems_are_paired(tmp_path):
    (tmp_path / "other").mkdir()
    _, first = outcome(tmp_path, np.array([[0, 3], [1, 2], [1, 2]]))
    _, second = outcome(tmp_path / "other", np.array([[0, 1], [1, 2], [1, 0]]))
    with np.load(first["replicates"]) as a, np.load(second["replicates"]) as b:
        # The second system finds half of what the first finds, in every query. Draws of other images would not agree.
        np.testing.assert_allclose(b["precision"], a["precision"] / 2)
        assert len(np.unique(a["precision"][np.isfinite(a["precision"])])) > 2
