"""The time limit of the work on one video; it is checked whenever a packet of the video is read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tracklearn.errors import UserError

_limit: ContextVar[tuple[float, float] | None] = ContextVar("limit", default=None)  # when it ends, its seconds


class TimeLimitError(UserError):
    """The work on a video took longer than its time limit."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Limit the time that this thread works on a video in the block: afterwards `check_time` raises. None: no limit."""
    before = _limit.set(None if seconds is None else (time.monotonic() + seconds, seconds))
    try:
        yield
    finally:
        _limit.reset(before)


def check_time() -> None:
    """Return while the time limit lasts.

    Raises:
        TimeLimitError: the `time_limit` of the block is over.
    """
    limit = _limit.get()
    if limit is not None and time.monotonic() > limit[0]:
        # Snakemake does not notice that a table of a finished experiment was deleted, so its rule must be forced.
        remedy = "to try it again, raise mining.timeout and run with --forcerun and the name of this table"
        raise TimeLimitError(f"time limit of {limit[1]:g} s; {remedy}")
