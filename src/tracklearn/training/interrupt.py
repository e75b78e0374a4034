"""SIGTERM, as batch systems send it before they kill."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 128 + signal.SIGTERM


@contextmanager
def sigterm_noted() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM sets; the handler that was there before comes back at the end.

    Outside the main thread, where Python allows no handlers, the event stays unset.
    """
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(_signal: int, _frame: FrameType | None) -> None:
        noted.set()

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGTERM, before)
