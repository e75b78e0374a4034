"""SIGTERM, which batch systems send before they kill a process, and SIGINT, which Ctrl-C sends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether this process was asked to stop, and by which signal; 0 means none."""

    def __init__(self) -> None:
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    def note(self, number: int, _frame: FrameType | None = None) -> None:
        """Note a signal, as a signal handler; the first one counts."""
        self.signal = self.signal or number


def exit_code(number: int) -> int:
    """The exit status that a shell reports for a process ended by signal `number`."""
    return 128 + number


@contextmanager
def stop_noted() -> Iterator[Stop]:
    """Within the block, the two signals are noted in the yielded `Stop` instead of ending the process.

    The earlier handlers are restored at the end. A signal that the process ignores stays ignored, as SIGINT in a
    script's background process. Outside the main thread Python allows no handlers, and nothing is noted.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    replaced = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
    for number in replaced:
        signal.signal(number, stop.note)
    try:
        yield stop
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
