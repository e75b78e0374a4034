import numpy as np
import pytest
from world_generator.kinect import STEP, filled, in_steps


def test_depth_comes_in_steps_of_inverse_depth_up_to_10_metres():
    depth = np.array([[0.0, 1 / (200 * STEP), 1 / (200.4 * STEP), 1 / (200.6 * STEP), 10.5]])
    expected = [[0, 1 / (200 * STEP), 1 / (200 * STEP), 1 / (201 * STEP), 0]]
    assert in_steps(depth, np.random.default_rng(0), noise=0) == pytest.approx(np.array(expected))


def test_noise_has_its_size_in_steps_at_any_depth():
    rng = np.random.default_rng(0)
    for metres in (1, 4):
        noisy = in_steps(np.full((200, 200), metres, float), rng, noise=3)
        assert np.std(1 / noisy) == pytest.approx(3 * STEP, rel=0.02)


def test_holes_take_the_depth_of_the_nearest_pixel():
    assert filled(np.array([[1.0, 0, 0, 0, 0, 2]])).tolist() == [[1, 1, 1, 2, 2, 2]]
    assert filled(np.array([[0.0, 0], [0, 3], [0, 0]])).tolist() == [[3, 3]] * 3
