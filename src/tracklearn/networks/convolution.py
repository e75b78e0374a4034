"""The convolutions of CaffeNet, each in the order of its sums that is fastest on the device."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def convolve(layer: nn.Conv2d, values: Tensor, *, biased: bool = True) -> Tensor:
    """The layer's convolution of (N, C, H, W), with its bias or, on a GPU, perhaps without.

    A GPU computes the same sums in the order that is fastest, for which see benchmarks/README.md: the channels are last
    in memory, conv1 is computed in blocks and, unless in bfloat16, each group by itself.
    """
    if not values.is_cuda:
        return layer(values)
    bias = layer.bias if biased else None
    if layer.stride == (4, 4):
        return convolve_in_blocks(layer, values, bias)
    values = values.contiguous(memory_format=torch.channels_last)
    if torch.is_autocast_enabled("cuda"):
        return F.conv2d(values, layer.weight, bias, layer.stride, layer.padding, groups=layer.groups)
    return convolve_groups(layer, values, bias)


def convolve_groups(layer: nn.Conv2d, values: Tensor, bias: Tensor | None) -> Tensor:
    """Each group by a convolution of its own."""
    last = torch.channels_last
    inputs, weights = values.chunk(layer.groups, 1), layer.weight.chunk(layer.groups)
    biases = [None] * layer.groups if bias is None else bias.chunk(layer.groups)
    parts = [
        F.conv2d(x.contiguous(memory_format=last), w.contiguous(memory_format=last), b, layer.stride, layer.padding)
        for x, w, b in zip(inputs, weights, biases, strict=True)
    ]
    return torch.cat(parts, 1)


def convolve_in_blocks(conv1: nn.Conv2d, images: Tensor, bias: Tensor | None) -> Tensor:
    """conv1 (11 x 11, stride 4) as 3 x 3 products of blocks of 4 x 4 pixels, which have 48 channels instead of 3."""
    if torch.is_autocast_enabled("cuda"):
        images = images.to(torch.get_autocast_dtype("cuda"))
    count, channels, *sides = images.shape
    down, across = ((side - 11) // 4 + 3 for side in sides)  # blocks
    below, right = 4 * down - sides[0], 4 * across - sides[1]  # pixels that the last block lacks, or that no block has
    pixels = F.pad(images.permute(0, 2, 3, 1), (0, 0, 0, right, 0, below)).view(count, down, 4, across, 4, channels)
    by_block = pixels.permute(0, 1, 3, 2, 4, 5).reshape(count, down, across, -1).permute(0, 3, 1, 2)
    weight = F.pad(conv1.weight, (0, 1, 0, 1)).view(-1, channels, 3, 4, 3, 4)
    weight = weight.permute(0, 3, 5, 1, 2, 4).reshape(-1, 16 * channels, 3, 3)
    return F.conv2d(by_block, weight.contiguous(memory_format=torch.channels_last), bias)
