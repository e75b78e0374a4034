import numpy as np
import pytest
import torch

from tracklearn.frozen.propagation import cells_near, propagate
from tracklearn.settings.frozen import Propagation


def frames_of(*rows):
    """Frames of one row of cells, each given by the angle of its feature in degrees; None is a feature of zeros."""
    angles = np.array([[np.nan if angle is None else np.radians(angle) for angle in row] for row in rows])
    return torch.tensor(np.nan_to_num(np.stack([np.cos(angles), np.sin(angles)], axis=1)), dtype=torch.float32)[
        :, :, None
    ]


def labels_of(row):
    return torch.tensor(row, dtype=torch.float32).T[:, None]  # (K, 1, W)


FIRST = labels_of([(1, 0), (0, 1), (1, 0)])
SETTINGS = {"context": 1, "radius": 2, "top_k": 1, "temperature": 0.1}


def carried(*rows, **settings):
    found = propagate(frames_of(*rows), FIRST, Propagation(**SETTINGS | settings))
    return [labels[:, 0].T.tolist() for labels in found]


def test_labels_follow_features_that_move():
    assert carried((0, 90, 30), (90, 0, 30), (30, 0, 90)) == [[[0, 1], [1, 0], [1, 0]], [[1, 0], [1, 0], [0, 1]]]


def test_labels_come_from_cells_nearby_alone():
    ((left, _, _),) = carried((0, 30, 90), (90, 0, 0), radius=1)
    assert left == [0, 1]  # the cell of 90 degrees is two cells away, the nearest of the others is that of 30 degrees
    assert carried((0, 30, 90), (90, 0, 0))[0][0] == [1, 0]


def test_weights_are_a_softmax_over_the_most_similar_cells():
    ((mixed, _, _),) = carried((0, 60, 180), (0, 0, 0), top_k=2, temperature=0.5)
    weights = np.exp(np.array([1, 0.5]) / 0.5)
    assert mixed == pytest.approx(weights / weights.sum())
    ((all_three, _, _),) = carried((0, 60, 180), (0, 0, 0), top_k=9, temperature=0.5)
    weights = np.exp(np.array([1, 0.5, -1]) / 0.5)
    assert all_three[1] == pytest.approx(weights[1] / weights.sum())


def test_the_first_frame_and_the_last_ones_are_asked():
    rows = ((0, 90, 30), (0, 0, 0), (90, 90, 90), (90, 90, 90))
    first_known = carried(*rows)[1]
    assert first_known == [[0, 1]] * 3  # frame 1 has no cell of 90 degrees, the first frame has
    rows = ((0, 90, 45), (45, 45, 45), (46, 46, 46), (46, 46, 46))
    assert carried(*rows, context=1)[2] == carried(*rows, context=3)[2] == [[1, 0]] * 3


def test_shares_of_labels_sum_to_one_for_features_of_zeros_too():
    for labels in carried((None, 90, 30), (0, None, 20), (None, None, None), top_k=2):
        assert np.sum(labels, axis=1) == pytest.approx([1, 1, 1])


def test_parts_of_the_cells_make_no_difference(monkeypatch):
    frames = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 6, 5, 7)).astype(np.float32))
    first = torch.eye(3)[torch.from_numpy(np.random.default_rng(1).integers(0, 3, (5, 7)))].permute(2, 0, 1)
    whole = list(propagate(frames, first, Propagation(radius=2)))
    monkeypatch.setattr("tracklearn.frozen.propagation.AT_ONCE", 100)
    for labels, expected in zip(propagate(frames, first, Propagation(radius=2)), whole, strict=True):
        torch.testing.assert_close(labels, expected)


def test_cells_are_near_in_rows_and_in_columns():
    cells, there = (part.view(3, 4, 9) for part in cells_near(3, 4, 1))
    assert cells[0, 2][there[0, 2]].tolist() == [1, 2, 3, 5, 6, 7]
    assert cells[1, 1].tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10] and there[1, 1].all()


@pytest.mark.parametrize("radius", [0, 1, 3, 9])
def test_labels_are_those_of_a_search_over_all_cells_without_those_far_away(radius):
    rng = np.random.default_rng(radius)
    frames = torch.from_numpy(rng.normal(size=(3, 6, 4, 7)).astype(np.float32))
    first = torch.from_numpy(rng.dirichlet(np.ones(3), (4, 7)).astype(np.float32)).permute(2, 0, 1)
    settings = Propagation(context=2, radius=radius, top_k=5, temperature=0.3)
    known, labels = [frames[0]], [first]
    for frame, found in zip(frames[1:], propagate(frames, first, settings), strict=True):
        expected = torch.zeros_like(first)
        for row, column in np.ndindex(4, 7):
            near = [
                (torch.cosine_similarity(frame[:, row, column], of[:, y, x], dim=0).item(), label[:, y, x])
                for of, label in zip(known, labels, strict=True)
                for y, x in np.ndindex(4, 7)
                if max(abs(y - row), abs(x - column)) <= radius
            ]
            best = sorted(near, key=lambda each: -each[0])[:5]
            weights = np.exp(np.array([cosine for cosine, _ in best]) / 0.3)
            expected[:, row, column] = sum(
                float(weight) * label for weight, (_, label) in zip(weights / weights.sum(), best, strict=True)
            )
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        known.append(frame)
        labels.append(found)
