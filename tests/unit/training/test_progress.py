import itertools
import logging

import pytest

from tracklearn.report import progress
from tracklearn.training.progress import Progress


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, progress.name)
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_line_states_iterations_remaining_time_and_the_row(lines):
    now = 100.0
    progress_report = Progress(900, 0, clock=lambda: now)
    now += 30
    progress_report(300, {"loss": 0.21345, "images_per_s": 1000.0, "lr": 0.01})
    assert lines() == ["iteration 300 of 900 (33%), 0:01:00 left: loss 0.2135, images per s 1000, lr 0.01"]


def test_the_pace_of_a_resumed_training_is_that_of_its_own_process(lines):
    now = 0.0
    progress_report = Progress(240_000, 230_000, clock=lambda: now)
    now += 20
    progress_report(230_100, {})
    assert lines()[0].startswith("iteration 230100 of 240000 (95%), 0:33:00 left")  # 9,900 at 5 a second


def test_lines_come_every_five_seconds_and_less_often_later_but_once_a_minute(lines):
    now = 0.0
    progress_report = Progress(10_000, 0, clock=lambda: now)
    for iteration in range(1, 1000):
        now += 1.0
        progress_report(iteration, {})
    iterations = [int(line.split()[1]) for line in lines()]
    assert iterations[:3] == [5, 10, 15]
    assert [later - earlier for earlier, later in itertools.pairwise(iterations)][-2:] == [60, 60]
    assert len(iterations) < 50
