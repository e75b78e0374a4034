"""Of two processes that run the same job, one writes, and the other one waits and takes its result."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from tracklearn.runs.spool import Spool

JOB = """
import os, sys, time
from pathlib import Path
from types import SimpleNamespace as N
from tracklearn.machine import lease

class Named(list):
    def __init__(self, **named):
        super().__init__(named.values())
        self.named = named
    def items(self):
        return self.named.items()

lease.HEARTBEAT, lease.SILENCE, lease.LOOK = 0.05, 0.6, 0.05
options = dict(pair.split("=") for pair in sys.argv[1:])
if "kernel" in options:
    lease._place = lambda: options["kernel"]
from tracklearn.files import atomic
from tracklearn.runs import recorded, run as runs_run

runs_run.LATENCY = 2.0
output = Named(weights="net.safetensors", **{"folder": "crops"} if "folder" in options else {"log": "log.csv"})
job = N(rule="train", wildcards=Named(model="net"), input=Named(), output=output,
        params=Named(seed=options.get("seed", "1")), log=["train.log"], threads=1)
for path in output:  # as Snakemake does before a job
    Path(path).rmdir() if Path(path).is_dir() else Path(path).unlink(missing_ok=True)
Path(f"removed-{options['name']}").touch()
while Path(f"late-{options['name']}").exists():
    time.sleep(0.01)
with recorded(job) as run:
    Path(f"runs-{options['name']}").touch()
    Path("crops").mkdir(exist_ok=True)
    if "early" in options:
        Path("log.csv").write_text("")
    while not Path(f"end-{options['name']}").exists():
        time.sleep(0.01)
    if "fails" in options:
        raise OSError(28, "No space left on device", "net.safetensors")
    for path in output:
        if path != "crops" and not ("early" in options and path == "log.csv"):
            with atomic(path) as temporary:
                temporary.write_text(options["name"])
