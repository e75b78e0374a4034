"""What a run shows, event by event."""

import io
import logging
import os
import re
import sys
import time

import pytest
import yaml
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.tests import MockOutputSettings, TestLogHandlerBase
from worlds.terminals import failed, finished, planned, progress, record, started

from snakemake_logger_plugin_tracklearn import LogHandler
from snakemake_logger_plugin_tracklearn.handler import JOBS_KEEP_TO_THEIR_LOGS
from tracklearn.runs import output

STAMP = "2026-11-27 15:42:41Z"
ATTEMPT = f"{STAMP} INFO models_ranking a: attempt 2 of run 0132 on vm"
USER_ERROR = f"{STAMP} ERROR world/photos: no photos there; put them there"
BUG = [
    f"{STAMP} CRITICAL KeyError is an unexpected error",
    "Traceback (most recent call last):",
    '  File "x.py", line 3, in f',
    "KeyError: 'x'",
    f"{STAMP} ERROR failed after 3.0 s: KeyError (see the traceback)",
]


@pytest.fixture
def handler(monkeypatch, tmp_path):
    """Make the handler of a run with some stderr."""
    monkeypatch.setenv(JOBS_KEEP_TO_THEIR_LOGS, "so that it is unset again after the test")
    monkeypatch.delenv(JOBS_KEEP_TO_THEIR_LOGS)
    monkeypatch.chdir(tmp_path)

    def make(stderr, **changes):
        monkeypatch.setattr(sys, "stderr", stderr)
        settings = MockOutputSettings()
        vars(settings).update({"printshellcmds": False} | changes)
        return LogHandler(settings, None)

    return make


@pytest.fixture
def shown(handler):
    """Emit events off a terminal, call what is no event, and give the lines."""

    def show(*steps, **changes):
        stderr = io.StringIO()
        made = handler(stderr, **changes)
        for step in steps:
            made.emit(step) if isinstance(step, logging.LogRecord) else step()
        made.close()
        return re.sub(r"done in \d+ s", "done in 0 s", stderr.getvalue()).splitlines()

    return show


def writes(path, *lines):
    return lambda: path.write_text("".join(f"{line}\n" for line in lines))


class TestWithTheEventsOfTheInterface(TestLogHandlerBase):
    __test__ = True

    def get_log_handler_cls(self):
        return LogHandler

    def get_log_handler_settings(self):
        return None


def test_a_finished_job_is_a_line_with_its_figures(shown, tmp_path):
    log = tmp_path / "a.log"
    lines = shown(
        planned(mining_track=345),
        started(7, "mining_track", log, shard="00003", at=100.0),
        writes(log, ATTEMPT, f"{STAMP} INFO done in 3.0 s: 214 pairs, loss 0.4"),
        finished(7, at=112.34),
        progress(1, 345, at=112.4),
    )
    assert lines[:-1] == ["1970-01-01 00:01:52Z 1/345 mining_track 00003: 12.3 s, 214 pairs, loss 0.4"]
    assert lines[-1].startswith("1 of 345 jobs done in ")


def test_the_time_in_the_queue_of_a_cluster_is_not_shown_as_the_jobs(shown, tmp_path):
    log = tmp_path / "a.log"
    start = started(7, "mining_track", log, shard="00003", at=100.0)
    start.local = False
    lines = shown(
        planned(mining_track=1),
        start,
        writes(log, ATTEMPT, f"{STAMP} INFO done in 3.0 s: 214 pairs"),
        finished(7, at=5000.0),
        progress(1, 1, at=5000.0),
    )
    assert lines[0] == "1970-01-01 01:23:20Z 1/1 mining_track 00003: 3.0 s, 214 pairs"


def test_on_a_terminal_queued_jobs_are_not_taken_for_running_ones(handler, terminal, tmp_path):
    screen = terminal(80)
    made, now = handler(screen.stream), time.time()
    made.emit(planned(track=204))
    made._pace.start = now - 100
    for number in range(4):
        made.emit(started(number, "track", at=now - 100))
        made.emit(finished(number, at=now))
    for number in range(4, 204):
        waiting = started(number, "track", tmp_path / f"{number}.log", at=now - 100)
        waiting.local = False
        made.emit(waiting)
    made.emit(progress(4, 204))
    found = re.search(r"4/204 jobs, (\d+):(\d\d):(\d\d) left \| 200 queued", screen.screen()[-1])
    hours, minutes, seconds = map(int, found.groups())
    assert 3600 * hours + 60 * minutes + seconds == pytest.approx(5000, rel=0.05)  # 50 rounds of four
    made.close()


