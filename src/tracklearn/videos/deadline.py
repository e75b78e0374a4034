"""The time limit of the work on one video; it is checked when the video is opened and whenever a packet is read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tracklearn.errors import UserError
from tracklearn.machine.workers import Lost

# Snakemake does not notice that a table of a finished experiment was deleted, so its rule must be forced.
AGAIN = "run with --forcerun and the name of this table"

_limit: ContextVar[tuple[float, UserError] | None] = ContextVar("limit", default=None)  # when it ends, and the error


class TimeLimitError(UserError):
    """The work on a video took longer than its time limit."""


def lost_error(lost: Lost, seconds: float | None, setting: str) -> UserError:
    """The error for a video whose process was lost.

    Args:
        lost: how it was lost.
        seconds: the time limit, None if there was none.
        setting: the name of the time limit's setting.
    """
    if lost.exit_status is None:
        return _over(seconds or 0.0, setting, ", and a call did not return")
    return UserError(f"its process {lost.reason}; to try it again, {AGAIN}")


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Limit the time that this thread works on a video in the block: afterwards `check_time` raises. None: no limit."""
    with _limited(None if seconds is None else (time.monotonic() + seconds, _over(seconds, "mining.timeout"))):
        yield


@contextmanager
def no_reading(error: UserError) -> Iterator[None]:
    """In the block, no video can be opened: `check_time` raises `error`."""
    with _limited((0.0, error)):
        yield


def check_time() -> None:
    """Return while the time limit lasts.

    Raises:
        TimeLimitError: the `time_limit` of the block is over.
        UserError: as the block of `no_reading` says.
    """
    limit = _limit.get()
    if limit is not None and time.monotonic() > limit[0]:
        raise limit[1]


def _over(seconds: float, setting: str, detail: str = "") -> TimeLimitError:
    return TimeLimitError(f"time limit of {seconds:g} s{detail}; to try it again, raise {setting} and {AGAIN}")


@contextmanager
def _limited(limit: tuple[float, UserError] | None) -> Iterator[None]:
    before = _limit.set(limit)
    try:
        yield
    finally:
        _limit.reset(before)
