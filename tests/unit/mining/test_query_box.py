import numpy as np
import pytest
from reference.mining import loops_best_box

from tracklearn.mining.query_box import best_box


@pytest.mark.parametrize("seed", range(12))
def test_the_box_is_that_of_the_loop(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 26, (rng.integers(1, 25), 2)).astype(np.float32)
    size, box = (int(rng.integers(12, 22)), int(rng.integers(12, 25))), int(rng.integers(1, 12))
    assert best_box(points, size, box) == loops_best_box(points, size, box)


def test_the_box_is_centred_on_its_points():
    """By hand: four points around (20, 30) lie in many windows of 15 pixels; the centred one is taken."""
    points = np.float32([[18, 28], [22, 28], [18, 32], [22, 32], [55, 5]])
    assert best_box(points, (60, 80), 15) == (13, 23, 4)


def test_the_box_stays_inside_the_frame():
    assert best_box(np.float32([[79, 59]]), (60, 80), 15) == (65, 45, 1)
    assert best_box(np.float32([[3, 3]]), (15, 15), 15) == (0, 0, 1)
