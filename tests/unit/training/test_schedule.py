import pytest

from tracklearn.settings.training import Schedule
from tracklearn.training.schedule import learning_rate


def rates(iterations, **changes):
    schedule = Schedule.read({"lr": 0.001, "iterations": 240_000, "batch": 100, **changes})
    return [learning_rate(schedule, iteration) for iteration in iterations]


def test_the_rate_drops_tenfold_at_each_step():
    assert rates((0, 79_999, 80_000, 159_999, 160_000), step=80_000) == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5])


def test_without_a_step_the_rate_is_constant():
    assert rates((0, 10**6), step=None) == [0.001, 0.001]


def test_the_rate_rises_linearly_during_the_warmup():
    expected = [0.00025, 0.0005, 0.00075, 0.001, 0.001, 0.001, 0.0001]
    assert rates(range(7), step=6, warmup=4) == pytest.approx(expected)
