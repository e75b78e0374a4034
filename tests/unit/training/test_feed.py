"""Batches arrive in order; instead of a GPU there are streams that count time."""

import threading
import time

import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.training.feed import MARKED, GpuFeed, feed

CPU = torch.device("cpu")


def tensors(iteration):
    return torch.full((2,), iteration), torch.tensor([iteration])


def test_on_a_cpu_the_batches_are_those_that_were_made():
    made = {}
    batches = feed(lambda iteration: made.setdefault(iteration, tensors(iteration)), CPU, 3, 6, threads=4)
    for iteration in (3, 4, 5):
        assert next(batches) is made[iteration]
    with pytest.raises(StopIteration):
        next(batches)


def test_waiting_time_is_counted_since_the_last_call():
    batches = feed(lambda iteration: time.sleep(0.05 if iteration == 0 else 0) or tensors(iteration), CPU, 0, 200)
    next(batches)
    for _ in range(MARKED + 10):  # the times of the first ones are summed meanwhile
        next(batches)
    assert batches.waited() >= 0.05
    time.sleep(0.05)  # the training is slow, so that batches are ready
    next(batches)
    assert batches.waited() < 0.05
    batches.close()


def test_an_error_is_raised_when_its_batch_is_due_and_the_threads_end():
    def broken(iteration):
        if iteration == 1:
            raise UserError("00007.h5: no such file")
        return tensors(iteration)

    batches = feed(broken, CPU, 0, 10)
    next(batches)
    with pytest.raises(UserError, match="no such file"):
        next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batch")]


class Event:
    """A point in the time of a stream, in milliseconds."""

    def __init__(self, enable_timing=False):
        self.timing = enable_timing

    def synchronize(self):
        assert self.timing

    def elapsed_time(self, other):
        return other.at - self.at


class Stream:
    """Does its work in order and knows how long it took."""

    def __init__(self, device=None, priority=0):
        self.now = 0.0

    def record_event(self, event=None):
        event = event or Event()
        event.at = self.now
        return event

    def wait_event(self, event):
        self.now = max(self.now, event.at)


class FakeTensor:
    """A tensor whose copy takes `milliseconds` of the current stream."""

    def __init__(self, gpu, milliseconds):
        self.gpu, self.milliseconds, self.pinned, self.used_by = gpu, milliseconds, False, []

    def pin_memory(self):
        self.pinned = True
        return self

    def to(self, device, *, non_blocking):
        assert self.pinned
        assert non_blocking
        stream = self.gpu.current()
        assert stream is not self.gpu.computing
        stream.now += self.milliseconds
        return self

    def record_stream(self, stream):
        self.used_by.append(stream)


class Gpu:
    """Stands in for torch.cuda."""

    def __init__(self):
        self.computing, self.local = Stream(), threading.local()
        self.devices_of_threads = {}

    def use(self, device):
        self.devices_of_threads[threading.get_ident()] = device

    def current(self):
        return getattr(self.local, "stream", self.computing)

    def stream(self, stream):
        gpu = self

        class Using:
            def __enter__(self):
                gpu.local.stream = stream

            def __exit__(self, *_):
                del gpu.local.stream

        return Using()


@pytest.fixture
def gpu(monkeypatch):
    fake = Gpu()
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: fake.current())
    monkeypatch.setattr(torch.cuda, "stream", fake.stream)
    monkeypatch.setattr(torch.cuda, "set_device", fake.use)
    return fake


@pytest.mark.parametrize(
    ("copy", "compute", "waited"),
    [
        (3, 5, 3),  # the GPU waits for the first copy; it computes during the others
        (8, 5, 8 + 3 * 99),  # each copy takes 3 ms longer than the computation
    ],
)
def test_a_gpu_computes_while_the_next_batch_is_copied(gpu, copy, compute, waited):
    batches = feed(lambda iteration: (FakeTensor(gpu, copy - 1), FakeTensor(gpu, 1)), torch.device("cuda", 0), 0, 100)
    assert isinstance(batches, GpuFeed)
    for _ in range(100):
        for tensor in next(batches):
            assert tensor.used_by == [gpu.computing]
        gpu.computing.now += compute
    assert batches.waited() == pytest.approx(waited / 1000)
    assert batches.waited() == 0
    assert gpu.computing.now == waited + 100 * compute
    assert list(gpu.devices_of_threads.values()) == [torch.device("cuda", 0)]
    batches.close()


@pytest.mark.gpu
def test_on_a_gpu_every_batch_arrives_whole_while_it_computes():
    device = torch.device("cuda", torch.cuda.current_device())
    batches = feed(lambda iteration: (torch.full((1000, 1000), iteration),), device, 0, 200, threads=4)
    busy, sums = torch.randn(2000, 2000, device=device), []
    for _ in range(200):
        (batch,) = next(batches)
        busy = torch.nn.functional.normalize(busy @ busy)
        sums.append(batch.sum())
        del batch
    assert torch.stack(sums).tolist() == [1_000_000 * iteration for iteration in range(200)]
    assert 0 < batches.waited() < 60
    batches.close()
