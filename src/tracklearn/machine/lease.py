"""One job has one writer: a lease, on filesystems whose locks do not hold and across hosts.

    {folder}/{job}/{writer},{heartbeat}

While a job runs, the folder of its lease holds one empty file, whose name says who writes the job's outputs. All that
happens to a lease is one call that the filesystem, a network filesystem too, does as a whole and for one caller only:

- taken: a folder with the file inside is made beside it and renamed, which fails where the lease holds a file;
- kept: the file is renamed, with another heartbeat, every few seconds;
- taken over from a dead writer: the file is renamed to the new writer's name. This fails for all but one of the
  processes that try, and for all of them if the writer has shown a heartbeat since they looked;
- released: the file, and then the folder if it is empty, is removed.

A writer that was suspended, and whose lease was taken over in the meantime, no longer finds its file. It notices that
with its next heartbeat, and every output has a heartbeat before it (`files.atomic`). On its own host, a writer is dead
once its process is gone. On another host, it is dead if its heartbeat does not change for a time on the clock of the
process that waits, so that the clocks of the hosts need not agree.

Every job pays for the import of this module and for its lease, which takes less than a millisecond on a local disk.
"""

import errno
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

from tracklearn.errors import UserError

HEARTBEAT = 5.0  # seconds between two heartbeats
SILENCE = 45.0  # seconds without a heartbeat after which a writer on another host is dead
LOOK = 1.0  # seconds between two looks of a job that waits
REPEAT = 600.0  # seconds between two lines of a job that waits
HELD = "TRACKLEARN_LEASE"
"""Environment variable with the file of this job's lease, which the processes that the job starts inherit."""
TAKEN_OVER = "TRACKLEARN_LEASE_TAKEN_OVER"
"""As `HELD`, with the file of the writer from which the lease was taken over, if there was one."""

_shown: dict[str, float] = {}  # when this process has shown the last heartbeat of each lease, on `_clock`

TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT, errno.ESTALE}  # of a call for which another process was faster


class LeaseLostError(UserError):
    """Another process took the job over while this one was suspended."""


@dataclass(frozen=True)
class Writer:
    """A process on some host.

    Attributes:
        host: the host's name, for people.
        place: the running kernel and its namespace of processes, within which `pid` means one process; "" if unknown.
        pid: the number of the process.
        start: when the process started, in the kernel's ticks: numbers are given again. 0 if unknown.
        slurm_job: the number of its SLURM job; "" outside of SLURM.
    """

    host: str
    place: str
    pid: int
    start: int
    slurm_job: str

    @classmethod
    def this_process(cls) -> "Writer":
        pid = os.getpid()
        slurm_job = os.environ.get("SLURM_JOB_ID", "")
        return cls(socket.gethostname(), _place(), pid, _start(pid) or 0, slurm_job)

    @classmethod
    def named(cls, name: str) -> "Writer":
        """The writer whose name, with or without what follows it, `name` is; ValueError if it is none."""
        host, place, pid, start, slurm_job = name.split(",")[:5]
        return cls(host, place, int(pid), int(start), slurm_job)

    @property
    def name(self) -> str:
        """The writer as the name of a file."""
        return ",".join(str(value).replace(",", "_").replace("/", "_") for value in astuple(self))

    @property
    def is_here(self) -> bool:
        """Whether this process can see whether the writer lives."""
        return bool(self.place) and self.place == _place()

    @property
    def is_dead(self) -> bool:
        """Whether the writer is known to be dead; of a writer elsewhere nothing is known."""
        start = _start(self.pid) if self.is_here else self.start
        return start is None or (start != self.start and 0 not in (start, self.start))

    def __str__(self) -> str:
        job = f" (SLURM job {self.slurm_job})" if self.slurm_job else ""
        return f"process {self.pid} on {self.host}{job}"


