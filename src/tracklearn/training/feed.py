"""Batches on the device that trains: made ahead on threads and, for a GPU, copied ahead on a stream of their own."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tracklearn.training.prefetch import prefetch

Batch = tuple[Tensor, ...]
MakeBatch = Callable[[int], Batch]
"""The batch of an iteration, on the CPU; called on several threads."""

MARKED = 64  # iterations; the CPU is never so far ahead of a GPU


class Feed:
    """Iterator over the batches of iterations `start` to `stop`, for a CPU; `close` it to end early.

    At most 2 x `workers` + 1 batches are ready before they are due, see `prefetch`.
    """

    def __init__(self, make: MakeBatch, start: int, stop: int, *, workers: int = 1) -> None:
        self._marks: deque[tuple[Any, Any]] = deque()
        self._seconds = 0.0
        self._batches = prefetch(
            lambda iteration: self._send(make(iteration)), start, stop, workers=workers, begin=self._begin
        )

    def __next__(self) -> Batch:
        """The next batch; an exception of `make` is raised where its batch was due."""
        before = self._mark()
        batch = self._receive(next(self._batches))
        self._marks.append((before, self._mark()))
        if len(self._marks) > MARKED:
            self._seconds += self._between(*self._marks.popleft())
        return batch

    def waited(self) -> float:
        """Seconds for which the device had no batch to compute with since the last call; waits for a GPU."""
        seconds = self._seconds + sum(self._between(*marks) for marks in self._marks)
        self._marks.clear()
        self._seconds = 0.0
        return seconds

    def close(self) -> None:
        """End the threads."""
        self._batches.close()

    def _begin(self) -> None:
        """On each thread that makes batches, first."""

    def _send(self, batch: Batch) -> Any:
        """From the thread that made a batch."""
        return batch

    def _receive(self, sent: Any) -> Batch:
        """To the thread that trains."""
        return sent

    def _mark(self) -> Any:
        """A point in the device's time."""
        return time.perf_counter()

    def _between(self, before: Any, after: Any) -> float:
        """Seconds."""
        return after - before


class GpuFeed(Feed):
    """For a GPU: batches are copied to it by the threads that make them, while it computes with earlier ones.

    Nobody waits but the GPU, and it for the copy alone. The marks are points of its own stream of work: what lies
    between them is time in which it had done all before and the batch was not there yet.
    """

    def __init__(self, make: MakeBatch, device: torch.device, start: int, stop: int, *, workers: int = 1) -> None:
        self._device, self._copying = device, torch.cuda.Stream(device)
        self._computing = torch.cuda.current_stream(device)
        super().__init__(make, start, stop, workers=workers)

    def _begin(self) -> None:
        torch.cuda.set_device(self._device)  # a thread begins with the first GPU, and would take memory of it

    def _send(self, batch: Batch) -> tuple[Batch, torch.cuda.Event]:
        with torch.cuda.stream(self._copying):  # a thread has a current stream of its own
            # From pinned memory, which torch does not use again before the copy is done.
            there = tuple(part.pin_memory().to(self._device, non_blocking=True) for part in batch)
            return there, self._copying.record_event()

    def _receive(self, sent: tuple[Batch, torch.cuda.Event]) -> Batch:
        batch, copied = sent
        self._computing.wait_event(copied)
        for part in batch:
            part.record_stream(self._computing)  # or the next copy could take its memory while it is still read
        return batch

    def _mark(self) -> torch.cuda.Event:
        return self._computing.record_event(torch.cuda.Event(enable_timing=True))

    def _between(self, before: torch.cuda.Event, after: torch.cuda.Event) -> float:
        after.synchronize()
        return before.elapsed_time(after) / 1000


def feed(make: MakeBatch, device: torch.device, start: int, stop: int, *, threads: int = 1) -> Feed:
    """Batches `start` to `stop` on `device`, made on so many threads; on a CPU on one, since the other cores train."""
    if device.type == "cuda":
        return GpuFeed(make, device, start, stop, workers=threads)
    return Feed(make, start, stop)