"""
SPOOL = Spool()


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a job as a process: `start("a", seed=2, fails=1)`; it ends after `end("a")`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    processes = []

    def start(name: str, **options: object) -> subprocess.Popen[str]:
        arguments = [f"{option}={value}" for option, value in {"name": name, **options}.items()]
        command = [sys.executable, "-c", JOB, *arguments]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def until(happened: Callable[[], object]) -> None:
    """Wait until something has happened."""
    for _ in range(3000):
        if happened():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen within 30 s")


def runs(name: str) -> bool:
    return Path(f"runs-{name}").exists()


def end(name: str) -> None:
    Path(f"end-{name}").touch()


def log() -> str:
    return Path("train.log").read_text() if Path("train.log").exists() else ""


def starts() -> int:
    """Number of attempts that all runs have recorded."""
    return sum(event["event"] == "start" for key in SPOOL.keys() for event in SPOOL.read(key)[0])  # noqa: SIM118


@contextmanager
def first_of_two(start, *, kernel: str = "", **options: object):
    """A job runs, and the same job is started again; the second process waits."""
    first = start("a", **{"kernel": kernel} if kernel else {}, **options)
    until(lambda: runs("a"))
    second = start("b")
    until(lambda: f"waiting for process {first.pid} on" in log())
    yield first, second
    leases = list(Path("results/mlflow/jobs").iterdir())
    assert leases == []


def test_the_second_takes_the_result_of_the_first(start):
    with first_of_two(start) as (first, second):
        assert not runs("b")
        end("a")
        assert first.wait(30) == second.wait(30) == 0
        said = second.stderr.read()
    assert re.fullmatch(
        rf"train net: waiting for process {first.pid} on \S+ \(SLURM job 17\), which writes the same files\n"
        "train net: another process has made all files\n",
        said,
    )
    assert Path("net.safetensors").read_text() == Path("log.csv").read_text() == "a"
    assert not runs("b")
    assert starts() == 1
    lines = [line.split(" ", 3)[3] for line in log().splitlines()]  # whole, though two processes wrote them
    assert [line.split(" ")[0] for line in lines] == ["train", "waiting", "done", "another"]


def test_the_second_takes_a_result_that_was_made_before_it_looked(start):
    """Snakemake has removed the outputs, and the first makes them while the second still imports its modules."""
    Path("late-b").touch()
    first = start("a")
    until(lambda: runs("a"))
    second = start("b")
    until(lambda: Path("removed-b").exists())
    end("a")
    assert first.wait(30) == 0
    Path("late-b").unlink()
    assert second.wait(30) == 0
    assert not runs("b")
    assert Path("net.safetensors").read_text() == "a"
    assert "another process has made all files" in log()


def test_if_the_first_fails_the_second_does_the_job(start):
    with first_of_two(start, fails=1) as (first, second):
        end("a")
        end("b")
        assert (first.wait(30), second.wait(30)) == (1, 0)
    assert Path("net.safetensors").read_text() == "b"
    assert starts() == 2
    assert "the disk is full" in log()


def test_if_the_first_is_killed_the_second_does_the_job_at_once(start):
    with first_of_two(start) as (first, second):
        first.kill()
        until(lambda: runs("b"))
        end("b")
        assert second.wait(30) == 0
    assert Path("net.safetensors").read_text() == "b"


def test_a_job_whose_process_was_killed_before_is_not_waited_for(start):
    first = start("a")
    until(lambda: runs("a"))
    first.kill()
    first.wait()
    end("b")
    assert start("b").wait(30) == 0
    assert "waiting" not in log()
    assert "attempt 2 of run" in log()
    assert list(Path("results/mlflow/jobs").iterdir()) == []


def test_an_output_that_was_removed_while_the_first_wrote_is_made_again(start):
    with first_of_two(start, early=1) as (first, second):  # log.csv is written before the second starts
        end("a")
        end("b")
        assert first.wait(30) == second.wait(30) == 0
    assert Path("net.safetensors").read_text() == Path("log.csv").read_text() == "b"


def test_a_folder_may_have_lost_files_and_is_made_again(start):
    first = start("a", folder=1)
    until(lambda: runs("a"))
    second = start("b", folder=1)
    until(lambda: "waiting for" in log())
    end("a")
    end("b")
    assert first.wait(30) == second.wait(30) == 0
    assert runs("b")


def test_a_job_with_other_settings_waits_and_then_runs(start):
    first = start("a", seed=1)
    until(lambda: runs("a"))
    second = start("b", seed=2)
    until(lambda: "waiting for" in log())
    end("a")
    end("b")
    assert first.wait(30) == second.wait(30) == 0
    assert Path("net.safetensors").read_text() == "b"
    assert sorted(len(SPOOL.attempts(key)) for key in SPOOL.keys()) == [1, 1]  # noqa: SIM118
    assert log().count("attempt 1 of run") == 2  # the second did not empty the log of the first


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_job_that_waits_can_be_stopped(start, number, status):
    with first_of_two(start) as (first, second):
        second.send_signal(number)
        assert second.wait(30) == status
        assert "Traceback" not in second.stderr.read()
        end("a")
        assert first.wait(30) == 0
    assert starts() == 1


def test_a_suspended_job_on_this_host_is_waited_for(start):
    with first_of_two(start) as (first, second):
        first.send_signal(signal.SIGSTOP)
        time.sleep(1.0)  # longer than SILENCE
        assert not runs("b")
        first.send_signal(signal.SIGCONT)
        end("a")
        assert first.wait(30) == second.wait(30) == 0
    assert Path("net.safetensors").read_text() == "a"


@pytest.mark.parametrize("second_finished", [True, False])
def test_a_job_that_was_suspended_and_taken_over_writes_nothing(start, second_finished):
    with first_of_two(start, kernel="elsewhere") as (first, second):
        first.send_signal(signal.SIGSTOP)
        until(lambda: runs("b"))
        if second_finished:
            end("b")
            assert second.wait(30) == 0
        end("a")
        first.send_signal(signal.SIGCONT)
        until(lambda: "this job was taken over" in log())
        end("b")
        # With another status, Snakemake would remove the outputs, which are the second's.
        assert first.wait(30) == second.wait(30) == 0
    assert Path("net.safetensors").read_text() == Path("log.csv").read_text() == "b"
    (key,) = SPOOL.keys()
    ends = [event["status"] for event in SPOOL.read(key)[0] if event["event"] == "end"]
    assert (starts(), ends) == (2, ["FINISHED"])


def test_a_job_that_was_taken_over_by_one_with_other_settings_has_not_made_its_outputs(start):
    first = start("a", kernel="elsewhere")
    until(lambda: runs("a"))
    second = start("b", seed=2)
    until(lambda: f"waiting for process {first.pid} on" in log())
    first.send_signal(signal.SIGSTOP)
    until(lambda: runs("b"))
    end("b")
    assert second.wait(30) == 0
    end("a")
    first.send_signal(signal.SIGCONT)
    assert first.wait(30) == 1
    assert "this job was taken over" in log()
