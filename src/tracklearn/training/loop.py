"""The training loop."""

import math
import time
from collections.abc import Callable, Mapping
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
from tracklearn.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tracklearn.training.distributed import World, joined
from tracklearn.training.feed import Batch, Feed, MakeBatch, feed
from tracklearn.training.gpu import compiled, computing
from tracklearn.training.log import Log, Means
from tracklearn.training.progress import Progress
from tracklearn.training.schedule import Saving, Schedule
from tracklearn.training.solver import Solver

T = TypeVar("T")
FAILED = 128  # above all signals: what is agreed when one process cannot make its batch
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

    A run that was stopped goes on from its newest checkpoint. On a CPU, with equal seeds and threads, it ends in the
    same bits as one that was not.

    Args:
        net: changed in place; on the CPU and in evaluation mode at the end.
        make_batch: of an iteration; depends on nothing else.
        objective: loss and measurements; depends on nothing that went before.
        schedule: how long and how fast.
        saving: how often to write checkpoints and rows of the log; changes nothing else.
        checkpoints: a folder of this job's own; the caller removes it once the job's outputs are written.
        settings: everything that the result depends on, as JSON knows it: the kind of training, network, loss,
            schedule, seed, the parent's digest, which data. Checkpoints record the settings, and a checkpoint made under
            other settings is refused.
        layer_rates: factors on the learning rate by layer name.
        threads: of torch and, on a GPU, for making batches.
        report: told each row of the log.

    Raises:
        UserError: the folder holds a checkpoint made under other settings, the loss or a weight is not finite, a batch
            cannot be made, or the disk is full. Of several processes each raises it, whichever of them met it.
        SystemExit: code 143 after SIGTERM and 130 after SIGINT, with a checkpoint written.
    """
    if threads:
        torch.set_num_threads(threads)
    device = own_device()
    net.train().to(device)
    if schedule.compile:
        objective = compiled(objective, device)
    with joined(device) as world, computing(device, schedule.precision):
        run = _Run(net, world, schedule, saving, Path(checkpoints), settings, layer_rates or {}, report)
        batches = feed(make_batch, device, run.iteration, schedule.iterations, threads=threads or 1)
        keep_memory()
        with stop_noted() as stop, closing(batches):
            problem: UserError | None = None
            while True:
                batch: Batch | None = None
                if not problem:
                    batch, problem = _attempt(lambda: next(batches, None))
                if ending := world.agreed(FAILED if problem else stop.signal):
                    _, unsaved = _attempt(run.save_rest)
                    _raise_first(world, problem or unsaved)
                    raise SystemExit(exit_code(ending))
                if batch is None:
                    break
                run.step(objective, batch)
                if run.row_due():
                    _, problem = _attempt(lambda: run.write_row(batches))
                if not problem and run.checkpoint_due():
                    _, problem = _attempt(run.save)
        _, problem = _attempt(run.save_rest)  # what follows may find no room, or be killed
        _raise_first(world, problem)
        row = world.from_first(run.log.last_row() if world.first else {})
    net.eval().cpu()
    return row


def _attempt(work: Callable[[], T]) -> tuple[T | None, UserError | None]:
    """The result of `work`, or None and the error that prevented it."""
    try:
        return work(), None
    except UserError as error:
        return None, error


def _raise_first(world: World, problem: UserError | None) -> None:
    """Raise the first process's problem in all of them: torchrun kills the others once one has ended."""
    if found := world.first_of(problem):
        raise found


