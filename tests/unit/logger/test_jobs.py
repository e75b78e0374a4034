"""How far a job is by its log, and how long the jobs that are left will take."""

import pytest

from snakemake_logger_plugin_tracklearn.jobs import Job, Pace, seconds_left

STAMP = "2026-11-27 15:42:41Z"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "job.log"


def write(log, *lines, mode="w"):
    with open(log, mode) as file:
        file.writelines(f"{line}\n" for line in lines)


def test_the_latest_line_of_progress_counts(log):
    job = Job("models_ranking", ["unsup-8M"], [log], started=0.0)
    write(log, f"{STAMP} INFO models_ranking unsup-8M: attempt 1 of run 0132 on vm, threads: 1, commit 1839")
    job.look(1.0)
    assert (job.progress, job.left) == ("", None)
    write(log, f"{STAMP} INFO iteration 140 of 960 (14%), 0:01:02 left: loss 0.4", mode="a")
    write(log, f"{STAMP} WARNING 3 of them were empty", mode="a")
    job.look(2.0)
    assert (job.progress, job.left, job.read_at) == ("140/960", 62.0, 2.0)


def test_a_shard_counts_its_videos(log):
    job = Job("mining_track", ["00003"], [log], started=0.0)
    write(log, f"{STAMP} INFO 12 of 100 videos, 214 pairs, 12.0 a minute, 1.5 minutes left")
    job.look(1.0)
    assert (job.progress, job.left) == ("12/100", 90.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2 days, 1:00:05 left", 176405), ("1 day, 0:00:00 left", 86400), ("0:33:00 left", 1980), ("soon", None)],
)
def test_remaining_times(text, seconds):
    assert seconds_left(text) == seconds


def test_what_an_earlier_attempt_wrote_is_not_progress(log):
    write(log, f"{STAMP} INFO a: attempt 1 of run 0", f"{STAMP} INFO iteration 140 of 960 (14%)")
    job = Job("models_ranking", ["unsup-8M"], [log], started=0.0)
    job.look(1.0)
    assert job.progress == ""
    assert job.last_words() == ("", "")
    write(log, f"{STAMP} INFO a: attempt 2 of run 0", mode="a")
    job.look(2.0)
    assert job.progress == ""
    assert job.log_text() == [f"{STAMP} INFO a: attempt 2 of run 0"]


def test_a_job_of_a_cluster_waits_until_its_log_speaks(log):
    job = Job("models_ranking", ["unsup-8M"], [log], started=0.0, remote=True)
    job.look(50.0)
    assert job.waits
    write(log, f"{STAMP} INFO a: attempt 1 of run 0")
    job.look(60.0)
    assert not job.waits
    assert job.started == 60.0


def test_a_job_without_a_log_or_with_a_log_that_is_no_text(log):
    job = Job("all", [], [], started=0.0)
    job.look(1.0)
    assert (job.name, job.short_name, job.progress, job.last_words()) == ("all", "all", "", ("", ""))
    job = Job("x", [], [log], started=0.0)
    log.write_bytes(b"\xff\xfe\x00 1 of 2\n")
    job.look(1.0)
    assert job.progress == ""


def test_the_time_left_by_hand(log):
    pace = Pace({"track": 4, "train": 2}, start=0.0)
    running = [Job("track", ["3"], [log], started=16.0)]
    assert pace.left(running, now=20.0) is None
    for _ in range(2):
        pace.finished("track", 10.0)
    # The running job has 6 s left; another track takes 10 s; two trainings take the mean of all, 10 s each.
    # 24 s of work were done in 20 s, so 1.2 jobs run at once.
    assert pace.left(running, now=20.0) == pytest.approx(36 / 1.2)
    running[0].left, running[0].read_at = 100.0, 19.0
    assert pace.left(running, now=20.0) == pytest.approx((99 + 30) / 1.2)


def test_the_time_left_is_at_least_that_of_the_longest_job(log):
    pace = Pace({"track": 40, "train": 1}, start=0.0)
    for _ in range(39):
        pace.finished("track", 10.0)
    train = Job("train", [], [log], started=0.0, left=500.0, read_at=10.0)
    assert pace.left([train], now=10.0) == 500.0


def test_queued_jobs_are_still_to_come(log):
    pace = Pace({"track": 210}, start=0.0)
    for _ in range(10):
        pace.finished("track", 100.0)
    running = [Job("track", [str(number)], [log], started=100.0) for number in range(10)]
    # Ten at once: 10 x 50 s of those that run, and 190 x 100 s of those in the queue.
    assert pace.left(running, now=150.0) == pytest.approx((500 + 19_000) / 10)


def test_failed_jobs_are_not_to_come(log):
    pace = Pace({"track": 3, "train": 1}, start=0.0)
    pace.finished("track", 10.0)
    failed = [Job("track", ["1"], [log], started=0.0)]
    # One more track, and the training, which may need the one that failed.
    assert pace.left([], 10.0, failed) == pytest.approx(20.0)
    assert pace.left([], 10.0, failed * 2) == pytest.approx(10.0)
    assert pace.left([], 10.0) == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("words", "seconds"), [("12.3 s", 12.3), ("1:02:03: 3 pairs", 3723), ("1 day, 0:00:05", 86405)]
)
def test_the_time_in_a_queue_is_no_time_of_the_job(log, words, seconds):
    job, local = (Job("track", [], [log], started=0.0, remote=remote) for remote in (True, False))
    assert job.took(5000.0) == 5000.0
    write(log, f"{STAMP} INFO a: attempt 1 of run 0", f"{STAMP} INFO done in {words}")
    assert job.took(5000.0) == seconds
    assert local.took(5000.0) == 5000.0  # to start Python takes time too


def test_no_time_is_named_once_a_job_takes_longer_than_expected(log):
    pace = Pace({"random": 1, "train": 1}, start=0.0)
    pace.finished("random", 10.0)
    train = Job("train", [], [log], started=0.0)
    assert pace.left([train], now=5.0) == pytest.approx(5.0)
    assert pace.left([train], now=15.0) is None
