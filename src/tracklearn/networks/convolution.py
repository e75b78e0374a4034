"""The convolutions of CaffeNet, each in the order of its sums that is fastest on the device."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def convolve(layer: nn.Conv2d, values: Tensor) -> Tensor:
    """The layer's convolution; on a GPU the same sums in the order that is fastest, for which see benchmarks/README.md.

    Where products are rounded, conv1 is computed in blocks. In bfloat16 a grouped convolution is one call; otherwise
    each group is computed by itself. In single precision the channels come first in memory.
    """
    if not values.is_cuda:
        return layer(values)
    bf16, tf32 = torch.is_autocast_enabled("cuda"), torch.backends.cudnn.allow_tf32
    if layer.stride == (4, 4) and (bf16 or tf32):
        return convolve_in_blocks(layer, values)
    memory = torch.channels_last if bf16 or tf32 else torch.contiguous_format
    return layer(values) if bf16 else convolve_groups(layer, values, memory)


def convolve_groups(layer: nn.Conv2d, values: Tensor, memory: torch.memory_format) -> Tensor:
    """Each group by a convolution of its own, on values and weights in an order of memory."""
    assert layer.bias is not None
    inputs = values.chunk(layer.groups, 1)
    weights, biases = layer.weight.chunk(layer.groups), layer.bias.chunk(layer.groups)
    parts = (
        F.conv2d(x.contiguous(memory_format=memory), w.contiguous(memory_format=memory), b, layer.stride, layer.padding)
        for x, w, b in zip(inputs, weights, biases, strict=True)
    )
    return torch.cat(list(parts), 1)


def convolve_in_blocks(conv1: nn.Conv2d, images: Tensor) -> Tensor:
    """conv1 (11 x 11, stride 4) as 3 x 3 products of blocks of 4 x 4 pixels, which have 48 channels instead of 3."""
    if torch.is_autocast_enabled("cuda"):
        images = images.to(torch.get_autocast_dtype("cuda"))
    count, channels, side, _ = images.shape
    blocks = (side - 11) // 4 + 3
    edge = 4 * blocks - side  # pixels that the last block lacks, or that no block has
    pixels = F.pad(images.permute(0, 2, 3, 1), (0, 0, 0, edge, 0, edge)).view(count, blocks, 4, blocks, 4, channels)
    by_block = pixels.permute(0, 1, 3, 2, 4, 5).reshape(count, blocks, blocks, -1).permute(0, 3, 1, 2)
    weight = F.pad(conv1.weight, (0, 1, 0, 1)).view(-1, channels, 3, 4, 3, 4)
    weight = weight.permute(0, 3, 5, 1, 2, 4).reshape(-1, 16 * channels, 3, 3)
    return F.conv2d(by_block, weight.contiguous(memory_format=torch.channels_last), conv1.bias)