class _Run:
    """What changes from iteration to iteration, and how it is kept."""

    def __init__(
        self,
        net: CaffeNet,
        world: World,
        schedule: Schedule,
        saving: Saving,
        folder: Path,
        settings: Mapping[str, Any],
        layer_rates: Mapping[str, float],
        report: Report,
    ):
        self.net, self.world, self.schedule, self.saving = net, world, schedule, saving
        self.folder, self.settings, self.report = folder, settings, report
        self.solver = Solver(
            net, momentum=schedule.momentum, weight_decay=schedule.weight_decay, layer_rates=layer_rates
        )
        self.means, self.iteration, log_position = Means(), 0, 0
        found, problem = _attempt(lambda: load_checkpoint(folder, settings) if world.first else None)
        _raise_first(world, problem)
        if found:
            net.load_state_dict(found.tensors["net"])
            self.solver.restore(found.tensors["velocity"])
            self.means.restore(found.tensors.get("sums", {}), found.numbers["summed"], net.conv1.weight.device)
            self.iteration, log_position = found.numbers["iteration"], found.numbers["log"]
        self.iteration = world.from_first(self.iteration)
        world.copy_first(self.solver.velocities.values())
        self.parallel = cast(CaffeNet, world.parallel(net))  # which copies the first one's net
        if world.first:
            self.log = Log(folder / "log.csv", log_position)
        self.progress = Progress(schedule.iterations, self.iteration)
        self.saved_at, self.saved_time = self.iteration, time.monotonic()
        self.rate = schedule.rate(self.iteration)  # of the last iteration

    def step(self, objective: Objective, batch: Batch) -> None:
        """One iteration: loss, gradient, update. Nothing in it waits for a GPU."""
        self.rate, device = self.schedule.rate(self.iteration), batch[0].device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.schedule.precision == "bf16"):
            loss, values = objective(self.parallel, batch, self.iteration)
        loss.backward()
        self.solver.step(self.rate)
        self.means.add({"loss": loss, **values})
        self.iteration += 1

    def _check_loss(self) -> None:
        """Once in a while is enough: a sum that is not finite stays so."""
        loss = self.means.means().get("loss", 0.0)
        if not math.isfinite(loss):
            raise UserError(
                f"training: the loss is {loss} within the {self.means.count} iterations before {self.iteration} "
                f"at learning rate {self.rate:g}; expected a finite number; lower schedule.lr"
            )

    def _check_weights(self) -> None:
        """An update may spoil weights whose loss is still finite; what was saved before stays as it is.

        Raises:
            UserError: a weight is not finite.
        """
        for name, parameter in self.net.named_parameters():
            if bad := int((~torch.isfinite(parameter)).sum()):
                raise UserError(
                    f"training: {bad} of {parameter.numel()} values of {name} are not finite after iteration "
                    f"{self.iteration} at learning rate {self.rate:g}; expected finite numbers; lower schedule.lr"
                )

    def row_due(self) -> bool:
        """Whether the last iteration ends a row of the log."""
        return self.iteration % self.saving.log_every == 0 or self.iteration == self.schedule.iterations

    def write_row(self, batches: Feed) -> None:
        """Log the means since the last row."""
        self._check_loss()
        taken = self.means.take(self.schedule.batch, batches.waited)
        row = {"loss": taken.pop("loss"), "lr": self.rate} | taken
        if self.world.first:
            self.log.write({"iteration": self.iteration} | row)
            self.report(self.iteration, row)
            self.progress(self.iteration, row)

    def checkpoint_due(self) -> bool:
        """Whether enough iterations or minutes have passed."""
        iterations = self.iteration - self.saved_at
        minutes = (time.monotonic() - self.saved_time) / 60
        return iterations >= self.saving.checkpoint_every or minutes >= self.saving.checkpoint_minutes

    def save(self) -> None:
        """Write a checkpoint and, beside it, a picture of conv1 as it is now; the first process alone does."""
        self.saved_at, self.saved_time = self.iteration, time.monotonic()
        if not self.world.first:
            return
        self._check_loss()
        self._check_weights()
        tensors = {"net": self.net.state_dict(), "velocity": self.solver.velocities, "sums": self.means.sums}
        numbers = {"iteration": self.iteration, "summed": self.means.count, "log": self.log.sync()}
        save_checkpoint(self.folder, Checkpoint(tensors, numbers, self.settings))
        draw_filters(self.folder / f"conv1-{self.iteration:07d}.png", self.net)

    def save_rest(self) -> None:
        """Write a checkpoint of the iterations since the last one, if there are any."""
        if self.iteration != self.saved_at:
            self.save()
