"""The training loop."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from tracklearn.errors import UserError
from tracklearn.machine.devices import own_device
from tracklearn.machine.interrupts import exit_code, stop_noted
from tracklearn.machine.memory import keep_freed_memory
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.filters import draw_filters
from tracklearn.report import Report, silent
from tracklearn.settings.training import Saving, Schedule
from tracklearn.training.checkpoint import load_checkpoint, save_checkpoint
from tracklearn.training.distributed import World, joined_processes
from tracklearn.training.feed import Batch, Feed, MakeBatch, feed
from tracklearn.training.gpu import set_precision
from tracklearn.training.log import Log, NewestRow
from tracklearn.training.progress import Progress
from tracklearn.training.schedule import learning_rate
from tracklearn.training.solver import Solver
from tracklearn.training.state import TrainingState
from tracklearn.training.step import Objective, new_step

T = TypeVar("T")
FAILED = 128  # stands for an error; FAILED is larger than every signal number, so that an error wins


def train(
    net: Backbone,
    make_batch: MakeBatch,
    objective: Objective,
    *,
    schedule: Schedule,
    saving: Saving,
    checkpoints: str | Path | None,
    identity: Mapping[str, Any],
    layer_rates: Mapping[str, float] | None = None,
    threads: int | None = None,
    report: Report = silent,
) -> dict[str, float]:
    """Train `net` in place and return the last row of the log, which is `checkpoints`/log.csv.

    A stopped training continues from its newest checkpoint. On a CPU, with equal seeds and threads, it ends in the
    same bits as one that was never stopped.

    Args:
        net: the network. It is changed in place, and it is on the CPU and in evaluation mode at the end.
        make_batch: makes the batch of an iteration. The batch depends on the iteration alone.
        objective: computes loss and measurements. They depend on its arguments alone, not on earlier calls.
        schedule: how many iterations there are, and the learning rate of each.
        saving: how often checkpoints and rows of the log are written. It changes nothing else.
        checkpoints: a folder that only this job uses. The caller removes it once the job's outputs are written. With
            None, neither checkpoints nor a log are written, and a stopped training is lost.
        identity: everything that the result depends on, in values that JSON can hold: the kind of training, network,
            loss, schedule, seed, digest of the parent, and what identifies the data. Checkpoints record it, and a
            checkpoint with another identity is refused.
        layer_rates: factors by which the learning rates of some layers are multiplied, by the layer's name.
        threads: how many threads torch uses; on a GPU, also how many threads make batches.
        report: is called with each row of the log.

    Raises:
        UserError: the folder holds a checkpoint with another identity, the loss or a weight is not finite, a batch
            cannot be made, or the disk is full. An error in one of several processes is raised in all of them.
        SystemExit: code 143 after SIGTERM and 130 after SIGINT, with a checkpoint written if there is a folder.
    """
    if threads:
        torch.set_num_threads(threads)
    folder, device = Path(checkpoints) if checkpoints else None, own_device()

    def make_whole_batch(iteration: int) -> Batch:
        batch = make_batch(iteration)
        return *batch, *objective.draw(net, batch, iteration)

    net.train().to(device)
    with joined_processes(device) as world, set_precision(device, schedule.precision):
        solver = Solver(net, momentum=schedule.momentum, weight_decay=schedule.weight_decay, layer_rates=layer_rates)
        state = TrainingState(net, solver)
        _resume(state, folder, identity, world)
        parallel_net = cast(Backbone, world.parallel(net))  # with the first process's weights in all of them
        log = Log(folder / "log.csv", state.log_bytes) if folder and world.is_first else None
        rows = log or NewestRow()
        listeners: list[Report] = []
        if world.is_first:
            listeners = [rows.write, report, Progress(schedule.total, state.iteration)]
        saver = _Saver(state, log, saving=saving, identity=identity)
        batches = feed(make_whole_batch, device, state.iteration, schedule.total, threads=threads or 1)
        step = new_step(
            parallel_net, solver, objective,
            device=device, precision=schedule.precision, compiled=schedule.compile, alone=world.size == 1,
        )  # fmt: skip
        keep_freed_memory()
        failure = _FirstError()
        with stop_noted() as stop, closing(batches):
            while state.iteration < schedule.total:
                batch = failure.catch(lambda: next(batches))
                if world.largest(FAILED if failure.error else stop.signal) or batch is None:
                    break
                # Nothing below waits for a GPU, except at a row of the log or a checkpoint.
                if state.iteration == schedule.restart:
                    solver.restart()
                rate = learning_rate(schedule, state.iteration)
                state.finish_iteration(step(batch, state.iteration, rate), rate)
                if state.iteration % saving.log_every == 0 or state.iteration == schedule.total:
                    failure.catch(lambda: _report_row(state, schedule.batch, batches, listeners))
                if saver.due():
                    failure.catch(saver.save)
            failure.catch(saver.save_if_newer if log else state.check)
            stop_signal = world.largest(stop.signal)
        _raise_in_all(world, failure.error)
        if stop_signal:
            raise SystemExit(exit_code(stop_signal))
        row = world.value_of_first(rows.last_row())
    net.eval().cpu()
    return row


def _resume(state: TrainingState, folder: Path | None, identity: Mapping[str, Any], world: World) -> None:
    """Continue from the newest checkpoint, if there is one; only the first process reads it.

    The other processes get the iteration and the velocities here, and the network by `World.parallel`.
    """
    failure = _FirstError()
    if folder and world.is_first and (checkpoint := failure.catch(lambda: load_checkpoint(folder, identity))):
        state.restore(checkpoint)
    _raise_in_all(world, failure.error)
    state.iteration = world.value_of_first(state.iteration)
    world.copy_from_first(state.solver.velocities.values())


def _report_row(state: TrainingState, batch_size: int, batches: Feed, listeners: Iterable[Report]) -> None:
    row = state.take_row(batch_size, batches.waited)
    for listener in listeners:
        listener(state.iteration, row)


class _FirstError:
    """The first error of this process, kept until all processes raise it together.

    torchrun kills the other processes as soon as one of them has ended, so no process may end alone.
    """

    error: UserError | None = None

    def catch(self, work: Callable[[], T]) -> T | None:
        """Do `work`; returns its result, or None after an error."""
        try:
            return work()
        except UserError as error:
            self.error = self.error or error
            return None


def _raise_in_all(world: World, error: UserError | None) -> None:
    """Raise in all processes the error of the first process that has one."""
    if first_error := world.first_error(error):
        raise first_error


class _Saver:
    """Writes checkpoints beside the log and, with each, a picture of conv1. Without a log it writes nothing."""

    def __init__(self, state: TrainingState, log: Log | None, *, saving: Saving, identity: Mapping[str, Any]) -> None:
        self.state, self.log, self.saving, self.identity = state, log, saving, identity
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
            folder = self.log.path.parent
            self.state.log_bytes = self.log.sync()
            save_checkpoint(folder, self.state.checkpoint(self.identity))
            draw_filters(folder / f"conv1-{self.iteration:07d}.png", self.state.net)

    def save_if_newer(self) -> None:
        """Write a checkpoint if an iteration was done since the newest one."""
        if self.iteration != self.state.iteration:
            self.save()
