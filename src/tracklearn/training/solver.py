"""SGD with momentum as Caffe does it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

Term = tuple[nn.Parameter, Tensor, float, float]
"""A parameter, its velocity, and its factor on the learning rate and its decay."""


class Solver:
    """v <- momentum v + rate (gradient + decay w); w <- w - v.

    The rate is part of the velocity, unlike in torch.optim.SGD; the two differ once the rate changes. Biases have twice
    the rate and no decay, as in the released code (lr_mult 1, 2; decay_mult 1, 0).

    Args:
        net: its parameters are named {layer}...{weight or bias}.
        momentum: share of the velocity that a step keeps.
        weight_decay: decay of weights.
        layer_rates: factors on the rate by layer name, such as {"fc8": 10}.
        fused: one kernel updates all parameters of equal factor and decay; its results differ by rounding alone. None
            means on a GPU only.
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
        self.fused = (on_gpu if fused is None else fused) and momentum > 0  # torch ignores dampening at momentum 0
        self.velocities = {name: torch.zeros_like(parameter) for name, parameter in net.named_parameters()}
        self._terms: list[Term] = []
        for name, parameter in net.named_parameters():
            layer, kind = name.split(".")[0], name.split(".")[-1]
            factor = (layer_rates or {}).get(layer, 1.0) * (2 if kind == "bias" else 1)
            decay = 0.0 if kind == "bias" else weight_decay
            self._terms.append((parameter, self.velocities[name], factor, decay))

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update all parameters that have a gradient from backward(), and drop the gradients."""
        terms = [term for term in self._terms if term[0].grad is not None]
        if self.fused:
            self._step_fused(terms, rate)
        else:
            self._step_each(terms, rate)
        for parameter, *_ in terms:
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

        The rate takes the place of 1 - dampening, which torch computes in double precision.
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
    def restart(self) -> None:
        """Set the velocities to zero, as in a training that starts from the weights of another one."""
        for velocity in self.velocities.values():
            velocity.zero_()

    @torch.no_grad()
    def restore(self, velocities: Mapping[str, Tensor]) -> None:
        """Continue from the velocities of a checkpoint."""
        for name, velocity in self.velocities.items():
            velocity.copy_(velocities[name])
