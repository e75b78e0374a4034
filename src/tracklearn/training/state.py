"""What changes from iteration to iteration: a checkpoint holds all of it."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.networks.backbone import Backbone
from tracklearn.training.checkpoint import Checkpoint
from tracklearn.training.log import Means
from tracklearn.training.solver import Solver


class TrainingState:
    """A network in training, its velocities, the sums of the next row of the log, and how many iterations are done.

    Attributes:
        iteration: iterations done.
        rate: learning rate of the last one.
        log_bytes: length of the log at the last checkpoint.
    """

    def __init__(self, net: Backbone, solver: Solver) -> None:
        self.net, self.solver, self.means = net, solver, Means()
        self.iteration, self.rate, self.log_bytes = 0, 0.0, 0

    def finish_iteration(self, measurements: Mapping[str, Tensor], rate: float) -> None:
        """Count an iteration that was done at a learning rate, and add its loss and measurements; waits for no GPU."""
        self.means.add(measurements)
        self.iteration += 1
        self.rate = rate

    def take_row(self, batch_size: int, waited: Callable[[], float]) -> dict[str, float]:
        """The next row of the log, as `Means.take`, and the learning rate.

        Raises:
            UserError: the loss is not finite.
        """
        self._check_loss()
        means = self.means.take(batch_size, waited)
        return {"loss": means.pop("loss"), "lr": self.rate} | means

    def checkpoint(self, identity: Mapping[str, Any]) -> Checkpoint:
        """The state as a checkpoint of the training with this identity.

        Raises:
            UserError: the loss or a weight is not finite.
        """
        self.check()
        tensors = {"net": self.net.state_dict(), "velocity": self.solver.velocities, "sums": self.means.sums}
        numbers = {"iteration": self.iteration, "summed": self.means.count, "log": self.log_bytes}
        return Checkpoint(tensors, numbers, identity)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint."""
        self.net.load_state_dict(checkpoint.tensors["net"])
        self.solver.restore(checkpoint.tensors["velocity"])
        device = next(self.net.parameters()).device
        self.means.restore(checkpoint.tensors.get("sums", {}), checkpoint.numbers["summed"], device)
        self.iteration, self.log_bytes = checkpoint.numbers["iteration"], checkpoint.numbers["log"]

    def check(self) -> None:
        """Check what has been learned so far.

        Raises:
            UserError: the loss or a weight is not finite.
        """
        self._check_loss()
        self._check_weights()

    def _check_loss(self) -> None:
        """Checked at rows and checkpoints alone, which suffices: a sum that is not finite never becomes finite."""
        loss = self.means.means().get("loss", 0.0)
        if not math.isfinite(loss):
            raise UserError(
                f"training: the loss is {loss} within the {self.means.count} iterations before {self.iteration} "
                f"at learning rate {self.rate:g}; expected a finite number; lower schedule.lr"
            )

    def _check_weights(self) -> None:
        """An update may spoil weights while the loss is still finite; a checkpoint never holds such weights."""
        for name, values in self.net.state_dict().items():
            if bad := int((~torch.isfinite(values)).sum()):
                raise UserError(
                    f"training: {bad} of {values.numel()} values of {name} are not finite after iteration "
                    f"{self.iteration} at learning rate {self.rate:g}; expected finite numbers; lower schedule.lr"
                )
