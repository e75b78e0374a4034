"""Windows of an image, warped with context to the network's square input (Girshick et al., R-CNN, appendix A)."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tracklearn.machine.kernels import builds_kernels

SIZE = 227  # PAPER §5.4: CaffeNet's input
CONTEXT = 16  # PAPER §6.2.1: R-CNN's context, in pixels of the warped window


def warp(
    image: np.ndarray, boxes: np.ndarray, *, mean: Sequence[float], size: int = SIZE, context: int | None = None
) -> np.ndarray:
    """Warp boxes to `size` x `size`, each with `context` pixels of surrounding image on every side.

    A box grows by the factor size / (size - 2 context) around its centre. Outside the image it has the colour `mean`.

    Args:
        image: (H, W, 3) uint8 or float32.
        boxes: (N, 4) x1 y1 x2 y2, 0-based inclusive.
        mean: colour outside the image, in the image's channel order; rounded for a uint8 image.
        size: side of a window in pixels.
        context: in pixels of the warped window; by default 16 at size 227 and in proportion at other sizes.

    Returns:
        (N, size, size, 3) of the image's type.

    Source: rcnn_im_crop.m and Caffe's window_data_layer.cpp (bilinear, no antialiasing).
    """
    places = placements(boxes, image.shape[:2], size=size, context=context)
    return warp_placed(image, places, mean=np.rint(mean).tolist() if image.dtype == np.uint8 else mean, size=size)


def warp_placed(image: np.ndarray, places: np.ndarray, *, mean: Sequence[float], size: int = SIZE) -> np.ndarray:
    """The windows of `warp`, given their `placements` (N, 2, 4)."""
    return warp_each([image] * len(places), places, mean=mean, size=size, dtype=image.dtype)


def warp_each(
    images: Sequence[np.ndarray],
    places: np.ndarray,
    *,
    mean: Sequence[float],
    size: int = SIZE,
    dtype: np.typing.DTypeLike = np.uint8,
) -> np.ndarray:
    """A window of each of N images, given its `placements` (N, 2, 4): (N, size, size, 3) of the images' `dtype`."""
    # Whole rows of colour: numpy takes 20 times as long to write three values at a time.
    row = np.tile(np.asarray(mean, dtype), size)
    rows = np.empty((len(places), size, 3 * size), dtype)
    rows[:] = row
    windows = rows.reshape(-1, size, size, 3)
    # Threads that warp hold each other up in all that is not OpenCV, so there is little of it.
    for image, window, place in zip(images, windows, places.tolist(), strict=True):
        (x1, x2, left, width), (y1, y2, top, height) = place
        if width > 0 and height > 0:
            inside = window[top : top + height, left : left + width]
            cv2.resize(image[y1 : y2 + 1, x1 : x2 + 1], (width, height), inside, interpolation=cv2.INTER_LINEAR)
    return windows


def warp_placed_on_device(image: Tensor, places: Tensor, *, mean: Sequence[float], size: int = SIZE) -> Tensor:
    """The windows of `warp_placed`, to one grey level, on the photo's device: on a GPU by a kernel if it can be built.

    Args:
        image: (H, W, 3) uint8.
        places: (N, 2, 4) of `placements`, on the same device.
        mean: RGB colour outside the image, rounded.
        size: side of a window in pixels.

    Returns:
        (N, size, size, 3) uint8.
    """
    if image.is_cuda and image.device.index == torch.cuda.current_device() and builds_kernels():
        from tracklearn.voc import warp_kernel  # noqa: PLC0415 (Triton is not installed everywhere)

        return warp_kernel.warp_placed(image, places, mean=mean, size=size)
    height, width = image.shape[:2]
    first, last, pad, length = (part[..., None] for part in places.float().unbind(-1))  # (N, 2, 1)
    pixel = torch.arange(size, device=image.device, dtype=torch.float32) - pad  # (N, 2, size) from the first one inside
    scale = (last - first + 1) / length.clamp(min=1)
    source = torch.minimum(torch.maximum((pixel + 0.5) * scale - 0.5 + first, first), last)
    inside = (pixel >= 0) & (pixel < length)
    x, y = (  # (N, size), -1 to 1 over the photo
        axis * (2 / max(1, side - 1)) - 1 for axis, side in zip(source.unbind(1), (width, height), strict=True)
    )
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), -1)  # (N, size, size, 2)
    photo = image.permute(2, 0, 1).float().expand(len(places), -1, -1, -1)  # the photo is not copied
    values = F.grid_sample(photo, grid, padding_mode="border", align_corners=True)
    on_photo = (inside[:, 0, None, :] & inside[:, 1, :, None])[..., None]  # (N, size, size, 1)
    windows = values.permute(0, 2, 3, 1).round().to(torch.uint8)
    colour = torch.stack([windows.new_full((), round(value)) for value in mean])
    return torch.where(on_photo, windows, colour).contiguous()


def placements(
    boxes: np.ndarray, shape: Sequence[int] | np.ndarray, *, size: int = SIZE, context: int | None = None
) -> np.ndarray:
    """Where the windows of boxes (N, 4) lie: (N, 2, 4) int64, for x and for y (first, last, pad, length).

    The pixels `first` to `last` of the image are resized to `length` pixels of the window, the first of which is pixel
    `pad`; `length` is 0 where the window lies outside the image. The `shape` (height, width) is that of all boxes'
    image, or (N, 2) that of each box's own.
    """
    context = round(CONTEXT * size / SIZE) if context is None else context
    grown = grow(boxes, size / (size - 2 * context))
    low, high, limit = grown[:, :2], grown[:, 2:], np.asarray(shape)[..., 1::-1]
    first, last = np.maximum(0, low), np.minimum(limit - 1, high)
    scale = size / (high - low + 1)
    pad = ((first - low) * scale + 0.5).astype(np.int64)
    length = np.minimum(((last - first + 1) * scale + 0.5).astype(np.int64), size - pad)
    return np.stack([first, last, pad, np.maximum(length, 0)], axis=-1)


def grow(boxes: np.ndarray, scale: float) -> np.ndarray:
    """Scale boxes around their centres, (N, 4) -> (N, 4) int64; halves are rounded away from zero, as in C."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    half = (boxes[:, 2:] - boxes[:, :2] + 1) / 2
    centre = boxes[:, :2] + half
    grown = np.hstack([centre - half * scale, centre + half * scale])
    return np.copysign(np.floor(np.abs(grown) + 0.5), grown).astype(np.int64)
