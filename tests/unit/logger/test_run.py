"""A real run of a tiny Snakefile: off a terminal, on one, and interrupted."""

import os
import re
import signal
import subprocess
import sys

import pytest
from worlds.terminals import Terminal

SNAKEFILE = """
rule all:
    input: "a.txt", "b.txt", "c.txt"
rule models_ranking:
    output: "{model}.txt"
    log: "logs/{model}.log"
    script: "train.py"
"""
SCRIPT = """
import logging, time
from pathlib import Path
from tracklearn.errors import UserError
from tracklearn.report import progress
from tracklearn.runs import recorded

with recorded(snakemake):
    for iteration in range(1, 4):
        progress.info("iteration %d of 3 (%d%%), 0:00:01 left", iteration, 33 * iteration)
        while Path("wait").exists():
            time.sleep(0.1)
    if snakemake.wildcards.model == "b":
        raise UserError("world/photos: no photos there; put them there")
    if snakemake.wildcards.model == "c":
        raise KeyError("colour")
    Path(snakemake.output[0]).touch()
"""


@pytest.fixture
def run(tmp_path, repository):
    """Start the run with some stderr; its process leads a group of its own, as in a shell."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "train.py").write_text(SCRIPT)
    started = []

    def start(stderr, *arguments):
        command = [sys.executable, "-m", "snakemake", "--cores", "3", "--keep-going", "--logger", "tracklearn"]
        environment = os.environ | {"PYTHONPATH": str(repository / "src"), "TERM": "xterm", "NO_COLOR": "1"}
        process = subprocess.Popen(
            [*command, *arguments], cwd=tmp_path, env=environment, stderr=stderr, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_off_a_terminal_each_job_is_a_line_and_errors_come_in_full(run):
    process = run(subprocess.PIPE)
    _, text = process.communicate(timeout=100)
    assert process.returncode == 1
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
    assert re.search(rf"^{stamp} 1/4 models_ranking a: \d+\.\d s$", text, re.MULTILINE)
    user_error = r"failed: world/photos: no photos there; put them there \(log: logs/b\.log\)$"
    assert re.search(rf"^{stamp} models_ranking b {user_error}", text, re.MULTILINE)
    bug = r"failed: failed after .*: KeyError \(see the traceback\) \(log: logs/c\.log\)$"
    assert re.search(rf"^{stamp} models_ranking c {bug}", text, re.MULTILINE)
    assert text.count("Traceback") == 1  # from the log; the job itself keeps to it
    assert "    KeyError: 'colour'\n" in text
    assert re.search(
        r"^1 of 4 jobs done in \d+ s, 2 failed \(see above\): models_ranking [bc], models_ranking [bc]$", text, re.M
    )
    assert "Select jobs" not in text
    assert "reason" not in text.lower()


def test_on_a_terminal_the_line_lives_until_it_is_interrupted(run, terminal, tmp_path):
    (tmp_path / "wait").touch()
    screen: Terminal = terminal(60)
    process = run(screen.stream)
    screen.wait_for(r"0/4 jobs \| ranking . 1/3 \| ranking . 1/3 \| ranking . 1/3", seconds=100)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: Snakemake and its jobs get it
    process.wait(timeout=100)
    lines = screen.screen()
    assert "Interrupted: waiting for 3 jobs to end" in lines
    assert re.fullmatch(r"0 of 4 jobs done in \d+ s; the same command goes on from here", lines[-1])
    assert "Traceback" not in screen.raw
    assert "failed" not in screen.raw
