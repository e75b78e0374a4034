import pytest

from tracklearn.settings.training import RankingSchedule, Schedule
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


def test_hard_negatives_have_a_fresh_schedule_in_two_stages_and_the_rest_of_it_in_one():
    paper = {"lr": 0.001, "step": 80_000, "iterations": 240_000, "batch": 100}
    two, one = RankingSchedule.read(paper), RankingSchedule.read(paper | {"stages": "one"})
    assert (two.total, one.total) == (390_000, 240_000)
    iterations = (0, 80_000, 149_999, 150_000, 229_999, 230_000, 310_000, 389_999)
    assert [learning_rate(two, i) for i in iterations] == pytest.approx([1e-3] * 5 + [1e-4, 1e-5, 1e-5])
    assert [learning_rate(one, i) for i in iterations[:5]] == pytest.approx([1e-3] + [1e-4] * 3 + [1e-5])
    rates_of_both = [[learning_rate(each, i) for i in range(0, each.total, 10_000)] for each in (two, one)]
    shares = [sum(each[15:]) / sum(each) for each in rates_of_both]  # of the hard negatives
    assert shares == pytest.approx([0.372, 0.020], abs=0.001)


def test_the_warmup_is_at_the_start_of_the_training_alone():
    schedule = RankingSchedule(lr=0.01, iterations=4, batch=4, random_iterations=3, warmup=2, step=2)
    rates = [learning_rate(schedule, iteration) for iteration in range(schedule.total)]
    assert rates == pytest.approx([0.005, 0.01, 0.01, 0.01, 0.01, 0.001, 0.001])
