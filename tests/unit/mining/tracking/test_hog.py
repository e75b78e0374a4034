import numpy as np
import pytest
from reference.mining import loops_hog

from tracklearn.mining.tracking.hog import hog


def noise(height, width):
    return np.random.default_rng(3).uniform(0, 255, (height, width)).astype(np.float32)


def test_features_are_those_of_the_loops():
    patch = noise(20, 28)
    patch[:8, :8] *= 0.01  # nearly flat, where the floor of the energy counts
    expected = np.moveaxis(np.array(loops_hog(patch)), -1, 0)
    assert hog(patch).shape == expected.shape == (31, 5, 7)
    assert np.abs(hog(patch) - expected).max() < 1e-5


def test_a_vertical_edge_points_right():
    """An edge from dark left to bright right votes for signed orientation 0, its mirror image for the opposite, 9."""
    edge = np.zeros((16, 16), np.float32)
    edge[:, 8:] = 100
    for patch, orientation in ((edge, 0), (edge[:, ::-1].copy(), 9)):
        features = hog(patch)
        assert np.flatnonzero(features[:18].sum(axis=(1, 2))).tolist() == [orientation]
        assert np.flatnonzero(features[18:27].sum(axis=(1, 2))).tolist() == [0]
        assert features[orientation].max() == pytest.approx(0.4)  # clipped at 0.2 in all four blocks


def test_brightness_and_contrast_change_little():
    patch = noise(24, 24)
    assert hog(0.5 * patch + 40) == pytest.approx(hog(patch), abs=1e-3)


def test_a_window_weighs_the_cells():
    window = np.linspace(0, 1, 36, dtype=np.float32).reshape(6, 6)
    assert hog(noise(24, 24), window) == pytest.approx(hog(noise(24, 24)) * window, abs=1e-6)
