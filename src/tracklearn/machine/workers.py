"""Processes that work on one task after another, and that can be ended inside a call that never returns.

A thread cannot be ended from outside, and a fault of a C library ends the whole process. So a task that runs code which
may hang or crash runs in a process of its own. The processes are forks: they start within milliseconds, share their
memory with this process until they write to it, and call functions that cannot be pickled.
"""

import ctypes
import gc
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.util import register_after_fork
from typing import Any, Generic, Self, TypeVar

from tracklearn.machine.interrupts import SIGNALS, exit_code

Task = TypeVar("Task")
Result = TypeVar("Result")

PR_SET_PDEATHSIG = 1  # Linux's prctl.h
FAULTS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}  # of the code that runs
REST = 5.0  # seconds to wait for a process that was killed; one that waits for a dead disk cannot end

_fork = get_context("fork")
forking = threading.Lock()  # held while a process starts or a pipe closes: a fork then would have wrong ends of pipes


@dataclass(frozen=True)
class Lost:
    """A task without a result, because its process took too long and was killed, or ended by itself.

    Attributes:
        exit_status: of a process that ended by itself; the negative number of the signal that ended it. None for a
            process that took too long.
    """

    exit_status: int | None

    @property
    def killed(self) -> bool:
        """Whether the process was ended from outside, as by Linux when memory runs out: its task is not at fault."""
        return self.exit_status is not None and self.exit_status < 0 and -self.exit_status not in FAULTS

    @property
    def reason(self) -> str:
        """What happened to the process, to follow "its process"."""
        if self.exit_status is None:
            return "took too long"
        if self.exit_status >= 0:
            return f"ended with status {self.exit_status}"
        number = -self.exit_status
        words = "as when memory runs out" if number == signal.SIGKILL else signal.strsignal(number)
        return f"was ended by {signal.Signals(number).name} ({words})"


class Workers(Generic[Task, Result]):
    """Processes that call one function, each on a task at a time; they end with the block and with their thread.

    Args:
        function: of a task; tasks and results must pickle, and the function need not.
        number: processes at once; they start when there are tasks for them.
        limit: seconds after which the process of a task is killed; None sets no limit.
    """

    def __init__(self, function: Callable[[Task], Result], number: int, *, limit: float | None = None) -> None:
        self._function, self._number, self._limit = function, number, limit
        self._idle: list[_Worker] = []
        self._busy: dict[connection.Connection, tuple[_Worker, Task, float]] = {}  # with the time to kill the worker

    @property
    def free(self) -> bool:
        """Whether a task can begin now."""
        return len(self._busy) < self._number

    def begin(self, task: Task) -> None:
        """Begin a task."""
        self._idle = [worker for worker in self._idle if worker.process.is_alive()]
        worker = self._idle.pop() if self._idle else _Worker(self._function)
        with suppress(ConnectionError):  # a process that has just ended is noticed with the outcomes
            worker.connection.send(task)
        end = float("inf") if self._limit is None else time.monotonic() + self._limit
        self._busy[worker.connection] = worker, task, end

    def outcomes(self) -> list[tuple[Task, Result | Lost]]:
        """Wait until a task has ended, and return the tasks that have ended, each with its result.

        Raises:
            SystemExit: a process was ended by SIGTERM or SIGINT, with which a job is ended.
            Exception: as `function`.
        """
        found: list[tuple[Task, Result | Lost]] = []
        while self._busy and not found:
            first_end = min(end for _, _, end in self._busy.values())
            seconds = None if first_end == float("inf") else max(0.0, first_end - time.monotonic())
            for ready in connection.wait(list(self._busy), seconds):
                worker, task, _ = self._busy.pop(ready)  # type: ignore[call-overload]
                self._idle.append(worker)
                found.append((task, worker.outcome()))
            for overdue in [key for key, (_, _, end) in self._busy.items() if end <= time.monotonic()]:
                worker, task, _ = self._busy.pop(overdue)
                worker.kill()
                found.append((task, Lost(None)))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """End all processes at once."""
        for worker in [*self._idle, *(worker for worker, _, _ in self._busy.values())]:
            worker.kill()


class _Worker:
    """One process and this process's end of the pipe to it."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        # Each end of the pipe is held by one process alone, and so it notices when the process at the other end ends.
        with forking:
            self.connection, theirs = _fork.Pipe()
            register_after_fork(self.connection, type(self.connection).close)
            # Python ends a process that is a daemon before it exits itself.
            self.process = _fork.Process(target=_serve, args=(function, theirs, os.getpid()), daemon=True)
            with _garbage_kept():
                self.process.start()
            theirs.close()

    def outcome(self) -> Any:
        """What the process sent, or how it ended."""
        try:
            result, error = pickle.loads(self.connection.recv_bytes())
        except (EOFError, ConnectionError):
            self.process.join(REST)
            self.kill()
            status = self.process.exitcode or 0
            if -status in SIGNALS:
                raise SystemExit(exit_code(-status)) from None
            return Lost(status)
        if error is not None:
            raise error
        return result

    def kill(self) -> None:
        """End the process, unless it has ended."""
        self.process.kill()
        self.process.join(REST)
        # Closing takes two steps: the number of the file is free before the object knows. A process that forks between
        # them closes, after its fork, the file that has got this number since: the end of its own pipe.
        with forking:
            self.connection.close()


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Switch the garbage collection off in the block."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _serve(function: Callable[[Any], Any], tasks: connection.Connection, parent: int) -> None:
    """Send the result of `function` for each task, or its error; the life of a process."""
    # What is garbage in the parent is never freed here: it may wait for threads that are no part of a fork.
    gc.freeze()
    gc.enable()
    _end_with(parent)
    # Ctrl-C reaches all processes of a terminal's job; the parent ends this one. A handler of the parent's is no use.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(EOFError, ConnectionError):  # the parent is gone
        while True:
            tasks.send_bytes(_answer(function, tasks.recv()))


def _answer(function: Callable[[Any], Any], task: Any) -> bytes:
    """The pickled result of a task and None, or None and the error."""
    try:
        return pickle.dumps((function(task), None))
    except Exception as error:
        trace = traceback.format_exc()
        with suppress(Exception):
            error.add_note(f"in the process of a task:\n{trace}")  # a traceback does not pickle, and notes do
            answer = pickle.dumps((None, error))
            pickle.loads(answer)
            return answer
        return pickle.dumps((None, RuntimeError(trace)))


def _end_with(parent: int) -> None:
    """Have the system kill this process when its parent ends, in whatever way and whatever this process is doing.

    Only Linux can. Elsewhere the process ends after its task.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)
