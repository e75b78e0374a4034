"""Start a training in several processes of this machine by torchrun's launcher, from a single process."""

import logging
import os
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler
from multiprocessing import get_context
from typing import Any

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from tracklearn.errors import UserError
from tracklearn.machine.interrupts import SIGNALS, exit_code
from tracklearn.report import Report, silent

Metrics = dict[str, float]

GRACE, REST = 2.0, 30.0  # seconds: for a process that failed first, and for reading the last messages
KILLED = (
    "killed, as the system does when memory runs out; use fewer processes or a smaller batch, or ask for more memory, "
    "and run again"
)
CUT_SHORT = (
    "a bus error: a file was cut short while it was read, or its disk failed; pack the shards that changed again, and "
    "run again"
)
REASONS = {exit_code(signal.SIGKILL): KILLED, exit_code(signal.SIGBUS): CUT_SHORT}

log = logging.getLogger(__name__)


def launch(
    train: Callable[..., Metrics], *, processes: int, threads: int, report: Report = silent, **arguments: Any
) -> Metrics:
    """Call `train(threads=..., report=..., **arguments)` in several processes, each with its own GPU if there are any.

    Args:
        train: a function at the top level of a module.
        processes: their number; a single one is this process.
        threads: of all processes together.
        report: called in this process.
        arguments: must pickle.

    Returns:
        The first process's metrics.

    Raises:
        UserError: as `train`, or a process was killed.
        SystemExit: as `train`; SIGTERM and SIGINT are passed on to the processes.
        RuntimeError: a process failed in another way; its traceback is in the cause.
    """
    if processes == 1:
        return train(threads=threads, report=report, **arguments)
    context = get_context("spawn")
    messages, threads = context.Queue(), max(1, threads // processes)
    listener = _Listener(messages, report)
    _silence_launcher()
    try:
        with tempfile.TemporaryDirectory() as logs, _signal_handlers_kept():
            config = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=processes,
                run_id=str(os.getpid()),
                rdzv_backend="c10d",
                rdzv_endpoint="localhost:0",
                local_addr="localhost",
                max_restarts=0,
                logs_specs=DefaultLogsSpecs(log_dir=logs),
            )
            results: dict[int, Metrics] = elastic_launch(config, _work)(train, messages, threads, arguments)
            return results[0]
    except SignalException as stopped:
        raise SystemExit(exit_code(stopped.sigval)) from None
    except ChildFailedError as failed:
        listener.stop()
        if listener.errors:
            raise UserError(listener.errors[0]) from None
        rank, failure = failed.get_first_failure()
        raise _failure(rank, processes, failure.exitcode) from failed
    finally:
        listener.stop()


def _failure(rank: int, processes: int, status: int) -> BaseException:
    """The exception for a process that sent no error and ended with a status other than 0; signal n gives status -n."""
    if status < 0:
        status = exit_code(-status)
    ended = f"process {rank} of {processes} ended with status {status}"
    if status in map(exit_code, SIGNALS):
        return SystemExit(status)
    if status in REASONS:
        return UserError(f"training: {ended}, {REASONS[status]}; the last checkpoint is kept")
    return RuntimeError(ended)


def _work(train: Callable[..., Metrics], messages: Any, threads: int, arguments: dict[str, Any]) -> Metrics:
    """Train in one of the processes, and send its reports, log records and error to the process that listens."""
    root = logging.getLogger()
    root.addHandler(QueueHandler(_Records(messages)))  # type: ignore[arg-type]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        return train(threads=threads, report=lambda *row: messages.put(("report", row)), **arguments)
    except UserError as error:
        messages.put(("error", str(error)))
        raise SystemExit(1) from None
    except RuntimeError:
        # Perhaps another process failed or was killed, so that an exchange with it failed here. Within this time the
        # launcher, which looks every tenth of a second, notices the other process and ends this one.
        time.sleep(GRACE)
        raise


class _Records:
    """The queue into which a `QueueHandler` puts its records."""

    def __init__(self, messages: Any) -> None:
        self._messages = messages

    def put_nowait(self, record: logging.LogRecord) -> None:
        self._messages.put(("log", record))


class _Listener:
    """A thread that passes on what the processes send.

    A process that is killed while it sends leaves the queue locked and a message cut short. Nothing more can be sent
    through the queue then, and reading the rest of the message never returns.
    """

    def __init__(self, messages: Any, report: Report) -> None:
        self.errors: list[str] = []
        self._messages, self._report = messages, report
        self._stopped = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                kind, content = self._messages.get(timeout=0.1)
            except queue.Empty:
                if self._stopped:
                    return
                continue
            try:
                self._pass_on(kind, content)
            except Exception:  # go on reading: a process ends only after all its messages were read
                log.exception("a %s of a process could not be passed on", kind)

    def _pass_on(self, kind: str, content: Any) -> None:
        if kind == "report":
            self._report(*content)
        elif kind == "log":
            logging.getLogger(content.name).handle(content)
        else:
            self.errors.append(content)

    def stop(self) -> None:
        """Wait, after the processes have ended, until the last messages were passed on, or REST seconds at most."""
        if not self._stopped:
            self._stopped = True
            self._thread.join(REST)


def _silence_launcher() -> None:
    """Keep the launcher from logging how it ended the other processes, which would hide the first one's error."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("torch.distributed.elastic", "torch.multiprocessing", "torchelastic")):
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Restore the signal handlers that the launcher replaces."""
    numbers = (*SIGNALS, signal.SIGHUP, signal.SIGQUIT)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
