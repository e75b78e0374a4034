"""Which pixels of the input a unit of pool5 sees."""

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

from tracklearn.networks.caffenet import CONV_LAYERS, CaffeNet

POOLED = ("conv1", "conv2", "conv5")  # layers that `caffenet.pool` follows
POOL_KERNEL, POOL_STRIDE = 3, 2


class Step(NamedTuple):
    """A convolution or a pooling along one axis.

    Attributes:
        kernel, stride, padding: in values of its input.
        inputs: number of its inputs.
    """

    kernel: int
    stride: int
    padding: int
    inputs: int


def receptive_field(net: CaffeNet, place: int) -> tuple[int, int]:
    """First and last pixel, along one axis, that a unit of pool5 can see.

    A unit at p sees the inputs p * stride - padding to p * stride - padding + kernel - 1 of its layer, clipped to those
    that there are. These inputs are units of the layer before and see an interval of its inputs, and so on to the
    pixels. The interval has 195 pixels (PAPER figure 5) where no border clips it. Local response normalisation acts
    across channels and sees no further pixels.

    Args:
        net: a network of any input size.
        place: row or column of the unit in pool5, from 0.
    """
    first = last = place
    for step in reversed(list(_steps(net))):
        first = max(0, first * step.stride - step.padding)
        last = min(step.inputs - 1, last * step.stride - step.padding + step.kernel - 1)
    return first, last


def _steps(net: CaffeNet) -> Iterator[Step]:
    """The layers from the pixels to pool5."""
    side = net.input_size
    for name in CONV_LAYERS:
        layer: nn.Conv2d = getattr(net, name)
        conv = Step(layer.kernel_size[0], layer.stride[0], int(layer.padding[0]), side)
        yield conv
        side = (side + 2 * conv.padding - conv.kernel) // conv.stride + 1
        if name in POOLED:
            yield Step(POOL_KERNEL, POOL_STRIDE, 0, side)
            side = -(-(side - POOL_KERNEL) // POOL_STRIDE) + 1  # an incomplete last window counts