def test_a_job_that_waits_for_an_earlier_process_says_so_on_a_terminal_and_off_it(handler, terminal, tmp_path):
    log, screen, file = tmp_path / "a.log", terminal(100), io.StringIO()
    for stream in (screen.stream, file):
        log.write_text(f"{ATTEMPT}\n{STAMP} INFO iteration 140 of 960 (14%)\n")
        made = handler(stream)
        made.emit(planned(models_ranking=1))
        made.emit(started(7, "models_ranking", log, path="a"))
        with log.open("a") as appended:
            appended.write(f"{STAMP} WARNING waiting for process 12 on node7, which writes the same files\n")
        for _ in range(500):
            made.acquire()
            said = made._jobs[7].waiting
            made.release()
            if said:
                break
            time.sleep(0.02)
        made.close()
    line = "models_ranking a: waiting for process 12 on node7, which writes the same files"
    assert sum(text.endswith(line) for text in screen.screen()) == 1
    assert file.getvalue().count(f"Z {line}\n") == 1


def test_a_job_without_figures_or_log(shown):
    lines = shown(planned(all=1), started(0, "all", at=5.0), finished(0, at=5.0), progress(1, 1, at=5.0))
    assert lines == ["1970-01-01 00:00:05Z 1/1 all: 0.0 s", "1 of 1 job done in 0 s"]


def test_chatter_is_not_shown_and_the_rest_is(shown):
    chatter = ["Select jobs to execute...", "Building DAG of jobs...", "Using shell: /bin/bash", "Complete log(s): x"]
    submitted = "Job 5 has been submitted with SLURM jobid 12 (log: x)."
    nothing = "Nothing to be done (all requested files are present and up to date)."
    events = [record(None, text) for text in [*chatter, submitted, nothing]]
    started_jobs = record(LogEvent.JOB_STARTED, "Execute 3 jobs...", jobs=[1])
    resources = record(LogEvent.RESOURCES_INFO, "Provided cores: 3", cores=3)
    warning = record(None, "The disk is slow.", logging.WARNING)
    assert shown(*events, started_jobs, resources, warning) == [nothing, "The disk is slow."]


def test_an_error_is_a_line_with_the_log_and_then_the_log_of_this_attempt(shown, tmp_path):
    log = tmp_path / "logs.log"
    lines = shown(
        planned(models_ranking=1),
        writes(log, "an earlier attempt"),
        started(7, "models_ranking", log, model="a"),
        writes(log, "an earlier attempt", ATTEMPT, USER_ERROR),
        record(
            LogEvent.ERROR, "CalledProcessError in file \"x\", line 3:\nCommand 'y' returned non-zero exit status 1."
        ),
        failed(7, log, at=60.0),
        record(LogEvent.ERROR, "WorkflowError:\nAt least one job did not complete successfully."),
    )
    assert lines == [
        "1970-01-01 00:01:00Z models_ranking a failed: world/photos: no photos there; put them there (log: logs.log)",
        f"    {ATTEMPT}",
        f"    {USER_ERROR}",
        "0 of 1 job done in 0 s, 1 failed (see above): models_ranking a",
    ]


@pytest.mark.parametrize(
    ("exit_text", "reason"),
    [
        ("Command 'x' returned non-zero exit status 137.", "returned non-zero exit status 137"),
        ("Command 'x' died with <Signals.SIGKILL: 9>.", "died with <Signals.SIGKILL: 9>"),
    ],
)
def test_a_killed_job_names_how_it_ended(shown, tmp_path, exit_text, reason):
    log = tmp_path / "a.log"
    lines = shown(
        planned(a=1),
        started(7, "a", log),
        writes(log, ATTEMPT, f"{STAMP} INFO iteration 1 of 2 (50%)"),
        record(LogEvent.ERROR, f"RuleException:\nCalledProcessError in line 3:\n{exit_text}"),
        failed(7, log),
    )
    assert f" a failed: {reason} (log: a.log)" in lines[0]


def test_a_cluster_job_that_failed_names_its_state_and_both_logs(shown, tmp_path):
    logs = [tmp_path / "a.log", tmp_path / "slurm/12.log"]
    lines = shown(
        planned(a=1),
        started(7, "a", logs[0]),
        failed(7, *logs, rule_msg="SLURM-job '12' failed, SLURM status is: 'OUT_OF_MEMORY'."),
    )
    assert lines[0].endswith(
        "a failed: SLURM-job '12' failed, SLURM status is: 'OUT_OF_MEMORY'. (log: a.log, slurm/12.log)"
    )


def test_other_errors_are_shown_in_full(shown):
    text = "MissingOutputException in rule a:\nJob 7 completed successfully, but some output files are missing."
    lines = shown(planned(a=1), started(7, "a"), record(LogEvent.ERROR, text, logging.ERROR))
    assert lines == [*text.splitlines(), "0 of 1 job done in 0 s, 1 failed (see above): a"]


def test_a_job_that_is_tried_again_and_finishes_has_not_failed(shown):
    lines = shown(
        planned(a=1),
        started(7, "a"),
        failed(7),
        record(None, "Trying to restart job 7."),
        started(7, "a"),
        finished(7),
        progress(1, 1),
    )
    assert lines[1] == "a is tried again"
    assert lines[-1] == "1 of 1 job done in 0 s"


