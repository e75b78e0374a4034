import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from reference.retrieval import loops_elda_scores, loops_ranking

from tracklearn.errors import UserError
from tracklearn.retrieval import elda
from tracklearn.retrieval.elda import elda_precision, rank, train
from tracklearn.retrieval.labelled import annotated_windows, windows_on_objects
from tracklearn.retrieval.statistics import Statistics, hog_statistics, read_statistics
from tracklearn.retrieval.templates import Shape, describe, nearest_shapes, template_shapes
from tracklearn.voc.annotations import Voc
from tracklearn.voc.proposals_file import write_proposals

CPU = torch.device("cpu")
TEMPLATES = {"cells": 12, "shapes": 11}
SHAPES = template_shapes(12, 11)


def white(variance, mean=0.25, reach=3):
    """Statistics of cells that are independent of each other."""
    covariance = np.zeros((reach, 2 * reach - 1, 31, 31))
    covariance[0, reach - 1] = variance * np.eye(31)
    return Statistics(np.full(31, mean), covariance, 1)


def test_with_independent_cells_the_detector_is_a_scaled_difference_from_the_mean():
    x = np.random.default_rng(0).random((4, 31 * 6), np.float32)
    (weights, biases), ridge = train(x, white(0.04), Shape(2, 3), ridge=0.01, device=CPU)
    np.testing.assert_allclose(weights, (x - 0.25) / 0.05, rtol=1e-5)
    np.testing.assert_allclose(biases, -((x**2 - 0.25**2) / 0.05).sum(axis=1) / 2, rtol=1e-5)
    assert ridge == 0.01


def test_the_score_is_the_likelihood_ratio_of_two_normal_distributions():
    x, h = np.random.default_rng(1).random((2, 31 * 4), np.float32)
    statistics = white(0.02)
    (weights, biases), _ = train(x[None], statistics, Shape(2, 2), ridge=0.01, device=CPU)
    ratio = (((h - 0.25) ** 2).sum() - ((h - x) ** 2).sum()) / (2 * 0.03)
    assert float(weights[0] @ torch.from_numpy(h) + biases[0]) == pytest.approx(ratio, rel=1e-4)


def test_the_mean_itself_scores_below_zero_and_the_query_above():
    x = np.random.default_rng(2).random((3, 31 * 4), np.float32)
    (weights, biases), _ = train(x, white(0.02), Shape(2, 2), ridge=0.01, device=CPU)
    assert ((weights * torch.from_numpy(x)).sum(dim=1) + biases > 0).all()
    assert (weights.sum(dim=1) * 0.25 + biases < 0).all()


def test_the_ridge_grows_until_the_covariance_is_positive_definite():
    statistics = white(0.02)
    statistics.covariance[0, [1, 3]] = 0.05 * np.eye(31)  # cells that vary more together than alone
    _, ridge = train(np.ones((1, 31 * 2), np.float32), statistics, Shape(1, 2), ridge=0.001, device=CPU)
    assert ridge == pytest.approx(0.1)
    statistics.covariance[0, [1, 3]] *= 1000
    with pytest.raises(UserError, match="template of 1 x 2 cells is not positive definite; its statistics need more"):
        train(np.ones((1, 31 * 2), np.float32), statistics, Shape(1, 2), ridge=0.001, device=CPU)


@pytest.fixture
def world(devkit, tmp_path):
    """Arguments of `elda_precision`; proposals lie around the objects of the training images."""
    photos, rng = Voc(devkit), np.random.default_rng(0)
    ids = photos.images("train")
    boxes = [np.repeat(photos.objects(image).boxes, 4, axis=0) for image in ids]
    shaken = [np.clip(each + rng.integers(-5, 6, each.shape), 0, 89).astype(np.float32) for each in boxes]
    write_proposals(tmp_path / "train.npz", ids, shaken)
    hog_statistics(voc=devkit, year=2012, image_set="train", **TEMPLATES, out=tmp_path / "statistics.npz")
    return {
        "voc": devkit, "year": 2012, "image_set": "val", "proposals": [tmp_path / "train.npz"],
        "statistics": tmp_path / "statistics.npz", "k": 4, "draws": 20, "elda": TEMPLATES | {"ridge": 0.1},
        "cell": tmp_path / "cell.json", "replicates": tmp_path / "draws.npz", "nearest": tmp_path / "nearest.npz",
    }  # fmt: skip


@pytest.mark.parametrize("at_once", [3, 1024])
def test_the_ranking_is_that_of_loops(world, at_once, monkeypatch):
    monkeypatch.setattr(elda, "AT_ONCE", at_once)
    photos, ids = Voc(world["voc"]), ["val_0", "val_1", "val_2"]
    queries = annotated_windows(ids, [photos.objects(image) for image in ids], of="here")
    proposals = elda.read_proposals(world["proposals"])
    database = windows_on_objects(photos, proposals, k=1)
    statistics = read_statistics(world["statistics"])
    windows, scores, _ = rank(photos, queries, database, statistics, shapes=SHAPES, ridge=0.1, k=5, threads=2)
    chosen = nearest_shapes(queries.boxes, SHAPES)
    assert len(np.unique(chosen)) == 2
    with ThreadPoolExecutor(1) as pool:
        for query, index in enumerate(chosen):
            shape = SHAPES[index]
            x = describe(photos, queries, [shape], pool)[0][query]
            hogs = describe(photos, database, [shape], pool)[0]
            mean = np.repeat(statistics.mean, shape.cells)
            expected = loops_elda_scores([x], hogs, mean, statistics.of_template(shape).astype(float), 0.1)[0]
            assert windows[query].tolist() == loops_ranking(expected, 5)
            np.testing.assert_allclose(scores[query], np.sort(expected)[::-1][:5], rtol=1e-3, atol=1e-3)


def test_the_cell_of_elda(world):
    metrics = elda_precision(**world, runs=["r"])
    cell = json.loads(world["cell"].read_text())
    assert (metrics["queries"], cell["k"], metrics["images"]) == (6, 4, 3)
    assert cell["value"] == metrics["precision"] and cell["ridge"] == metrics["ridge"] == 0.1
    with np.load(world["nearest"]) as found:
        assert found["score"].shape == (6, 4) and (np.diff(found["score"], axis=1) <= 0).all()


def test_the_number_of_threads_changes_nothing(world):
    assert elda_precision(**world) == elda_precision(**world, threads=3)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"k": 400}, "retrieval.k is 400, but only"),
        ({"image_set": "train"}, "image train_0 is in the training set 'retrieval database'"),
    ],
)
def test_bad_input_is_a_one_line_error(world, change, text):
    with pytest.raises(UserError, match=text):
        elda_precision(**world | change)
    assert not world["cell"].exists()
