from dataclasses import asdict

import pytest
import yaml

from tracklearn.errors import UserError
from tracklearn.training.schedule import RankingSchedule, Saving, Schedule, SoftmaxSchedule, learning_rate

MINIMAL = {"lr": 0.001, "iterations": 240_000, "batch": 100}


def test_the_rate_drops_tenfold_at_each_step():
    schedule = Schedule.from_config(MINIMAL | {"step": 80_000})
    rates = [learning_rate(schedule, iteration) for iteration in (0, 79_999, 80_000, 159_999, 160_000)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5])


def test_without_a_step_it_stays():
    assert learning_rate(Schedule.from_config(MINIMAL | {"step": None}), 10**6) == 0.001


def test_the_rate_rises_linearly_through_the_warmup():
    schedule = Schedule.from_config(MINIMAL | {"step": 6, "warmup": 4})
    rates = [learning_rate(schedule, iteration) for iteration in range(7)]
    assert rates == pytest.approx([0.00025, 0.0005, 0.00075, 0.001, 0.001, 0.001, 0.0001])


def test_defaults_are_the_released_ones():
    schedule = RankingSchedule.from_config(MINIMAL)
    assert (schedule.momentum, schedule.weight_decay, schedule.gamma) == (0.9, 5e-4, 0.1)
    assert schedule.hard_from == 150_000
    assert (SoftmaxSchedule.from_config(MINIMAL).dropout, SoftmaxSchedule.from_config(MINIMAL).fc8_lr) == (0.5, 1.0)


def test_saving_is_the_config_s(repository):
    assert asdict(Saving()) == yaml.safe_load((repository / "config/config.yaml").read_text())["saving"]


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Schedule, {"lr": 1, "batch": 2}, "schedule: iterations is missing; it has no default"),
        (Schedule, MINIMAL | {"hard_from": 1}, "schedule: unknown key 'hard_from'; expected some of lr, iterations"),
        (RankingSchedule, MINIMAL | {"dropout": 0.5}, "schedule: unknown key 'dropout'"),
        (Schedule, MINIMAL | {"batch": 0}, "schedule: batch is 0; expected a number above 0"),
        (Schedule, MINIMAL | {"step": 0}, "schedule: step is 0; expected a number above 0, or null"),
        (Schedule, MINIMAL | {"warmup": -1}, "schedule: warmup is -1; expected 0 or more iterations"),
        (Schedule, MINIMAL | {"precision": "fp8"}, "schedule: precision is 'fp8'; expected one of fp32, tf32, bf16"),
        (Schedule, MINIMAL | {"log_every": 5}, "schedule: unknown key 'log_every'"),
        (Saving, {"every": 5}, "saving: unknown key 'every'; expected some of checkpoint_every, checkpoint_minutes"),
        (Saving, {"log_every": 0}, "saving: log_every is 0; expected a number above 0"),
        (SoftmaxSchedule, MINIMAL | {"dropout": 1.0}, "schedule: dropout is 1.0; expected 0 <= dropout < 1"),
    ],
)
def test_bad_blocks_are_one_line_errors(kind, values, message):
    with pytest.raises(UserError) as raised:
        kind.from_config(values)
    assert str(raised.value).startswith(message)
