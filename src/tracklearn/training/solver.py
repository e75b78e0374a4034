"""SGD with momentum as Caffe does it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

Term = tuple[nn.Parameter, Tensor, float, float]
"""A parameter, its velocity, and the factor and the decay of its layer and kind."""


class Solver:
    """v <- momentum v + rate (gradient + decay w); w <- w - v.

    The rate is inside the velocity, unlike in torch.optim.SGD: they part where the rate changes. Biases have twice the
    rate and no decay, as released (lr_mult 1, 2; decay_mult 1, 0).

    Args:
        layer_rates: factors on the rate by layer name, such as {"fc8": 10}.
        fused: one kernel for all parameters of equal multipliers, equal but for rounding; None does so on a GPU.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        momentum: float,
        weight_decay: float,
        layer_rates: Mapping[str, float] | None = None,
        fused: bool | None = None,
    ):
        self.momentum = momentum
        on_gpu = all(parameter.is_cuda for parameter in net.parameters())
        self.fused = (on_gpu if fused is None else fused) and momentum > 0  # without one, torch leaves out dampening
        self.velocities = {name: torch.zeros_like(parameter) for name, parameter in net.named_parameters()}
        self._terms: list[Term] = []
        for name, parameter in net.named_parameters():
            layer, kind = name.split(".")
            factor = (layer_rates or {}).get(layer, 1.0) * (2 if kind == "bias" else 1)
            decay = 0.0 if kind == "bias" else weight_decay
            self._terms.append((parameter, self.velocities[name], factor, decay))

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update from the gradients that backward() left, which are then dropped."""
        reached = [term for term in self._terms if term[0].grad is not None]  # some layers the loss may not reach
        if self.fused:
            self._step_fused(reached, rate)
        else:
            self._step_each(reached, rate)
        for parameter, *_ in reached:
            parameter.grad = None

    def _step_each(self, terms: list[Term], rate: float) -> None:
        for parameter, velocity, factor, decay in terms:
            assert parameter.grad is not None
            velocity.mul_(self.momentum).add_(parameter.grad, alpha=rate * factor)
            if decay:
                velocity.add_(parameter, alpha=rate * factor * decay)
            parameter.sub_(velocity)

    def _step_fused(self, terms: list[Term], rate: float) -> None:
        """By torch's own v <- momentum v + (1 - dampening) (gradient + decay w); w <- w - lr v, with lr 1.

        The rate goes where torch has 1 - dampening, in double precision, so that it loses nothing on the way.
        """
        for factor, decay in dict.fromkeys(term[2:] for term in terms):
            group = [term for term in terms if term[2:] == (factor, decay)]
            velocities: list[Tensor | None] = [term[1] for term in group]
            sgd(
                [term[0] for term in group],
                [term[0].grad for term in group if term[0].grad is not None],
                velocities,
                fused=True,
                weight_decay=decay,
                momentum=self.momentum,
                lr=1.0,
                dampening=1 - rate * factor,
                nesterov=False,
                maximize=False,
            )

    @torch.no_grad()
    def restore(self, velocities: Mapping[str, Tensor]) -> None:
        """Go on from the velocities of a checkpoint."""
        for name, velocity in self.velocities.items():
            velocity.copy_(velocities[name])
