import json
import subprocess
import sys
from pathlib import Path

import pytest

from tracklearn.experiment import killed_runs
from tracklearn.experiment.killed_runs import NOTES, note_scheduler, remove_leftovers

LOCK = Path(".snakemake/locks/0.output.lock")
NOTE_AND_DIE = """
import os, signal
from tracklearn.experiment.killed_runs import note_scheduler
note_scheduler()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory, locked by a scheduler."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(killed_runs.atexit, "register", lambda *_, **__: None)
    LOCK.parent.mkdir(parents=True)
    LOCK.touch()
    return tmp_path


@pytest.fixture
def killed(folder) -> int:
    """The number of a scheduler that was killed in the folder."""
    process = subprocess.Popen([sys.executable, "-c", NOTE_AND_DIE], cwd=folder)
    process.wait()
    LOCK.touch()  # it has taken its own lock
    return process.pid


def test_the_lock_of_a_killed_scheduler_is_removed(killed, capsys):
    note_scheduler()
    assert not LOCK.exists()
    assert capsys.readouterr().err == f"tracklearn: the run of process {killed} was killed; its lock is removed\n"
    assert len(list(NOTES.iterdir())) == 1  # of this process


def test_a_lock_without_a_note_stays(folder, capsys):
    note_scheduler()
    assert LOCK.exists()
    assert capsys.readouterr().err == ""


def test_the_lock_stays_while_another_scheduler_lives(killed, folder):
    program = "from tracklearn.experiment.killed_runs import note_scheduler; note_scheduler(); input('noted\\n')"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"noted\n"
        assert not LOCK.exists()  # that of the killed one
        LOCK.touch()
        note_scheduler()
        assert LOCK.exists()
        other.communicate(b"\n")
    assert not list(NOTES.glob(f"*-{other.pid}.json"))  # it removed its note at its end


def test_the_lock_stays_where_the_scheduler_is_on_another_host(killed, folder):
    (NOTES / "elsewhere-1.json").write_text(json.dumps({"started": 0}))
    note_scheduler()
    assert LOCK.exists()
    note_scheduler(unlock=True)  # the user knows that it is dead
    assert not LOCK.exists()
    assert len(list(NOTES.iterdir())) == 1


def test_a_number_that_another_process_has_now_is_a_dead_scheduler(folder):
    note_scheduler()
    (own,) = NOTES.iterdir()
    host = own.stem.rpartition("-")[0]
    (NOTES / f"{host}-1.json").write_text(json.dumps({"started": 12.0}))  # process 1 is another one
    note_scheduler()
    assert not LOCK.exists()


@pytest.fixture
def left(folder) -> list[Path]:
    """What killed jobs left."""
    left = [
        Path("results/mining/00000/.tracks.tmp.csv"),
        Path("results/mlflow/outputs/.abc.0123456789abcdef.tmp.json"),
        Path("results/models/.weights.tmp.safetensors"),
        Path(".snakemake/scripts/tmpabc.mining_track.py"),
    ]
    for path in [*left, Path("results/mlflow/sent/.abc.tmp.json"), Path("results/mining/00000/tracks.csv")]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return left


def test_half_written_files_and_scripts_are_removed(left):
    remove_leftovers(local=True)
    assert [path for path in left if path.exists()] == []
    assert Path("results/mining/00000/tracks.csv").exists()
    assert Path("results/mlflow/sent/.abc.tmp.json").exists()  # the sender's, which goes on


def test_nothing_is_removed_while_a_job_of_a_killed_run_goes_on(left):
    left[-1].write_text("input()")
    with subprocess.Popen([sys.executable, left[-1].resolve()], stdin=subprocess.PIPE) as job:
        remove_leftovers(local=True)
        assert all(path.exists() for path in left)
        job.communicate(b"\n")


def test_nothing_is_removed_where_jobs_run_on_other_hosts(left):
    remove_leftovers(local=False)
    assert all(path.exists() for path in left)
