"""Caffe's max-pooling, by itself and after a convolution."""

import torch.nn.functional as F
from torch import Tensor, nn

from tracklearn.networks.convolution import convolve
from tracklearn.networks.on_gpu import kernels_for


def pool(values: Tensor) -> Tensor:
    """Caffe's max-pooling over windows of 3 in steps of 2, which keeps the last incomplete window."""
    return F.max_pool2d(values, kernel_size=3, stride=2, ceil_mode=True)


def convolve_and_pool(layer: nn.Conv2d, values: Tensor) -> Tensor:
    """relu(pool(layer(values))) for activations (N, C, H, W)."""
    if kernels := kernels_for(values):
        assert layer.bias is not None
        return kernels.pool_biased(convolve(layer, values, biased=False), layer.bias)
    # The ReLU follows the pooling here: the result is the same, on a quarter of the values.
    return F.relu(pool(convolve(layer, values)))
