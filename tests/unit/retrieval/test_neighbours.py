import numpy as np
import pytest

from tracklearn.retrieval.neighbours import nearest_labels


@pytest.mark.parametrize(("k", "block"), [(5, 7), (5, 300), (1, 40)])
def test_nearest_is_a_full_sort(k, block):
    rng = np.random.default_rng(3)
    queries, windows = (rng.normal(size=(count, 8)).astype(np.float32) for count in (30, 200))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    windows /= np.linalg.norm(windows, axis=1, keepdims=True)
    labels = rng.integers(0, 6, 200)
    blocks = ((windows[start : start + block], labels[start : start + block]) for start in range(0, 200, block))
    found, counts = nearest_labels(queries, blocks, k=k, classes=6)
    for query, names in zip(queries, found, strict=True):
        cosines = [float(query @ window) for window in windows]
        expected = [labels[index] for index in sorted(range(200), key=lambda index: -cosines[index])[:k]]
        assert sorted(names) == sorted(expected)
    assert counts.tolist() == [int((labels == label).sum()) for label in range(6)]
