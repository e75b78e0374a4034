"""Bias, pooling, ReLU and local response normalisation on a GPU, in one pass over the memory each (Triton).

With torch's own operations a ranking step does some 650 kernels, most of which read and write whole activations to
compute little, and the gradient of its pooling adds one value at a time. See benchmarks/README.md for what is gained.

Activations have their channels last in memory. Sums are in float32 whatever the activations' type.
"""

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 1024  # values of a program
NOWHERE = tl.constexpr(9)  # in place of the place 0 to 8 of a window's maximum, where the ReLU is 0


@triton.jit
def _pool_line(
    values, bias, pooled, places, height, width, out_height, out_width,
    channels: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A part of a row of the pooled activations."""
    line = tl.program_id(0).to(tl.int64)
    image, row = line // out_height, line % out_height
    at = tl.program_id(1) * block + tl.arange(0, block)
    column, channel = at // channels, at % channels
    wanted = column < out_width
    best = tl.full((block,), float("-inf"), tl.float32)
    place = tl.zeros((block,), tl.int32)
    for k in tl.static_range(9):
        y, x = 2 * row + k // 3, 2 * column + k % 3
        inside = wanted & (y < height) & (x < width)
        source = values + (image * height + y) * width * channels + x * channels + channel
        value = tl.load(source, inside, float("-inf")).to(tl.float32)
        better = (value > best) | (value != value)  # noqa: PLR0124 (NaN stays)
        best, place = tl.where(better, value, best), tl.where(better, k, place)
    best += tl.load(bias + channel, wanted, 0).to(tl.float32)
    out = line * out_width * channels + at
    tl.store(pooled + out, tl.where(best <= 0, 0.0, best).to(pooled.dtype.element_ty), wanted)
    tl.store(places + out, tl.where(best <= 0, NOWHERE, place).to(tl.uint8), wanted)


@triton.jit
def _pool_gradient_line(
    gradient, places, result, height, width, out_height, out_width, channels: tl.constexpr, block: tl.constexpr
):
    """A part of a row of the gradient of what was pooled: each value lies in one to four windows."""
    line = tl.program_id(0).to(tl.int64)
    image, y = line // height, line % height
    at = tl.program_id(1) * block + tl.arange(0, block)
    x, channel = at // channels, at % channels
    wanted = x < width
    total = tl.zeros((block,), tl.float32)
    for k in tl.static_range(4):
        row, column = y // 2 - k // 2, x // 2 - k % 2
        down, right = y - 2 * row, x - 2 * column
        inside = wanted & (row >= 0) & (row < out_height) & (down < 3)
        inside = inside & (column >= 0) & (column < out_width) & (right < 3)
        window = (image * out_height + row) * out_width * channels + column * channels + channel
        chosen = tl.load(places + window, inside, NOWHERE).to(tl.int32) == 3 * down + right
        total += tl.load(gradient + window, inside & chosen, 0).to(tl.float32)
    tl.store(result + line * width * channels + at, total.to(result.dtype.element_ty), wanted)


@triton.jit
def _normalise_image(
    values, scales, result, count, alpha: tl.constexpr, beta: tl.constexpr, size: tl.constexpr,
    channels: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A part of an image's `count` values."""
    at = tl.program_id(1) * block + tl.arange(0, block)
    wanted, channel = at < count, at % channels
    start = tl.program_id(0).to(tl.int64) * count
    squares = tl.zeros((block,), tl.float32)
    for shift in tl.static_range(size):
        other = channel + shift - size // 2
        inside = wanted & (other >= 0) & (other < channels)
        value = tl.load(values + start + at + shift - size // 2, inside, 0).to(tl.float32)
        squares += value * value
    scale = 1 + alpha / size * squares
    value = tl.load(values + start + at, wanted, 0).to(tl.float32)
    tl.store(scales + start + at, scale, wanted)
    tl.store(result + start + at, (value * tl.exp2(-beta * tl.log2(scale))).to(result.dtype.element_ty), wanted)


@triton.jit
def _normalise_gradient_image(
    gradient, values, scales, result, count, alpha: tl.constexpr, beta: tl.constexpr, size: tl.constexpr,
    channels: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A part of the gradient of an image's `count` values."""
    at = tl.program_id(1) * block + tl.arange(0, block)
    wanted, channel = at < count, at % channels
    start = tl.program_id(0).to(tl.int64) * count
    neighbours = tl.zeros((block,), tl.float32)
    own = tl.zeros((block,), tl.float32)
    for shift in tl.static_range(size):
        other = channel + shift - size // 2
        inside = wanted & (other >= 0) & (other < channels)
        place = start + at + shift - size // 2
        scale = tl.load(scales + place, inside, 1)
        damped = tl.load(gradient + place, inside, 0).to(tl.float32) * tl.exp2(-beta * tl.log2(scale))
        neighbours += damped * tl.load(values + place, inside, 0).to(tl.float32) / scale
        if shift == size // 2:
            own = damped
    value = tl.load(values + start + at, wanted, 0).to(tl.float32)
    total = own - 2 * alpha * beta / size * value * neighbours
    tl.store(result + start + at, total.to(result.dtype.element_ty), wanted)


def _channels_last(values: Tensor) -> Tensor:
    return values.contiguous(memory_format=torch.channels_last)


def _empty(shape: Sequence[int], like: Tensor) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def _lines(values: Tensor) -> tuple[int, int]:
    """Programs that compute the rows of all images."""
    count, channels, height, width = values.shape
    return count * height, triton.cdiv(width * channels, BLOCK)


def _images(values: Tensor) -> tuple[int, int]:
    """Programs that compute all images."""
    return len(values), triton.cdiv(values[0].numel(), BLOCK)


class _PoolBiased(torch.autograd.Function):
    """Keeps the place of each maximum in its window."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, bias: Tensor) -> Tensor:
        values = _channels_last(values)
        count, channels, height, width = values.shape
        sides = [(side - 2) // 2 + 1 for side in (height, width)]
        pooled = _empty((count, channels, *sides), values)
        places = torch.empty_like(pooled, dtype=torch.uint8)
        _pool_line[_lines(pooled)](values, bias, pooled, places, height, width, *sides, channels, BLOCK)
        ctx.save_for_backward(places)
        ctx.shape = values.shape
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        (places,) = ctx.saved_tensors
        gradient = _channels_last(gradient)
        result = _empty(ctx.shape, gradient)
        _, channels, *sides = ctx.shape
        _pool_gradient_line[_lines(result)](gradient, places, result, *sides, *gradient.shape[2:], channels, BLOCK)
        return result, (gradient * (places != NOWHERE.value)).sum((0, 2, 3), dtype=torch.float32)


class _LocalResponseNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, alpha: float, beta: float, size: int) -> Tensor:
        values = _channels_last(values)
        result, scales = torch.empty_like(values), torch.empty_like(values, dtype=torch.float32)
        _normalise_image[_images(values)](
            values, scales, result, values[0].numel(), alpha, beta, size, values.shape[1], BLOCK
        )
        ctx.save_for_backward(values, scales)
        ctx.constants = alpha, beta, size
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        values, scales = ctx.saved_tensors
        result = torch.empty_like(values)
        _normalise_gradient_image[_images(values)](
            _channels_last(gradient), values, scales, result, values[0].numel(), *ctx.constants, values.shape[1], BLOCK
        )
        return result, None, None, None


def pool_biased(values: Tensor, bias: Tensor) -> Tensor:
    """relu(pool(values + bias)) of activations (N, C, H, W) and a bias (C,), for the `pool` of `networks.pooling`.

    The bias is added to the maxima alone, which is the same sum.
    """
    return _PoolBiased.apply(values, bias)


def local_response_norm(values: Tensor, *, alpha: float, beta: float, size: int) -> Tensor:
    """Values / (1 + alpha / size * sum of the squares of `size` neighbouring channels) ^ beta, (N, C, H, W)."""
    return _LocalResponseNorm.apply(values, alpha, beta, size)