class Lease:
    """The right to write the outputs of one job."""

    def __init__(self, folder: Path, writer: Writer | None = None) -> None:
        self.folder = folder.absolute()
        self.writer = writer or Writer.this_process()
        self._name = f"{self.writer.name},{secrets.token_hex(4)}"
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, *, silent: str | None = None) -> bool:
        """Take the lease and keep it from now on, if it is free or its writer is dead; else return False.

        Args:
            silent: the lease's file, if its writer is on another host and counts as dead.

        Raises:
            OSError: the folder cannot be written.
        """
        file = self.holder()
        try:
            if file is None:
                _create(self.folder, self._name)
            elif file.startswith(self._name):
                pass  # an earlier call was done, though it was reported as failed
            elif file == silent or Writer.named(file).is_dead:
                (self.folder / file).rename(self.folder / _with_heartbeat(self._name))
                os.environ[TAKEN_OVER] = str(self.folder / file)
            else:
                return False
        except OSError as error:
            if error.errno not in TAKEN:
                raise
        # Only the file shows who holds the lease. A network filesystem repeats a call whose answer was lost, and may
        # report an error although the call was done. And a process that releases the lease may have emptied the new
        # folder, which it cannot tell from one that a killed process left.
        if not _find(self.folder, self._name):
            return False
        os.environ[HELD] = held = str(self.folder / self._name)
        _shown[held] = _clock()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()
        return True

    def wait(self, tell: Callable[[Writer], None]) -> None:
        """Wait until the lease is free or its writer is dead, and take it; `tell` is called seldom, with its writer."""
        seen, unchanged = self.holder(), 0.0
        last_look, last_told = time.monotonic(), -REPEAT
        while not self.take(silent=seen if unchanged > SILENCE else None):
            if seen and time.monotonic() - last_told >= REPEAT:
                last_told = time.monotonic()
                tell(Writer.named(seen))
            time.sleep(LOOK)
            with suppress(OSError):  # makes a network filesystem ask its server whether the lease is still there
                self.folder.rmdir()
            file, now = self.holder(), time.monotonic()
            # While this process was suspended, it could see no heartbeat: only the time between two looks counts.
            unchanged += min(now - last_look, 2 * LOOK)
            if file != seen or file is None or Writer.named(file).is_here:
                seen, unchanged = file, 0.0
            last_look = now

    def holder(self) -> str | None:
        """The file of the process that holds the lease; None if it is free."""
        return next(iter(_files(self.folder)), None)

    def stop_heartbeat(self) -> None:
        """Keep the lease without heartbeats from now on, which is for less than `SILENCE` seconds."""
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def release(self) -> None:
        """Release the lease, if it is held."""
        if self._thread is None:
            return
        self.stop_heartbeat()
        self._thread = None
        for variable in (HELD, TAKEN_OVER):
            os.environ.pop(variable, None)
        with suppress(OSError):
            _on_own_file(self.folder, self._name, Path.unlink)
            self.folder.rmdir()
        # Processes that were killed while they took the lease left these folders. One of them may belong to a process
        # that lives: it finds its file gone, and tries again.
        for left in self.folder.parent.glob(f".{self.folder.name}.*"):
            _remove(left)

    def _keep(self) -> None:
        """Show a heartbeat now and then; if the lease is lost, end the process as SIGTERM does."""
        while not self._stopped.wait(HEARTBEAT):
            with suppress(OSError):  # a filesystem in trouble may recover
                try:
                    confirm()
                except LeaseLostError:
                    os.kill(os.getpid(), signal.SIGTERM)
                    return


def token(variable: str = HELD) -> str:
    """What tells the lease of this job (or the one in `TAKEN_OVER`) from all others; "" if there is none."""
    return "".join(Path(os.environ.get(variable, "")).name.split(",")[5:6])


def confirm() -> None:
    """Show a heartbeat, if this process works for a job that has a lease.

    A lease whose folder was deleted under a running job is made again.

    Raises:
        LeaseLostError: another process has taken the lease over.
        OSError: the lease cannot be written.
    """
    if not (held := os.environ.get(HELD)):
        return
    folder, name, now = Path(held).parent, Path(held).name, _clock()
    there = _on_own_file(folder, name, lambda file: file.rename(folder / _with_heartbeat(name)))
    if not there and not _files(folder) and now - _shown.get(held, -SILENCE) < SILENCE:
        # Nobody can have taken the lease over so soon after a heartbeat: somebody has deleted its folder.
        try:
            _create(folder, name)
        except OSError as error:
            if error.errno not in TAKEN:
                raise
        there = _find(folder, name) is not None
    if not there:
        other = next(iter(_files(folder)), None)
        by = f" by {Writer.named(other)}" if other else ""
        raise LeaseLostError(f"this job was taken over{by} while this process was suspended")
    _shown[held] = now


def _clock() -> float:
    """Seconds, those in which the machine slept too."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _create(folder: Path, name: str) -> None:
    """Create the folder of a lease with the file of its writer inside."""
    fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        fresh.mkdir(parents=True)
        (fresh / _with_heartbeat(name)).touch()
        with suppress(OSError):
            folder.rmdir()  # it is empty if a process was killed while it released the lease
        fresh.rename(folder)
    finally:
        _remove(fresh)


def _on_own_file(folder: Path, name: str, act: Callable[[Path], object]) -> bool:
    """Do something with the file of a writer; return whether there is one."""
    for _ in range(20):  # another thread or process of the job may rename the file at the same time
        if file := _find(folder, name):
            with suppress(FileNotFoundError):
                act(folder / file)
                return True
        time.sleep(0.005)
    return False


def _files(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.count(",") == 6]  # noqa: PTH208 (names, not Paths)
    except FileNotFoundError:
        return []


def _remove(folder: Path) -> None:
    """Remove a folder with its files. If another process renames it to the lease meanwhile, its files stay."""
    with suppress(OSError):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def _find(folder: Path, name: str) -> str | None:
    return next((file for file in _files(folder) if file.startswith(name)), None)


def _with_heartbeat(name: str) -> str:
    return f"{name},{secrets.token_hex(4)}"


@cache
def _place() -> str:
    """The running kernel and the namespace of processes; "" where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _start(pid: int) -> int | None:
    """When a process started, in the kernel's ticks; 0 if it is hidden from this user, None if there is none."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # OverflowError: no number of a process is so large
        return None
    except PermissionError:
        pass
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return None if state in "ZX" else int(fields[18])  # a zombie is dead: it waits only for its parent
