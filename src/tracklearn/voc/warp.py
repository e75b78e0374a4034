"""Windows of an image, warped with context to the network's square input (Girshick et al., R-CNN, appendix A)."""

from collections.abc import Sequence

import cv2
import numpy as np

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
    context = round(CONTEXT * size / SIZE) if context is None else context
    colour = np.rint(mean) if image.dtype == np.uint8 else np.asarray(mean)
    windows = np.empty((len(boxes), size, size, 3), image.dtype)
    windows[:] = colour
    scale = size / (size - 2 * context)
    for window, box in zip(windows, grow(boxes, scale), strict=True):
        _paste(window, image, box)
    return windows


def grow(boxes: np.ndarray, scale: float) -> np.ndarray:
    """Scale boxes around their centres, (N, 4) -> (N, 4) int64; halves are rounded away from zero, as in C."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    half = (boxes[:, 2:] - boxes[:, :2] + 1) / 2
    centre = boxes[:, :2] + half
    grown = np.hstack([centre - half * scale, centre + half * scale])
    return np.copysign(np.floor(np.abs(grown) + 0.5), grown).astype(np.int64)


def _paste(window: np.ndarray, image: np.ndarray, box: np.ndarray) -> None:
    """Resize the part of `box` (4,) inside the image and write it to its place in `window`."""
    size, limits = window.shape[0], (image.shape[1], image.shape[0])
    source, target = [], []
    for low, high, limit in zip(box[:2], box[2:], limits, strict=True):
        first, last = max(0, low), min(limit - 1, high)
        scale = size / (high - low + 1)
        pad = int((first - low) * scale + 0.5)
        length = min(int((last - first + 1) * scale + 0.5), size - pad)
        source.append(slice(first, last + 1))
        target.append((pad, length))
    (left, width), (top, height) = target
    if width > 0 and height > 0:
        inside = cv2.resize(image[source[1], source[0]], (width, height), interpolation=cv2.INTER_LINEAR)
        window[top : top + height, left : left + width] = inside
