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

MARKED = 64  # iterations whose times are summed later; the CPU is never so far ahead of a GPU


class Feed:
    """Iterator over the batches of iterations `start` to `stop` - 1, for a CPU; `close` ends it early.

    At most 2 x `workers` + 1 batches are ready before they are due, see `prefetch`.
    """

    def __init__(self, make: MakeBatch, start: int, stop: int, *, workers: int = 1) -> None:
        self._marks: deque[tuple[Any, Any]] = deque()
        self._seconds = 0.0
        self._batches = prefetch(
            lambda iteration: self._send(make(iteration)), start, stop, workers=workers, begin=self._begin
        )

    def __next__(self) -> Batch:
        """The next batch; an exception of `make` is raised when its batch is due."""
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
        """Prepare a thread that makes batches."""

    def _send(self, batch: Batch) -> Any:
        """Hand over a batch on the thread that made it."""
        return batch

    def _receive(self, sent: Any) -> Batch:
        """Take a batch over on the thread that trains."""
        return sent

    def _mark(self) -> Any:
        """A point in the device's time."""
        return time.perf_counter()

    def _between(self, before: Any, after: Any) -> float:
        """Seconds between two marks."""
        return after - before


class GpuFeed(Feed):
    """For a GPU: the threads that make batches copy them to the GPU while it computes with earlier batches.

    Only the GPU waits, and only for the copy. The marks are events of the stream on which the GPU computes: the time
    between the two marks of a batch is the time in which the GPU had finished its earlier work and the batch had not
    arrived.
    """

    def __init__(self, make: MakeBatch, device: torch.device, start: int, stop: int, *, workers: int = 1) -> None:
        # Streams of another priority are never those of a recorded step: torch hands out the same few again and again.
        self._device, self._copying = device, torch.cuda.Stream(device, priority=-1)
        self._computing = torch.cuda.current_stream(device)
        super().__init__(make, start, stop, workers=workers)

    def _begin(self) -> None:
        torch.cuda.set_device(self._device)  # a new thread uses the first GPU, and would take memory there

    def _send(self, batch: Batch) -> tuple[Batch, torch.cuda.Event]:
        with torch.cuda.stream(self._copying):  # each thread has its own current stream
            # torch does not reuse pinned memory before the copy from it is done.
            copies = tuple(tensor.pin_memory().to(self._device, non_blocking=True) for tensor in batch)
            return copies, self._copying.record_event()

    def _receive(self, sent: tuple[Batch, torch.cuda.Event]) -> Batch:
        batch, copied = sent
        self._computing.wait_event(copied)
        for tensor in batch:
            tensor.record_stream(self._computing)  # or the next copy could overwrite it while the GPU still reads it
        return batch

    def _mark(self) -> torch.cuda.Event:
        return self._computing.record_event(torch.cuda.Event(enable_timing=True))

    def _between(self, before: torch.cuda.Event, after: torch.cuda.Event) -> float:
        after.synchronize()
        return before.elapsed_time(after) / 1000


def feed(make: MakeBatch, device: torch.device, start: int, stop: int, *, threads: int = 1) -> Feed:
    """The batches of iterations `start` to `stop` - 1 on `device`.

    For a GPU, `threads` threads make them; for a CPU one thread does, since the other cores train.
    """
    if device.type == "cuda":
        return GpuFeed(make, device, start, stop, workers=threads)
    return Feed(make, start, stop)
