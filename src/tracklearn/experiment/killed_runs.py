"""What runs that were killed leave behind: Snakemake's lock, the scripts of their jobs, half-written files.

Snakemake locks a folder, and a killed Snakemake leaves its lock: `snakemake --unlock` is then needed, although nothing
runs any more. Each run of Snakemake therefore notes its process in `.snakemake/tracklearn/schedulers/{host}-{pid}.json`
and removes the note at its end. The next run knows by the notes of dead processes that the lock is nobody's.
"""

import atexit
import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tracklearn.files import atomic

SNAKEMAKE = Path(".snakemake")
NOTES = SNAKEMAKE / "tracklearn/schedulers"
JOB_SCRIPTS = SNAKEMAKE / "scripts"
TEMPORARY = re.compile(r"\..+\.tmp(\..*)?")  # names that `files.atomic` gives
OF_THE_SENDER = {"sent", "artifacts"}  # folders of results/mlflow: the sender goes on after the run


def note_scheduler(*, unlock: bool = False) -> None:
    """Note that this process is a scheduler in the working directory, and remove the lock of a killed one.

    The lock stays where another scheduler lives or may live: of processes on other hosts nothing is known. In a folder
    that cannot be written nothing is done.

    Args:
        unlock: the user says that no other scheduler lives (`snakemake --unlock`), whose notes are then removed.
    """
    import psutil  # noqa: PLC0415 (jobs import this package too)

    own = NOTES / f"{socket.gethostname()}-{os.getpid()}.json"
    try:
        # The own note comes first: of two schedulers that start at once, each sees the other.
        with atomic(own) as temporary:
            temporary.write_text(json.dumps({"started": psutil.Process().create_time()}))
    except OSError:
        return
    # Absolute, because Snakemake leaves the folder at its end.
    atexit.register(own.absolute().unlink, missing_ok=True)
    dead = [note for note in NOTES.glob("*.json") if note != own and (unlock or not _may_live(note))]
    if dead and (unlock or not other_schedulers()):
        locks = list((SNAKEMAKE / "locks").glob("*"))
        for path in [*locks, *dead]:
            path.unlink(missing_ok=True)
        if locks:
            killed = " and ".join(sorted(note.stem.rpartition("-")[2] for note in dead))
            print(f"tracklearn: the run of process {killed} was killed; its lock is removed", file=sys.stderr)


def other_schedulers() -> list[Path]:
    """Notes of the other schedulers of the working directory that live or, on another host, may live."""
    own = f"{socket.gethostname()}-{os.getpid()}.json"
    return [note for note in NOTES.glob("*.json") if note.name != own and _may_live(note)]


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


def _may_live(note: Path) -> bool:
    """Whether the process of a note lives; True for one on another host, and for a note that cannot be read."""
    import psutil  # noqa: PLC0415

    host, _, pid = note.stem.rpartition("-")
    if host != socket.gethostname():
        return True
    try:
        process = psutil.Process(int(pid))
        started = json.loads(note.read_text())["started"]
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started) < 1
    except psutil.NoSuchProcess:
        return False
    except (OSError, ValueError, KeyError):
        return note.exists()


def _running_job_scripts() -> Iterator[str]:
    """Paths of the scripts of the working directory that processes of this host run."""
    import psutil  # noqa: PLC0415

    folder = str(JOB_SCRIPTS.resolve())
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            yield from (word for word in process.cmdline() if word.startswith(folder))
