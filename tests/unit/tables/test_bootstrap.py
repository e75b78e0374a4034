import numpy as np
import pytest

from tracklearn.tables.bootstrap import finite_mean, image_draws, interval, widened


def test_draws_are_those_of_the_seed_and_keep_the_size():
    draws = image_draws(50, 30, seed=1)
    assert (draws.sum(axis=1) == 50).all()
    assert np.array_equal(draws, image_draws(50, 30, seed=1))
    assert not np.array_equal(draws, image_draws(50, 30, seed=2))


def test_mean_is_over_the_classes_that_have_a_figure():
    replicates = np.array([[1.0, 3.0], [np.nan, 5.0], [np.nan, np.nan]])
    assert finite_mean(replicates) == pytest.approx([2, 5, np.nan], nan_ok=True)


def test_widened_draws_of_eight_units_hold_the_mean_in_more_cases():
    rng = np.random.default_rng(0)
    drawn = image_draws(8, 1000) / 8
    held = []
    for units in rng.standard_normal((1000, 8)):
        bounds = [interval(draws) for draws in (drawn @ units, widened(drawn @ units, 8))]
        held.append([low < 0 < high for low, high in bounds])
    plain, wide = np.mean(held, axis=0)
    assert plain < 0.88 and wide > 0.93


def test_widened_draws_keep_their_mean_and_differences_stay_differences():
    one, other = np.random.default_rng(0).standard_normal((2, 50))
    assert widened(one, 4).mean() == pytest.approx(one.mean())
    np.testing.assert_allclose(widened(one, 4) - widened(other, 4), widened(one - other, 4))
    np.testing.assert_array_equal(widened(one, 1), one)
    # Student's t of 3 degrees of freedom is 3.182, and the normal quantile is 1.960.
    assert widened(one, 4).std() / one.std() == pytest.approx((4 / 3) ** 0.5 * 3.182 / 1.960, rel=1e-3)


def test_interval_holds_the_central_95_percent_of_the_finite_replicates():
    assert interval(np.r_[np.arange(1001.0), np.nan]) == pytest.approx([25, 975])
    assert interval(np.array([np.nan])) is None