def test_an_interrupted_run_says_how_to_go_on_and_blames_no_job(shown):
    lines = shown(
        planned(a=3),
        started(7, "a"),
        record(None, "Terminating processes on user request, this might take some time."),
        record(LogEvent.ERROR, "CalledProcessError in line 3:\nCommand 'x' returned non-zero exit status 130."),
        failed(7),
    )
    assert lines == [
        "Interrupted: waiting for 1 job to end",
        "0 of 3 jobs done in 0 s; the same command goes on from here",
    ]


def test_on_a_terminal_one_line_lives_below_the_errors(handler, terminal, tmp_path):
    screen = terminal(60)
    log, made = tmp_path / "a.log", handler(screen.stream)
    made.emit(planned(models_ranking=2, a=1))
    now = time.time()
    made.emit(started(7, "models_ranking", log, model="unsup-8M", at=now))
    made.emit(started(8, "models_ranking", tmp_path / "b.log", model="unsup-5M", at=now))
    writes(log, ATTEMPT, f"{STAMP} INFO iteration 1200 of 3000 (40%), 0:01:02 left: loss 0.4")()
    screen.wait_for("ranking unsup-8M 1200/3000")  # the line is drawn again by itself
    assert screen.screen()[-1].startswith("0/3 jobs | ranking unsup-8M 1200/3000 | ")
    writes(log, ATTEMPT, USER_ERROR)()
    made.emit(failed(7, log, at=60.0))
    made.emit(finished(8))
    made.emit(progress(1, 3))
    error, line = screen.screen()
    assert error.endswith("unsup-8M failed: world/photos: no photos there; put them there (log: a.log)")
    assert line.startswith("1/3 jobs, ")
    made.close()
    assert screen.screen()[-1].startswith("1 of 3 jobs done in ")
    assert screen.screen()[-1].endswith(" s, 1 failed (see above): models_ranking unsup-8M")
    lived = [part for part in screen.raw.split("\x1b[K") if " jobs" in part and "\n" not in part]
    assert len(lived) > 1
    assert max(len(part.rstrip("\r")) for part in lived) < 60


def test_on_a_terminal_a_bug_shows_its_traceback(handler, terminal, tmp_path):
    screen, log = terminal(), tmp_path / "a.log"
    made = handler(screen.stream)
    made.emit(started(7, "a", log))
    writes(log, ATTEMPT, *BUG)()
    made.emit(failed(7, log))
    lines = screen.screen()
    assert lines[0].endswith("a failed: failed after 3.0 s: KeyError (see the traceback) (log: a.log)")
    assert [line.strip() for line in lines[1:]] == [line.strip() for line in BUG[1:]]


def test_jobs_keep_to_their_logs_while_the_line_lives(handler, capsys, tmp_path):
    assert output.LOG_ONLY == JOBS_KEEP_TO_THEIR_LOGS
    handler(io.StringIO())
    assert os.environ[JOBS_KEEP_TO_THEIR_LOGS]
    assert output.is_shown_from(tmp_path / "a.log")
    assert not output.is_shown_from(None)


@pytest.mark.parametrize("changes", [{"verbose": True}, {"printshellcmds": True}, {"debug_dag": True}])
def test_whoever_asks_for_more_gets_snakemakes_own_lines(shown, changes):
    assert shown(record(None, "Select jobs to execute..."), **changes) == ["Select jobs to execute..."]
    assert JOBS_KEEP_TO_THEIR_LOGS not in os.environ


def test_a_dry_run_prints_its_plan_on_stdout(shown, capsys):
    assert shown(record(None, "Building DAG of jobs..."), planned(a=3), dryrun=True, stdout=True) == []
    assert capsys.readouterr().out == "Building DAG of jobs...\nJob stats\n"


def test_an_error_of_this_plugin_leaves_the_run_to_snakemakes_own_lines(shown):
    broken = record(LogEvent.JOB_FINISHED, "Finished jobid: 7 (Rule: a)")  # without `job_id`
    lines = shown(planned(a=3), broken, record(None, "Select jobs to execute..."))
    assert "The progress line failed (KeyError: 'job_id'); Snakemake's own lines follow." in lines
    assert "Finished jobid: 7 (Rule: a)" in lines
    assert lines[-1] == "Select jobs to execute..."
    assert JOBS_KEEP_TO_THEIR_LOGS not in os.environ


def test_a_run_goes_on_when_nobody_reads_its_lines(handler):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1, closefd=False) as stderr:
        made = handler(stderr)
        for event in (planned(a=1), started(7, "a"), finished(7), progress(1, 1)):
            made.emit(event)
        made.close()
        assert made._done == 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)  # what is left in the buffer


def test_every_profile_names_the_logger(repository):
    profiles = sorted((repository / "profiles").glob("*/config.yaml"))
    assert [path.parent.name for path in profiles] == ["default", "slurm"]
    assert all(yaml.safe_load(path.read_text())["logger"] == ["tracklearn"] for path in profiles)
