"""The line that lives on a terminal, at any width."""

import pytest

from snakemake_logger_plugin_tracklearn.jobs import Job
from snakemake_logger_plugin_tracklearn.line import duration, live_line

NOW = 1000.0


def job(name, seconds, progress="", remote=False):
    rule, *wildcards = name.split()
    logs = ["log"] if remote else []
    return Job(rule, wildcards, logs, NOW - seconds, remote=remote, progress=progress)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    monkeypatch.setattr(Job, "_now_stamp", lambda self: None)


def line(jobs, width, left=850.0):
    return live_line(12, 345, left, jobs, NOW, width)


def test_jobs_with_progress_come_first_and_then_the_oldest():
    jobs = [job("mining_track 00003", 12), job("voc_proposals VOC2012", 75), job("models_ranking u", 3, "12/30")]
    expected = "12/345 jobs, 14:10 left | ranking u 12/30 | proposals VOC2012 1:15 | track 00003 12 s"
    assert line(jobs, 100) == expected
    assert line([], 100, left=None) == "12/345 jobs"


def test_jobs_without_room_are_counted():
    jobs = [job("models_ranking unsup-8M", 90, "1200/3000")] + [job(f"mining_track {n:05}", 5) for n in range(40)]
    assert line(jobs, 60) == "12/345 jobs, 14:10 left | ranking ...-8M 1200/3000 | 40 more"
    assert line(jobs, 66) == "12/345 jobs, 14:10 left | ranking unsup-8M 1200/3000 | 40 more"
    assert line(jobs, 100).endswith("| track 00000 5 s | track 00001 5 s | 38 more")


def test_jobs_in_the_queue_of_a_cluster_are_counted():
    jobs = [job("models_ranking unsup-8M", 90, remote=True)] * 200 + [job("mining_track 00003", 5)]
    assert line(jobs, 80) == "12/345 jobs, 14:10 left | track 00003 5 s | 200 queued"


def test_after_a_failure_the_time_left_is_the_longest_that_it_can_be():
    shown = live_line(12, 345, 850.0, [job("mining_track 00003", 5)], NOW, 80, failed=2)
    assert shown == "12/345 jobs, 2 failed, at most 14:10 left | track 00003 5 s"


def test_a_long_name_loses_its_middle_and_keeps_its_end():
    shown = line([job("features_extract labelled-test unsup-1.5M-ft-seed3 fc7 trainval-0", 90, "12/30")], 60)
    assert shown == "12/345 jobs, 14:10 left | extract label...7 trainval-0 12/30"
    assert len(shown) <= 60


@pytest.mark.parametrize("width", [1, 10, 20, 40, 59, 79, 200])
@pytest.mark.parametrize("number", [0, 1, 2, 50])
def test_no_line_is_wider_than_the_terminal(width, number):
    names = ["detection_detect labelled-test unsup-ft-8M-seed3", "mining_track 00003", "features_extract a-b c fc7 d"]
    jobs = [job(names[n % 3], n, "1/2" if n % 2 else "", remote=n % 5 == 4) for n in range(number)]
    assert len(line(jobs, width)) <= width


@pytest.mark.parametrize(("seconds", "words"), [(-1, "0 s"), (59.4, "59 s"), (133, "2:13"), (3733, "1:02:13")])
def test_durations(seconds, words):
    assert duration(seconds) == words
