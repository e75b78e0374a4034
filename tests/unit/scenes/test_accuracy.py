import json

import numpy as np
import pytest
from PIL import Image
from reference.scenes import loops_accuracies

from tracklearn.errors import UserError
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import save_weights
from tracklearn.scenes.accuracy import figures
from tracklearn.scenes.by_gist import gist_accuracy
from tracklearn.scenes.by_network import network_accuracy
from tracklearn.tables.bootstrap import image_draws, interval


def test_figures_by_hand():
    labels = np.array([0, 0, 0, 1])
    right = np.array([True, True, False, False])
    values, draws = figures({"": right, "knn_": ~right}, labels, classes=3, draws=20)
    assert values == {
        "accuracy": 50, "accuracy_class_mean": pytest.approx(100 / 3),
        "knn_accuracy": 50, "knn_accuracy_class_mean": pytest.approx(200 / 3),
    }  # fmt: skip
    assert {name: len(each) for name, each in draws.items()} == dict.fromkeys(values, 20)


def test_replicates_are_those_of_the_loops():
    rng = np.random.default_rng(0)
    labels, right = rng.integers(0, 4, 30), rng.random(30) < 0.6
    values, draws = figures({"": right}, labels, classes=4, draws=25)
    for row, counts in enumerate(image_draws(30, 25)):
        over_images, over_classes = loops_accuracies(right, labels.tolist(), counts.tolist())
        assert draws["accuracy"][row] == pytest.approx(over_images)
        assert draws["accuracy_class_mean"][row] == pytest.approx(over_classes)
    assert values["accuracy"] == pytest.approx(100 * right.mean())
    low, high = interval(draws["accuracy"])
    assert low < values["accuracy"] < high


def test_a_class_that_a_draw_lacks_does_not_count_in_it():
    _, draws = figures({"": np.array([True, False])}, np.array([0, 1]), classes=2, draws=50)
    assert set(draws["accuracy_class_mean"]) == {0, 50, 100}


def outputs(folder, name):
    """The files that a classification writes."""
    return {"cell": folder / f"{name}.json", "replicates": folder / f"{name}.npz", "confusion": folder / f"{name}.png"}


@pytest.fixture
def scenes(tmp_path):
    """Settings for photos of three categories: fine stripes along x, along y, and along y in red."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:60, :80]
    for name, place, blue in (("columns", x, 1), ("red rows", y, 0), ("rows", y, 1)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(12):
            wave = 127 + 80 * np.cos(place * 2 * np.pi * 0.3 + rng.uniform(0, 6))
            pixels = wave[..., None] * [1, 1, blue] + rng.normal(0, 10, (60, 80, 3))
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / f"photos/{name}/{index}.png")
    return {
        "root": str(tmp_path / "photos"), "lists": None, "train_share": 0.6, "bootstrap": 30,
        "gist": {"size": 32, "orientations": [4], "cells": 2}, "neighbours": {"k": 3},
        "softmax": {"C": [1, 100]}, "svm": {"kernels": ["linear"], "C": [10]},
    }  # fmt: skip


@pytest.fixture
def weights(tmp_path):
    net = CaffeNet(width=1 / 8, input_size=67, fc7=32, conv_std=0.05, seed=1)
    save_weights(tmp_path / "net.safetensors", net)
    return tmp_path / "net.safetensors"


def test_gist_tells_the_scenes_apart_and_the_cell_says_how(scenes, tmp_path):
    values = gist_accuracy(settings=scenes, **outputs(tmp_path, "gist"), runs=["r"])
    assert values == dict.fromkeys(values, 100)
    cell = json.loads((tmp_path / "gist.json").read_text())
    assert (cell["value"], cell["interval"], cell["reason"]) == (100, [100, 100], None)
    assert list(cell["figures"]) == ["accuracy", "accuracy_class_mean", "knn_accuracy", "knn_accuracy_class_mean"]
    assert (cell["features"], cell["chosen"], cell["k"], cell["runs"]) == ("GIST", "linear, C 10", 3, ["r"])
    assert (cell["train_images"], cell["images"]) == (21, 15)
    assert cell["classes"]["red rows"] == {
        "train_images": 7, "images": 5, "accuracy": 100, "knn_accuracy": 100, "reason": None,
    }  # fmt: skip
    assert (tmp_path / "gist.png").exists()
    stored = np.load(tmp_path / "gist.npz")
    assert {name: stored[name].shape for name in stored} == dict.fromkeys(cell["figures"], (30,))


def test_a_random_network_beats_chance_and_its_figures_repeat(scenes, weights, tmp_path):
    written = outputs(tmp_path, "a")
    values = network_accuracy(settings=scenes, weights=weights, **written)
    assert min(values.values()) > 50
    cell = json.loads(written["cell"].read_text())
    assert cell["features"] == "pool5" and set(cell["held_out_accuracy"]) == {"C 1", "C 100"}
    assert network_accuracy(settings=scenes, weights=weights, **written) == values
    other = scenes | {"layer": "fc6", "softmax": {"C": [1]}}
    network_accuracy(settings=other, weights=weights, **written)
    assert json.loads(written["cell"].read_text())["features"] == "fc6"


def test_a_layer_that_the_network_lacks_leaves_no_cell(scenes, weights, tmp_path):
    settings = scenes | {"layer": "fc8"}
    with pytest.raises(UserError, match=r"has no layer fc8; choose one of pool5, fc6, fc7$"):
        network_accuracy(settings=settings, weights=weights, **outputs(tmp_path, "a"))
    assert not any(path.exists() for path in outputs(tmp_path, "a").values())


def test_a_category_that_is_only_trained_says_so_in_the_cell(scenes, tmp_path):
    root = tmp_path / "photos"
    names = [f"{path.parent.name}/{path.name}" for path in sorted(root.rglob("*.png"))]
    test = [name for name in names if not name.startswith("columns") and name.endswith(("1.png", "2.png"))]
    (root / "train.txt").write_text("\n".join(name for name in names if name not in test))
    (root / "test.txt").write_text("\n".join(test))
    settings = scenes | {"lists": ["train.txt", "test.txt"]}
    values = gist_accuracy(settings=settings, **outputs(tmp_path, "gist"))
    assert values["accuracy_class_mean"] == 100
    columns = json.loads((tmp_path / "gist.json").read_text())["classes"]["columns"]
    assert columns["accuracy"] is None and columns["reason"] == "no test photo of this category"


def test_nets_tell_real_scenes_apart(real_data, tmp_path, weights):
    settings = {"root": str(real_data / "scenes_sun8"), "lists": None, "train_share": 0.2, "softmax": {"C": [10]}}
    values = network_accuracy(settings=settings, weights=weights, **outputs(tmp_path, "a"))
    assert values["accuracy"] > 40  # chance: 1 of 8
    assert values["knn_accuracy"] > 30
