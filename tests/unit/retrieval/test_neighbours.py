from contextlib import contextmanager

import numpy as np
import pytest
import torch
from reference.retrieval import loops_ranking

from tracklearn.retrieval import neighbours
from tracklearn.retrieval.neighbours import Nearest, nearest_by_cosine, to_unit_length


def in_blocks(windows, size):
    return (windows[start : start + size] for start in range(0, len(windows), size))


@pytest.mark.parametrize(("k", "block", "at_once"), [(5, 7, 2048), (5, 300, 8), (1, 40, 2048), (20, 3, 11)])
def test_nearest_are_those_of_a_full_sort(k, block, at_once, monkeypatch):
    monkeypatch.setattr(neighbours, "AT_ONCE", at_once)
    rng = np.random.default_rng(3)
    queries, windows = (to_unit_length(rng.normal(size=(count, 8)).astype(np.float32)) for count in (30, 200))
    found, cosines = nearest_by_cosine(queries, in_blocks(windows, block), k=k)
    for query, own, own_cosines in zip(queries, found, cosines, strict=True):
        expected = [float(query @ window) for window in windows]
        assert own.tolist() == loops_ranking(expected, k)
        np.testing.assert_allclose(own_cosines, np.sort(expected)[::-1][:k], rtol=1e-5, atol=1e-6)


def test_places_that_are_left_have_no_window():
    nearest = Nearest(1, 3, torch.device("cpu"))
    nearest.meet(slice(0, 1), torch.tensor([[0.5, 0.75]]), 10)
    windows, scores = nearest.ranked()
    assert windows.tolist() == [[11, 10, -1]]
    assert scores.tolist() == [[0.75, 0.5, -np.inf]]


def test_queries_meet_only_what_they_are_shown():
    nearest = Nearest(3, 1, torch.device("cpu"))
    nearest.meet(torch.tensor([0, 2]), torch.tensor([[1.0, 2.0], [4.0, 3.0]]), 0)
    nearest.meet(torch.tensor([1]), torch.tensor([[5.0]]), 2)
    assert nearest.ranked()[0].tolist() == [[1], [2], [0]]


def test_a_query_of_zeros_has_no_neighbours():
    queries = to_unit_length(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32))
    windows = to_unit_length(np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]], np.float32))
    found, cosines = nearest_by_cosine(queries, [windows], k=2)
    assert found.tolist() == [[2, 0], [-1, -1]]
    np.testing.assert_allclose(cosines[0], [0.8, 0.6], rtol=1e-6)


def test_cosines_are_computed_in_fp32_though_the_features_are_not(monkeypatch):
    inside, met = [], []

    @contextmanager
    def set_precision(device, precision):
        inside.append(precision)
        yield
        inside.pop()

    def features():
        with set_precision(None, "tf32"):  # as features come: the precision stays while the generator waits
            yield np.eye(2, dtype=np.float32)
            yield np.eye(2, dtype=np.float32)

    monkeypatch.setattr(neighbours, "set_precision", set_precision)
    monkeypatch.setattr(Nearest, "meet", lambda *_: met.append(inside[-1]))
    nearest_by_cosine(np.eye(2, dtype=np.float32), features(), k=1)
    assert met == ["fp32", "fp32"] and not inside


def test_the_scale_of_features_changes_no_cosine():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6, 4)).astype(np.float32)
    np.testing.assert_allclose(to_unit_length(features.copy()), to_unit_length(16 * features), rtol=1e-6)
