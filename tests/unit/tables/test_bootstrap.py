import numpy as np
import pytest

from tracklearn.tables.bootstrap import image_draws, interval, mean_over_classes


def test_draws_are_those_of_the_seed_and_keep_the_size():
    draws = image_draws(50, 30, seed=1)
    assert (draws.sum(axis=1) == 50).all()
    assert np.array_equal(draws, image_draws(50, 30, seed=1))
    assert not np.array_equal(draws, image_draws(50, 30, seed=2))


def test_mean_is_over_the_classes_that_have_a_figure():
    replicates = np.array([[1.0, 3.0], [np.nan, 5.0], [np.nan, np.nan]])
    assert mean_over_classes(replicates) == pytest.approx([2, 5, np.nan], nan_ok=True)


def test_interval_holds_the_central_95_percent_of_the_finite_replicates():
    assert interval(np.r_[np.arange(1001.0), np.nan]) == pytest.approx([25, 975])
    assert interval(np.array([np.nan])) is None
