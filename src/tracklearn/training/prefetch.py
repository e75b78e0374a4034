"""Batches made ahead of time on threads."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(
    make: Callable[[int], T], start: int, stop: int, *, workers: int = 1, begin: Callable[[], None] | None = None
) -> Generator[T, None, None]:
    """Yield make(start), ..., make(stop - 1) in order while the next results are being made on threads.

    At most 2 x `workers` + 1 results wait to be taken. Each thread first calls `begin`. An exception of `make` is
    raised when its result is due. Closing the iterator early waits for the calls that have begun and drops the others.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="batch", initializer=begin)
    waiting = deque(pool.submit(make, item) for item in range(start, min(start + 2 * workers + 1, stop)))
    try:
        for following in range(start + len(waiting), stop + len(waiting)):
            result = waiting.popleft().result()
            if following < stop:
                waiting.append(pool.submit(make, following))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
