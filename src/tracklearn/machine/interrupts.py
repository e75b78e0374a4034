"""SIGTERM, as batch systems send it before they kill, and SIGINT, which is Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether this process was asked to stop, and by which signal; 0 is none."""

    def __init__(self) -> None:
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    def note(self, number: int, _frame: FrameType | None = None) -> None:
        """As a signal handler; the first signal counts."""
        self.signal = self.signal or number


def exit_code(number: int) -> int:
    """What a shell reports for a process that signal `number` ended."""
    return 128 + number


@contextmanager
def stop_noted() -> Iterator[Stop]:
    """Yield what the two signals set instead of ending the process; the handlers from before come back at the end.

    A signal that the process ignores, as one in the background of a script ignores SIGINT, stays ignored. Outside the
    main thread, where Python allows no handlers, nothing is noted.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {each: signal.getsignal(each) for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN}
    for each in before:
        signal.signal(each, stop.note)
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
