import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tracklearn.errors import UserError
from tracklearn.experiment import killed_runs
from tracklearn.experiment.killed_runs import (
    NOTES,
    forget_schedulers,
    locks_folder,
    note_scheduler,
    remove_leftovers,
)
from tracklearn.machine.lease import Writer

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
    LOCK.touch()  # it has taken its own lock, in two files
    LOCK.with_name("0.input.lock").touch()
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
    assert not list(NOTES.glob(f"*,{other.pid},*"))  # it removed its note at its end


HERE = Writer.this_process()


def note_of(writer: Writer) -> Path:
    """The note of another scheduler."""
    NOTES.mkdir(parents=True, exist_ok=True)
    note = NOTES / f"{writer.name},scheduler"
    note.touch()
    return note


@pytest.mark.parametrize(
    "other",
    [
        replace(HERE, host="elsewhere", place="another kernel", pid=1),
        replace(HERE, place="a container on this host, of the same name", pid=2**22 + 1),
        replace(HERE, place="", pid=2**22 + 1),  # the system does not tell its processes apart
    ],
)
def test_the_lock_stays_where_nothing_is_known_of_a_scheduler(killed, capsys, other):
    note = note_of(other)
    note_scheduler()
    assert LOCK.exists()
    assert len(list(NOTES.iterdir())) == 3
    forget_schedulers()  # the user knows that it is dead
    assert not note.exists()
    assert LOCK.exists()  # Snakemake removes it
    assert capsys.readouterr().err == ""


def test_a_name_that_no_scheduler_gave_keeps_the_lock(killed):
    (NOTES / "host,place,x,0,,scheduler").touch()
    note_scheduler()
    assert LOCK.exists()


def test_a_number_that_another_process_has_now_is_a_dead_scheduler(folder):
    note = note_of(replace(HERE, start=HERE.start - 1))
    LOCK.touch()
    note_scheduler()
    assert not LOCK.exists()
    assert not note.exists()


def test_a_lock_that_no_killed_scheduler_can_have_made_stays(killed, capsys):
    (note,) = NOTES.iterdir()
    note_time = note.stat().st_mtime_ns
    os.utime(LOCK, ns=(note_time - 1, note_time - 1))  # older than its note
    newer = LOCK.with_name("0.input.lock")  # of a scheduler that began after this one
    newer.touch()
    os.utime(newer, (2**33, 2**33))
    note_scheduler()
    assert LOCK.exists()
    assert newer.exists()
    assert capsys.readouterr().err == ""
    assert not note.exists()


def test_only_the_scheduler_that_left_the_lock_is_named(folder, capsys):
    for age, number in ((20, 1), (10, 2), (0, 3)):
        note = note_of(replace(HERE, pid=2**22 + number))  # no process has such a number
        os.utime(note, (10**9 - age, 10**9 - age))
    os.utime(LOCK, (10**9 - 5, 10**9 - 5))
    note_scheduler()
    assert not LOCK.exists()
    assert capsys.readouterr().err == f"tracklearn: the run of process {2**22 + 2} was killed; its lock is removed\n"


def test_without_a_note_no_run_begins(folder):
    NOTES.parent.mkdir(parents=True)
    NOTES.touch()  # a file where the folder should be
    with pytest.raises(UserError, match=r"schedulers: no file can be written there \(File exists\)"):
        note_scheduler()
    assert LOCK.exists()


@pytest.mark.parametrize(
    ("options", "locks"),
    [
        ("", True),
        ("--touch", True),
        ("--report r.html --report-after-run", True),
        ("--delete-all-output", True),
        ("--lint", False),
        ("--report", False),
        ("--summary", False),
        ("--dry-run", False),
        ("--rulegraph", False),
        ("--list-rules", False),
    ],
)
def test_only_runs_that_lock_the_folder_leave_a_note(options, locks):
    from snakemake.cli import get_argument_parser  # noqa: PLC0415

    arguments, _ = get_argument_parser().parse_known_args(options.split())
    assert locks_folder(arguments) is locks


@pytest.fixture
def left(folder) -> list[Path]:
    """What killed jobs left."""
    left = [
        Path("results/mining/00000/.tracks.tmp.csv"),
        Path("results/mlflow/outputs/.abc.0123456789abcdef.tmp.json"),
        Path("results/models/.weights.tmp.safetensors"),
        Path("results/models/.weights.01234567.tmp.safetensors"),  # of a job with a lease
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
