"""Where in an accepted frame the query box lies: around most of the moving points (paper §4)."""

from collections.abc import Sequence

import cv2
import numpy as np


def best_box(points: np.ndarray, size: Sequence[int], box: int) -> tuple[int, int, int]:
    """The `box` x `box` window inside a frame that holds most points: its left, its top and the number of its points.

    Every whole-pixel position is compared, by integral images; a point lies in the pixel to which it is rounded down.
    ASSUME: of windows with equally many points the one is taken whose points are closest to its centre (least sum of
    squared distances), and of those the first from the top, then from the left.

    Args:
        points: (N, 2), x and y in pixels; a point outside the frame counts for the nearest pixel inside.
        size: (height, width) of the frame, each at least `box`.
        box: side of the window in pixels.
    """
    height, width = size
    x = np.clip(np.floor(points[:, 0]), 0, width - 1).astype(np.int64)
    y = np.clip(np.floor(points[:, 1]), 0, height - 1).astype(np.int64)
    count = _window_sums(x, y, np.ones_like(x), size, box)
    tied = count == count.max()
    top, left = np.nonzero(tied)
    sum_x, sum_y, squares = (_window_sums(x, y, value, size, box)[tied] for value in (x, y, x * x + y * y))
    # Twice the centre is a whole number: 4 sum |p - c|^2 = 4 sum |p|^2 - 4 (2c) sum p + n |2c|^2
    centre_x, centre_y = 2 * left + box - 1, 2 * top + box - 1
    distances = 4 * squares - 4 * (centre_x * sum_x + centre_y * sum_y) + count.max() * (centre_x**2 + centre_y**2)
    best = int(np.argmin(distances))
    return int(left[best]), int(top[best]), int(count.max())


def _window_sums(x: np.ndarray, y: np.ndarray, values: np.ndarray, size: Sequence[int], box: int) -> np.ndarray:
    """Sum of the values in each window: int64 (height - box + 1, width - box + 1)."""
    image = np.zeros(size, np.float64)
    np.add.at(image, (y, x), values)
    sums = cv2.integral(image, sdepth=cv2.CV_64F)  # whole numbers below 2^53 are exact
    windows = sums[box:, box:] - sums[:-box, box:] - sums[box:, :-box] + sums[:-box, :-box]
    return windows.astype(np.int64)
