"""Which pixels of the input a unit of pool5 sees."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from torch import nn


class Step(Protocol):
    """A layer along one axis: which of its inputs some neighbouring outputs see."""

    def seen(self, first: int, last: int) -> tuple[int, int]:
        """First and last input that the outputs `first` to `last` see."""


class Window(NamedTuple):
    """A convolution or a pooling.

    Attributes:
        kernel, stride, padding: in values of its input.
        inputs: number of its inputs.
    """

    kernel: int
    stride: int
    padding: int
    inputs: int

    @property
    def outputs(self) -> int:
        """Number of its outputs if incomplete windows give none."""
        return (self.inputs + 2 * self.padding - self.kernel) // self.stride + 1

    def seen(self, first: int, last: int) -> tuple[int, int]:
        """Output p sees the inputs p * stride - padding to p * stride - padding + kernel - 1, if they are there."""
        return (
            max(0, first * self.stride - self.padding),
            min(self.inputs - 1, last * self.stride - self.padding + self.kernel - 1),
        )


def conv_window(layer: nn.Conv2d, inputs: int) -> Window:
    """A convolution's window along one axis; those of this package are square."""
    return Window(layer.kernel_size[0], layer.stride[0], int(layer.padding[0]), inputs)


class Adaptive(NamedTuple):
    """A pooling of `inputs` values to `outputs` values, whatever their numbers are."""

    inputs: int
    outputs: int

    def seen(self, first: int, last: int) -> tuple[int, int]:
        """Output p sees the inputs from p / outputs to (p + 1) / outputs of all, those that it sees in part too."""
        return first * self.inputs // self.outputs, -(-(last + 1) * self.inputs // self.outputs) - 1


class Stepped(Protocol):
    """A network."""

    def steps_to_pool5(self) -> Sequence[Step]:
        """See `Backbone.steps_to_pool5`."""


def receptive_field(net: Stepped, place: int) -> tuple[int, int]:
    """First and last pixel, along one axis, that a unit of pool5 can see.

    A unit sees some inputs of its layer. These are units of the layer before and see an interval of its inputs, and so
    on to the pixels. In CaffeNet the interval has 195 pixels (PAPER figure 5) where no border clips it. Local response
    normalisation acts across channels and sees no further pixels.

    Args:
        net: a network of any input size.
        place: row or column of the unit in pool5, from 0.
    """
    first = last = place
    for step in reversed(net.steps_to_pool5()):
        first, last = step.seen(first, last)
    return first, last
