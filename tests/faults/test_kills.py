"""SIGKILL at random moments: the same tables byte for byte, no process left, no file without an owner."""

import os
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from checkout import Checkout
from killing import KilledRuns, kills, unowned
from planned_jobs import VARYING, PlannedJob, files_of, needed, planned_jobs

KILLS = int(os.environ.get("KILLS", "40"))
KINDS = ("job", "scheduler", "all")
PER_EXPERIMENT = 10
LONGEST = 20.0  # seconds between the begin of a job and a kill


@pytest.fixture
def untouched(finished, tmp_path) -> Checkout:
    """A copy of the tiny experiment in which nothing has run."""
    root = tmp_path / "untouched"
    ignore = shutil.ignore_patterns("results", ".snakemake")
    shutil.copytree(finished.root, root, copy_function=shutil.copy2, symlinks=True, ignore=ignore)
    return Checkout(root)


def contents(folder: Path, outputs: set[str]) -> dict[str, bytes]:
    """Bytes of each output; those of the files in it if the output is a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in files_of(folder, outputs)}


def wait_for_end(runs: KilledRuns, seconds: float) -> None:
    """Wait until no process is left."""
    end = time.monotonic() + seconds
    while runs.processes() and time.monotonic() < end:
        time.sleep(0.2)
    assert not runs.processes()


@pytest.mark.timeout(4 * 3600)
def test_a_shard_whose_run_is_killed_six_times_is_the_same(finished, untouched, tmp_path):
    runs = KilledRuns(untouched.root, ["results/patches/00003.h5"], tmp_path / "log")
    done = list(kills(runs, 6, seed=0, kinds=KINDS, longest=4.0))
    finish(runs)
    assert_whole(runs, needed(planned_jobs(finished), runs.targets), finished)
    print(f"{Counter(done)} on one shard")


@pytest.mark.timeout(4 * 3600)
def test_runs_killed_at_random_moments_end_in_the_same_files(finished, untouched, tmp_path):
    """The same command is given after each kill, and nothing else; after ten kills it runs to its end."""
    done: list[str] = []
    experiment = 0
    while len(done) < KILLS:
        root = tmp_path / f"experiment{experiment}"
        shutil.copytree(untouched.root, root, copy_function=shutil.copy2, symlinks=True)
        runs = KilledRuns(root, [], tmp_path / f"{experiment}.log")
        number = min(PER_EXPERIMENT, KILLS - len(done))
        for what in kills(runs, number, seed=experiment, kinds=KINDS, longest=LONGEST):
            done.append(what)
            print(len(done), what, flush=True)
        finish(runs)
        assert_whole(runs, planned_jobs(finished), finished)
        print(f"experiment {experiment} is whole", flush=True)
        shutil.rmtree(root)
        experiment += 1
    print(f"{Counter(done)} in {experiment} experiments")


def finish(runs: KilledRuns) -> None:
    """Give the command until it succeeds: once more where a job was killed in the run that goes on, then once."""
    for _ in range(2):
        if runs.scheduler is None or runs.scheduler.poll() not in (None, 0):
            runs.start()
        if runs.scheduler.wait(timeout=3600) == 0:
            break
    assert runs.scheduler.returncode == 0, runs.log.read_text()[-5000:]
    wait_for_end(runs, 120)


def assert_whole(runs: KilledRuns, jobs: list[PlannedJob], finished: Checkout) -> None:
    """The outputs of these jobs are those of an undisturbed run, and each other file has its owner."""
    folder = runs.root / "demo"
    outputs, logs = {output for job in jobs for output in job.outputs}, {job.log for job in jobs}
    found, expected = contents(folder, outputs), contents(finished.root / "demo", outputs)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name] and not VARYING.search(name)] == []
    assert unowned(folder, outputs | logs) == []
    assert not list((folder / ".snakemake/incomplete").iterdir())
    # Each run of Snakemake has a temporary folder, which is empty but for a moment, and which a killed one leaves.
    temporary = runs.root / "tmp"
    assert not [path for path in temporary.rglob("*") if path.is_file()]
    assert not [path for path in temporary.iterdir() if not path.name.startswith("snakemake")]
    # What a person reads: no traceback, and no word of `--unlock`.
    printed = runs.log.read_text()
    assert "Traceback" not in printed
    assert "--unlock" not in printed
