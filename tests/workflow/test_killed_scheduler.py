"""Snakemake is killed while a training runs: the next snakemake takes its result, and trains nothing twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tracklearn.machine.lease import Writer

WEIGHTS = "results/models/unsup-8M/weights.safetensors"


def until(happened: Callable[[], Any]) -> Any:
    """Wait until something has happened, and give what it is."""
    for _ in range(6000):
        if found := happened():
            return found
        time.sleep(0.02)
    pytest.fail("it did not happen within two minutes")


@pytest.fixture
def start(checkout, tmp_path):
    """Start snakemake for the weights, with its lines in a file."""
    command = [sys.executable, "-m", "snakemake", "--directory", "demo", "--cores", "2", WEIGHTS]
    environment = os.environ | {"PYTHONPATH": str(checkout.root / "src")}
    processes = []

    def start(name: str, *options: str) -> subprocess.Popen[bytes]:
        with open(tmp_path / name, "w") as lines:
            processes.append(
                subprocess.Popen([*command, *options], cwd=checkout.root, env=environment, stdout=lines, stderr=lines)
            )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_the_training_of_a_killed_snakemake_is_finished_once(checkout, start, tmp_path):
    demo = checkout.root / "demo"
    log, jobs = demo / "results/logs/models_ranking/unsup-8M.log", demo / "results/mlflow/jobs"
    undisturbed = (demo / WEIGHTS).read_bytes()
    (demo / WEIGHTS).unlink()

    first = start("first")
    until(lambda: any(path.read_text().count("\n") > 1 for path in demo.glob("results/checkpoints/*/*/log.csv")))
    (file,) = (path.name for path in jobs.glob("[!.]*/*"))
    training = Writer.named(file)
    os.kill(training.pid, signal.SIGSTOP)  # it must not end before the second snakemake starts
    try:
        first.kill()
        first.wait()
        second = start("second")
        line = f"waiting for {training}, which writes the same files"
        until(lambda: log.exists() and line in log.read_text())  # snakemake removes the log of the first
        assert not (demo / WEIGHTS).exists()
    finally:
        os.kill(training.pid, signal.SIGCONT)
    assert second.wait(120) == 0
    assert f"the run of process {first.pid} was killed; its lock is removed" in (tmp_path / "second").read_text()
    assert f"models_ranking unsup-8M: {line}\n" in (tmp_path / "second").read_text()
    assert (demo / WEIGHTS).read_bytes() == undisturbed
    assert ": attempt " not in log.read_text()
    assert log.read_text().endswith("INFO another process has made all files\n")
    (starts,) = [
        events.read_text().count('{"event": "start"')
        for events in demo.glob("results/mlflow/runs/*/events.jsonl")
        if '"name": "models_ranking unsup-8M"' in events.read_text()
    ]
    assert starts == 1
    assert list(jobs.iterdir()) == []
    assert list((demo / "results/checkpoints").glob("*/*")) == []
