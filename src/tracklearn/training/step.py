"""One iteration: forward pass, loss, gradient and update. A GPU replays it from a recording."""

from typing import Any, Protocol

import torch
from torch import Tensor

from tracklearn.networks.backbone import Backbone
from tracklearn.training import gpu
from tracklearn.training.feed import Batch
from tracklearn.training.solver import Solver

SEEN = 3  # iterations that are computed before one is recorded: cuDNN tries its convolutions, torch compiles

Measurements = dict[str, Tensor]


class Objective(Protocol):
    """Loss and measurements (scalars) of a net on a batch at an iteration."""

    def draw(self, net: Backbone, batch: Batch, iteration: int) -> Batch:
        """Random numbers of an iteration, on the CPU, so that they are the same whatever device computes."""

    def phase(self, iteration: int) -> object:
        """Iterations of equal phase do the same operations on other values."""

    def __call__(self, net: Backbone, batch: Batch, iteration: int, /) -> tuple[Tensor, Measurements]:
        """The loss and measurements of a batch, which may end with the random numbers of `draw`."""


class Step:
    """Computes an iteration.

    Args:
        net: the network, or its `Parallel`.
        solver: of the network's parameters.
        objective: computes the loss, perhaps compiled.
        device: of the network.
        precision: as in a schedule; its rounding is set by `set_precision`.
    """

    def __init__(self, net: Backbone, solver: Solver, objective: Any, *, device: torch.device, precision: str) -> None:
        self._net, self._solver, self._objective = net, solver, objective
        self._autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)

    def __call__(self, batch: Batch, iteration: int, rate: float) -> Measurements:
        """The loss and the measurements before the update, which is done at a learning rate."""
        with self._autocast:
            loss, measurements = self._objective(self._net, batch, iteration)
        loss.backward()
        self._solver.step(rate)
        return {"loss": loss.detach(), **measurements}


class RecordedStep(Step):
    """As `Step`, recorded as a CUDA graph, which the CPU starts at once instead of some 650 kernels one by one.

    The recording is good for one phase and learning rate. Iterations are computed without it until both have stayed the
    same for `SEEN` iterations.
    """

    def __init__(self, net: Backbone, solver: Solver, objective: Any, *, phases: Objective, **options: Any) -> None:
        super().__init__(net, solver, objective, **options)
        self._phase = phases.phase
        self._kind: object = None
        self._seen = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream()
        self._inputs: Batch = ()
        self._outputs: Measurements = {}

    def __call__(self, batch: Batch, iteration: int, rate: float) -> Measurements:
        kind = self._phase(iteration), rate
        if kind != self._kind:
            self._kind, self._seen, self._graph = kind, 0, None  # which frees the memory of the graph
        if self._graph is None:
            self._seen += 1
            if self._seen <= SEEN:
                return self._computed(batch, iteration, rate)
            self._record(batch, iteration, rate)
        assert self._graph is not None
        for kept, tensor in zip(self._inputs, batch, strict=True):
            kept.copy_(tensor, non_blocking=True)
        self._graph.replay()
        return self._outputs

    def _computed(self, batch: Batch, iteration: int, rate: float) -> Measurements:
        """On the stream of the recording, as torch asks of the iterations before it."""
        usual = torch.cuda.current_stream()
        self._stream.wait_stream(usual)
        with torch.cuda.stream(self._stream):
            outputs = super().__call__(batch, iteration, rate)
        usual.wait_stream(self._stream)
        for tensor in outputs.values():
            tensor.record_stream(usual)
        return outputs

    def _record(self, batch: Batch, iteration: int, rate: float) -> None:
        """Record the operations; nothing is computed."""
        self._inputs = tuple(torch.empty_like(tensor) for tensor in batch)
        self._graph = torch.cuda.CUDAGraph()
        # Threads copy batches meanwhile, which only the recording of this thread's own calls allows.
        with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
            self._outputs = super().__call__(self._inputs, iteration, rate)


def new_step(
    net: Backbone, solver: Solver, objective: Objective, *,
    device: torch.device, precision: str, compiled: bool = False, alone: bool = True,
) -> Step:  # fmt: skip
    """How a process computes its iterations; `alone` says that no other process trains the same network."""
    computed = gpu.compiled(objective, device) if compiled else objective
    if device.type == "cuda" and alone:
        return RecordedStep(net, solver, computed, phases=objective, device=device, precision=precision)
    return Step(net, solver, computed, device=device, precision=precision)
