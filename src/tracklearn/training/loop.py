"""The training loop."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.machine.devices import own_device
from tracklearn.machine.interrupts import exit_code, stop_noted
from tracklearn.machine.memory import keep_memory
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.filters import draw_filters
from tracklearn.report import Report, silent
from tracklearn.settings.training import Saving, Schedule
from tracklearn.training.checkpoint import load_checkpoint, save_checkpoint
from tracklearn.training.distributed import World, joined
from tracklearn.training.feed import Batch, Feed, MakeBatch, feed
from tracklearn.training.gpu import compiled, computing
from tracklearn.training.log import Log
from tracklearn.training.progress import Progress
from tracklearn.training.schedule import learning_rate
from tracklearn.training.solver import Solver
from tracklearn.training.state import TrainingState

T = TypeVar("T")
FAILED = 128  # above all signals: what the processes agree on after an error in one of them
Objective = Callable[[CaffeNet, Batch, int], tuple[Tensor, dict[str, Tensor]]]
"""Loss and measurements (scalars) of a net on a batch at an iteration."""


def train(
    net: CaffeNet,
    make_batch: MakeBatch,
    objective: Objective,
    *,
    schedule: Schedule,
    saving: Saving,
    checkpoints: str | Path,
    settings: Mapping[str, Any],
    layer_rates: Mapping[str, float] | None = None,
    threads: int | None = None,
    report: Report = silent,
) -> dict[str, float]:
    """Train `net` in place and return the last row of the log, which is `checkpoints`/log.csv.

    A stopped training continues from its newest checkpoint. On a CPU, with equal seeds and threads, it ends in the
    same bits as one that was never stopped.

    Args:
        net: changed in place; on the CPU and in evaluation mode at the end.
        make_batch: of an iteration; depends on nothing else.
        objective: loss and measurements; depends on nothing that went before.
        schedule: how long and how fast.
        saving: how often to write checkpoints and rows of the log; changes nothing else.
        checkpoints: a folder of this job's own; the caller removes it once the job's outputs are written.
        settings: everything that the result depends on, in values that JSON can hold: the kind of training, network,
            loss, schedule, seed, digest of the parent, identity of the data. Checkpoints record the settings, and a
            checkpoint made under other settings is refused.
        layer_rates: factors on the learning rate by layer name.
        threads: of torch and, on a GPU, for making batches.
        report: called with each row of the log.

    Raises:
        UserError: the folder holds a checkpoint made under other settings, the loss or a weight is not finite, a batch
            cannot be made, or the disk is full. An error in one of several processes is raised in all of them.
        SystemExit: code 143 after SIGTERM and 130 after SIGINT, with a checkpoint written.
    """
    if threads:
        torch.set_num_threads(threads)
    folder, device = Path(checkpoints), own_device()
    net.train().to(device)
    if schedule.compile:
        objective = compiled(objective, device)
    with joined(device) as world, computing(device, schedule.precision):
        solver = Solver(net, momentum=schedule.momentum, weight_decay=schedule.weight_decay, layer_rates=layer_rates)
        state = TrainingState(net, solver)
        _resume(state, folder, settings, world)
        parallel_net = cast(CaffeNet, world.parallel(net))  # with the first process's weights in all of them
        log = Log(folder / "log.csv", state.log_bytes) if world.first else None
        listeners: list[Report] = [log.write, report, Progress(schedule.iterations, state.iteration)] if log else []
        saver = _Saver(state, folder, log, saving=saving, settings=settings)
        batches = feed(make_batch, device, state.iteration, schedule.iterations, threads=threads or 1)
        keep_memory()
        attempt = _Attempts()
        with stop_noted() as stop, closing(batches):
            while state.iteration < schedule.iterations:
                batch = attempt(lambda: next(batches))
                if world.agreed(FAILED if attempt.error else stop.signal) or batch is None:
                    break
                # Until the next row or checkpoint nothing waits for a GPU.
                rate = learning_rate(schedule, state.iteration)
                with torch.autocast(device.type, torch.bfloat16, enabled=schedule.precision == "bf16"):
                    loss, measurements = objective(parallel_net, batch, state.iteration)
                loss.backward()
                solver.step(rate)
                state.count(loss, measurements, rate)
                if state.iteration % saving.log_every == 0 or state.iteration == schedule.iterations:
                    attempt(lambda: _report_row(state, schedule.batch, batches, listeners))
                if saver.due():
                    attempt(saver.save)
            attempt(saver.save_rest)
            ending = world.agreed(stop.signal)
        _raise_first(world, attempt.error)
        if ending:
            raise SystemExit(exit_code(ending))
        row = world.from_first(log.last_row() if log else {})
    net.eval().cpu()
    return row


def _resume(state: TrainingState, folder: Path, settings: Mapping[str, Any], world: World) -> None:
    """Continue from the newest checkpoint, if there is one: the first process reads it for all of them.

    The network is not copied to the others here; `World.parallel` does so.
    """
    attempt = _Attempts()
    if world.first and (checkpoint := attempt(lambda: load_checkpoint(folder, settings))):
        state.restore(checkpoint)
    _raise_first(world, attempt.error)
    state.iteration = world.from_first(state.iteration)
    world.copy_first(state.solver.velocities.values())


def _report_row(state: TrainingState, images: int, batches: Feed, listeners: Iterable[Report]) -> None:
    row = state.take_row(images, batches.waited)
    for listener in listeners:
        listener(state.iteration, row)


class _Attempts:
    """Does work and keeps the first error, which all processes raise together once they have agreed to end.

    torchrun kills the other processes as soon as one of them has ended: none of them may end alone.
    """

    error: UserError | None = None

    def __call__(self, work: Callable[[], T]) -> T | None:
        """The result of `work`, or None after an error."""
        try:
            return work()
        except UserError as error:
            self.error = self.error or error
            return None


def _raise_first(world: World, error: UserError | None) -> None:
    """Raise the error of the first process that has one in all of them."""
    if first := world.first_of(error):
        raise first


class _Saver:
    """Writes checkpoints and, beside each, a picture of conv1. A process without a log writes nothing."""

    def __init__(
        self, state: TrainingState, folder: Path, log: Log | None, *, saving: Saving, settings: Mapping[str, Any]
    ) -> None:
        self.state, self.folder, self.log, self.saving, self.settings = state, folder, log, saving, settings
        self.iteration, self.time = state.iteration, time.monotonic()  # of the newest checkpoint

    def due(self) -> bool:
        """Whether enough iterations or minutes have passed since the newest checkpoint."""
        iterations, seconds = self.state.iteration - self.iteration, time.monotonic() - self.time
        return iterations >= self.saving.checkpoint_every or seconds >= 60 * self.saving.checkpoint_minutes

    def save(self) -> None:
        """Write a checkpoint.

        Raises:
            UserError: the loss or a weight is not finite, or the disk is full.
        """
        self.iteration, self.time = self.state.iteration, time.monotonic()
        if self.log:
            self.state.log_bytes = self.log.sync()
            save_checkpoint(self.folder, self.state.checkpoint(self.settings))
            draw_filters(self.folder / f"conv1-{self.iteration:07d}.png", self.state.net)

    def save_rest(self) -> None:
        """Write a checkpoint of the iterations since the newest one, if there are any."""
        if self.iteration != self.state.iteration:
            self.save()
