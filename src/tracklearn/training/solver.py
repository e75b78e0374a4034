"""SGD with momentum as Caffe does it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Solver:
    """v <- momentum v + rate (gradient + decay w); w <- w - v.

    The rate is inside the velocity, unlike in torch.optim.SGD: they part where the rate changes. Biases have twice the
    rate and no decay, as released (lr_mult 1, 2; decay_mult 1, 0).

    Args:
        layer_rates: factors on the rate by layer name, such as {"fc8": 10}.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        momentum: float,
        weight_decay: float,
        layer_rates: Mapping[str, float] | None = None,
    ):
        self.momentum = momentum
        self.velocities = {name: torch.zeros_like(parameter) for name, parameter in net.named_parameters()}
        self._terms = []
        for name, parameter in net.named_parameters():
            layer, kind = name.split(".")
            factor = (layer_rates or {}).get(layer, 1.0) * (2 if kind == "bias" else 1)
            decay = 0.0 if kind == "bias" else weight_decay
            self._terms.append((parameter, self.velocities[name], factor, decay))

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update from the gradients that backward() left, which are then dropped."""
        for parameter, velocity, factor, decay in self._terms:
            if parameter.grad is None:
                continue  # a layer that the loss does not reach
            velocity.mul_(self.momentum).add_(parameter.grad, alpha=rate * factor)
            if decay:
                velocity.add_(parameter, alpha=rate * factor * decay)
            parameter.sub_(velocity)
            parameter.grad = None

    @torch.no_grad()
    def restore(self, velocities: Mapping[str, Tensor]) -> None:
        """Go on from the velocities of a checkpoint."""
        for name, velocity in self.velocities.items():
            velocity.copy_(velocities[name])
