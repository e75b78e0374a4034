"""A limit on the seconds that the work on one video may take, looked at whenever one of its packets is read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tracklearn.errors import UserError

_limit: ContextVar[tuple[float, float] | None] = ContextVar("limit", default=None)  # when it ends, its seconds


class TimeLimitError(UserError):
    """The work on a video took longer than it may."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Limit the work on a video in this block, by this thread: past it, `check_time` raises. None: no limit."""
    before = _limit.set(None if seconds is None else (time.monotonic() + seconds, seconds))
    try:
        yield
    finally:
        _limit.reset(before)


def check_time() -> None:
    """Go on while there is time.

    Raises:
        TimeLimitError: the block's `time_limit` is over.
    """
    limit = _limit.get()
    if limit is not None and time.monotonic() > limit[0]:
        # A finished experiment does not miss a table that is deleted: Snakemake makes it anew where it is told to.
        remedy = "to try it again, raise mining.timeout and run with --forcerun and the name of this table"
        raise TimeLimitError(f"time limit of {limit[1]:g} s; {remedy}")
