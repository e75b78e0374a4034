"""Windows of a photo on a GPU, each value computed and written once (Triton)."""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024  # values of a program


@triton.jit
def _axis(at, places, photo_side):
    """Along an axis, for pixels of a window: two pixels of the photo, the weight of the second, and whether inside."""
    first, last, pad, length = tl.load(places), tl.load(places + 1), tl.load(places + 2), tl.load(places + 3)
    scale = (last - first + 1).to(tl.float32) / tl.maximum(length, 1).to(tl.float32)
    pixel = (at - pad).to(tl.float32)
    source = (pixel + 0.5) * scale - 0.5 + first.to(tl.float32)
    source = tl.minimum(tl.maximum(source, first.to(tl.float32)), last.to(tl.float32))
    low = tl.minimum(tl.maximum(source.to(tl.int32), 0), photo_side - 1)
    inside = (at >= pad) & (at < pad + length)
    return low, tl.minimum(low + 1, photo_side - 1), source - low.to(tl.float32), inside


@triton.jit
def _windows(photo, places, windows, red, green, blue, height, width, size: tl.constexpr, block: tl.constexpr):
    """A part of a window."""
    window = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * block + tl.arange(0, block)
    wanted, channel = at < size * size * 3, at % 3
    left, right, across, inside_x = _axis(at // 3 % size, places + 8 * window, width)
    top, bottom, down, inside_y = _axis(at // 3 // size, places + 8 * window + 4, height)
    inside = wanted & inside_x & inside_y
    a = tl.load(photo + (top * width + left) * 3 + channel, inside, 0).to(tl.float32)
    b = tl.load(photo + (top * width + right) * 3 + channel, inside, 0).to(tl.float32)
    c = tl.load(photo + (bottom * width + left) * 3 + channel, inside, 0).to(tl.float32)
    d = tl.load(photo + (bottom * width + right) * 3 + channel, inside, 0).to(tl.float32)
    value = (a + (b - a) * across) * (1 - down) + (c + (d - c) * across) * down
    colour = tl.where(channel == 0, red, tl.where(channel == 1, green, blue))
    result = tl.where(inside, (value + 0.5).to(tl.int32), colour)
    tl.store(windows + window * size * size * 3 + at, result.to(tl.uint8), wanted)


def warp_placed(image: Tensor, places: Tensor, *, mean: Sequence[float], size: int) -> Tensor:
    """As `warp.warp_placed_on_device`."""
    windows = torch.empty((len(places), size, size, 3), dtype=torch.uint8, device=image.device)
    grid = len(places), triton.cdiv(size * size * 3, BLOCK)
    colour = map(round, mean)
    if len(places):
        places = places.int().contiguous()
        _windows[grid](image.contiguous(), places, windows, *colour, *image.shape[:2], size, BLOCK)
    return windows
