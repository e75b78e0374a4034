import json

import numpy as np
import pytest
import torch

from tracklearn.networks.of_normals import NormalsNet
from tracklearn.networks.weights import save_weights
from tracklearn.normals.angular_errors import angles
from tracklearn.normals.cells import at_pixels
from tracklearn.normals.scoring import baseline_row, network_row
from tracklearn.normals.true_normals import write_truth
from tracklearn.normals.truth import Truth

WORDS = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0], [-1, 0, 0]])


@pytest.fixture
def arguments(nyuv2, write_split, tmp_path):
    write_split(trainNdxs=range(1, 6), testNdxs=[6, 7, 8])
    write_truth(nyuv2, tmp_path / "truth.h5")
    np.savez(tmp_path / "codebook.npz", words=WORDS)
    return {
        "truth": tmp_path / "truth.h5",
        "codebook": tmp_path / "codebook.npz",
        "settings": {"nyuv2": str(tmp_path), "bootstrap": 20, "codebook": {"words": 4, "cells": 3}},
        "cell": tmp_path / "cell.json",
        "replicates": tmp_path / "replicates.npz",
        "runs": ["a"],
    }


def test_a_network_that_is_sure_of_one_word_errs_by_the_angles_to_it(arguments, tmp_path):
    net = NormalsNet(cells=3, words=4, width=0.1, input_size=67)
    with torch.no_grad():
        net.fc7.weight.zero_()
        net.fc7.bias.copy_(torch.tensor([0, 0, 100.0, 0]).repeat(9))
    save_weights(tmp_path / "net.safetensors", net, metadata={"training": "normals", "cells": 3, "words": 4})
    values = network_row(**arguments, weights=tmp_path / "net.safetensors")
    with Truth(arguments["truth"]) as truth:
        errors = [angles(np.broadcast_to(WORDS[2], truth[image].shape), truth[image]) for image in (5, 6, 7)]
    pooled = np.concatenate(errors)
    assert values["mean"] == pytest.approx(pooled.mean(), abs=0.01)
    assert values["within_30"] == pytest.approx(100 * (pooled < 30).mean(), abs=0.05)
    assert values["image_mean"] == pytest.approx(np.mean([each.mean() for each in errors]), abs=0.01)
    cell = json.loads(arguments["cell"].read_text())
    assert (cell["images"], cell["papers_images"], cell["runs"]) == (3, False, ["a"])
    assert (cell["height"], cell["width"]) == (48, 64)


def test_what_needs_no_network_is_scored_by_its_own_rule(arguments):
    values = {
        method: baseline_row(**arguments | {"codebook": codebook}, method=method)["mean"]
        for method, codebook in {"camera_axis": None, "mean_cells": None, "words": arguments["codebook"]}.items()
    }
    with Truth(arguments["truth"]) as truth:
        towards = np.concatenate([angles(np.broadcast_to([0, 0, 1.0], truth[i].shape), truth[i]) for i in (5, 6, 7)])
        mean = np.zeros((3, 3, 3))
        for image in range(5):  # the training images alone
            for row in range(3):
                for column in range(3):
                    part = truth[image][16 * row : 16 * row + 16, 64 * column // 3 : 64 * (column + 1) // 3]
                    total = part.sum(axis=(0, 1), dtype=np.float64)
                    mean[row, column] += total / np.linalg.norm(total)
        predicted = at_pixels(mean / np.linalg.norm(mean, axis=-1, keepdims=True), truth.size)
        by_mean = np.concatenate([angles(predicted, truth[image]) for image in (5, 6, 7)])
    assert values["camera_axis"] == pytest.approx(towards.mean(), abs=0.01)
    assert values["mean_cells"] == pytest.approx(by_mean.mean(), abs=0.01)
    assert values["words"] < values["camera_axis"]
