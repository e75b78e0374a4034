"""What runs that were killed leave behind: Snakemake's lock, the scripts of their jobs, half-written files.

Snakemake locks a folder, and a killed Snakemake leaves its lock: `snakemake --unlock` is then needed, although nothing
runs any more. Each run of Snakemake therefore leaves a note in `.snakemake/tracklearn/schedulers`, an empty file whose
name is that of its process (`lease.Writer`), and removes it at its end. The next run knows by the notes of dead
processes that the lock is nobody's.
"""

import atexit
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.machine.lease import Writer

SNAKEMAKE = Path(".snakemake")
NOTES = SNAKEMAKE / "tracklearn/schedulers"
NOTE = ",scheduler"  # what follows the name of the process
JOB_SCRIPTS = SNAKEMAKE / "scripts"
TEMPORARY = re.compile(r"\..+\.tmp(\..*)?")  # names that `files.atomic` gives
OF_THE_SENDER = {"sent", "artifacts"}  # folders of results/mlflow: the sender goes on after the run
# Options with which Snakemake neither runs jobs nor locks the folder.
ONLY_LOOKS = [
    "lint",
    "list_target_rules",
    "list_rules",
    "print_compilation",
    "containerize",
    "generate_unit_tests",
    "dag",
    "rulegraph",
    "filegraph",
    "d3dag",
    "list_conda_envs",
    "list_changes",
    "list_input_changes",
    "list_params_changes",
    "list_untracked",
    "summary",
    "detailed_summary",
    "archive",
    "dryrun",
]


def locks_folder(arguments: Any) -> bool:
    """Whether Snakemake runs jobs, or locks the folder for something else, with these arguments of its parser."""
    reports = arguments.report and not arguments.report_after_run
    return not reports and not any(getattr(arguments, name) for name in ONLY_LOOKS)


def note_scheduler() -> None:
    """Note that this process is a scheduler in the working directory, and remove the lock of a killed one.

    The lock stays where another scheduler lives or may live: of processes on other hosts nothing is known.

    Raises:
        UserError: the note cannot be written.
    """
    own = _own_note()
    try:
        # The own note comes first: of two schedulers that start at once, each sees the other.
        NOTES.mkdir(parents=True, exist_ok=True)
        own.touch()
        noted = own.stat().st_mtime_ns
    except OSError as error:
        raise UserError(
            f"{NOTES}: no file can be written there ({error.strerror}); make it writable and run again"
        ) from error
    # Absolute, because Snakemake leaves the folder at its end.
    atexit.register(own.absolute().unlink, missing_ok=True)
    # Locks first, schedulers last: one that starts in between is seen, and the lock of a later one is not in the list.
    locks = _times((SNAKEMAKE / "locks").glob("*"))
    dead = _times(note for note in _other_notes() if _is_dead(note))
    if other_schedulers():
        return
    killed = set()
    for lock, locked in locks.items():
        # A scheduler leaves its note before it locks the folder.
        before = [note for note, time in dead.items() if time <= locked <= noted]
        if before:
            lock.unlink(missing_ok=True)
            killed.add(max(before, key=dead.__getitem__))
    for note in killed:
        pid = Writer.named(note.name).pid
        print(f"tracklearn: the run of process {pid} was killed; its lock is removed", file=sys.stderr)
    for note in dead:
        note.unlink(missing_ok=True)


def forget_schedulers() -> None:
    """Remove the notes of all schedulers: the user says that none lives (`snakemake --unlock`)."""
    for note in _other_notes():
        note.unlink(missing_ok=True)


def other_schedulers() -> list[Path]:
    """Notes of the other schedulers of the working directory that live or, on another host, may live."""
    return [note for note in _other_notes() if not _is_dead(note)]


def remove_leftovers(results: Path = Path("results"), *, local: bool) -> None:
    """Remove what killed jobs left: half-written files below the results, and the scripts that Snakemake made for them.

    To be called by a scheduler whose jobs have ended. Nothing is removed while another scheduler or a job of a killed
    one works in the folder, and nothing if the jobs run on other hosts, where such jobs cannot be seen.
    """
    if not local or other_schedulers() or any(_running_job_scripts()):
        return
    for script in JOB_SCRIPTS.glob("tmp*"):
        script.unlink(missing_ok=True)
    for folder, folders, names in os.walk(results):
        if Path(folder) == results / "mlflow":
            folders[:] = [name for name in folders if name not in OF_THE_SENDER]
        for name in filter(TEMPORARY.fullmatch, names):
            Path(folder, name).unlink(missing_ok=True)


def _own_note() -> Path:
    return NOTES / f"{Writer.this_process().name}{NOTE}"


def _other_notes() -> list[Path]:
    own = _own_note()
    return [note for note in NOTES.glob(f"*{NOTE}") if note != own]


def _is_dead(note: Path) -> bool:
    """Whether the process of a note is known to be dead."""
    try:
        return Writer.named(note.name).is_dead
    except ValueError:  # of a name that no process gave
        return False


def _times(files: Iterable[Path]) -> dict[Path, int]:
    """When each file was written, in nanoseconds, without those that are gone."""
    times = {}
    for file in files:
        with suppress(FileNotFoundError):
            times[file] = file.stat().st_mtime_ns
    return times


def _running_job_scripts() -> Iterator[str]:
    """Paths of the scripts of the working directory that processes of this host run."""
    import psutil  # noqa: PLC0415 (jobs import this package too)

    folder = str(JOB_SCRIPTS.resolve())
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            yield from (word for word in process.cmdline() if word.startswith(folder))
