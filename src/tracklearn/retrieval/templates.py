"""HOG of windows: each window is warped to a template, a grid of cells whose shape is near the window's."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import cv2
import numpy as np
from numba import njit

from tracklearn.mining.tracking.hog import CELL, CHANNELS, cell_histograms, normalise
from tracklearn.retrieval.labelled import LabelledWindows
from tracklearn.voc.annotations import Voc

TALLEST = 4.0  # ASSUME: height over width of the tallest template, width over height of the widest one
# ASSUME: cells around a window that its HOG is computed with and that are dropped, as in Felzenszwalb's detector. The
# cells that are kept then have all their neighbours, as the cells inside a photo have.
MARGIN = 1


class Shape(NamedTuple):
    """Height and width of a template in cells."""

    rows: int
    columns: int

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.rows * self.columns


def template_shapes(cells: int, count: int) -> list[Shape]:
    """At most `count` shapes of about `cells` cells, evenly spread in the logarithm of height over width."""
    aspects = TALLEST ** np.linspace(-1, 1, count) if count > 1 else np.ones(1)
    sides = [(np.sqrt(cells * aspect), np.sqrt(cells / aspect)) for aspect in aspects]
    return list(dict.fromkeys(Shape(max(1, round(rows)), max(1, round(columns))) for rows, columns in sides))


def nearest_shapes(boxes: np.ndarray, shapes: Sequence[Shape]) -> np.ndarray:
    """Index (N,) of the shape whose height over width is nearest to each box's, in the logarithm."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    aspects = np.array([shape.rows / shape.columns for shape in shapes])
    return np.abs(np.log(sides[:, 1] / sides[:, 0])[:, None] - np.log(aspects)).argmin(axis=1)


def halvings(photo: np.ndarray) -> list[np.ndarray]:
    """The grey levels float32 of a photo (H, W, 3), and of the photo at 1/2, 1/4, ... until a side is one cell."""
    levels: list[np.ndarray] = [cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)]
    while min(levels[-1].shape) >= 2 * CELL:
        height, width = levels[-1].shape
        levels.append(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return levels


def template_hog(levels: Sequence[np.ndarray], boxes: np.ndarray, shape: Shape) -> np.ndarray:
    """HOG of windows, each warped to a template.

    A window is cut from the level whose pixels are nearest in size to the template's, but not coarser. Outside the
    photo its border is repeated, which makes no edge.

    Args:
        levels: of `halvings`.
        boxes: (N, 4) x1 y1 x2 y2, 0-based, inclusive.

    Returns:
        (N, 31 * rows * columns) float32, channel after channel.
    """
    height, width = levels[0].shape
    size = (shape.columns + 2 * MARGIN) * CELL, (shape.rows + 2 * MARGIN) * CELL
    warped = np.empty((len(boxes), size[1], size[0]), np.float32)
    for window, (x1, y1, x2, y2) in zip(warped, boxes.tolist(), strict=True):
        across, down = (x2 - x1 + 1) / (shape.columns * CELL), (y2 - y1 + 1) / (shape.rows * CELL)  # pixels a pixel
        depth = min(max(int(np.log2(max(across * down, 1)) / 2), 0), len(levels) - 1)
        level = levels[depth]
        x_scale, y_scale = level.shape[1] / width, level.shape[0] / height
        first = 0.5 - MARGIN * CELL  # centre of the first pixel, from the window's edge
        source = np.array(
            [
                [across * x_scale, 0, (x1 + first * across) * x_scale - 0.5],
                [0, down * y_scale, (y1 + first * down) * y_scale - 0.5],
            ]
        )
        cv2.warpAffine(level, source, size, window, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE)
    return hog_without_margin(warped).reshape(len(boxes), CHANNELS * shape.cells)


@njit(cache=True, nogil=True)
def hog_without_margin(images: np.ndarray) -> np.ndarray:
    """HOG (N, 31, rows, columns) of grey images (N, H, W) float32 without the cells at their border."""
    rows, columns = images.shape[1] // CELL, images.shape[2] // CELL
    weights = np.ones((rows, columns), np.float32)
    whole = np.empty((CHANNELS, rows, columns), np.float32)
    inner = np.empty((len(images), CHANNELS, rows - 2 * MARGIN, columns - 2 * MARGIN), np.float32)
    for index in range(len(images)):
        normalise(cell_histograms(images[index]), weights, whole)
        inner[index] = whole[:, MARGIN : rows - MARGIN, MARGIN : columns - MARGIN]
    return inner


def describe(
    photos: Voc,
    windows: LabelledWindows,
    shapes: Sequence[Shape],
    pool: Executor,
    *,
    chosen: np.ndarray | None = None,
) -> list[np.ndarray]:
    """HOG of windows by shape, photo by photo on the threads of a pool.

    Args:
        chosen: (N,) the shape of each window, as an index; by default every window is warped to every shape.

    Returns:
        For each shape the features (n, 31 * cells) float32 of its windows, in their order.

    Raises:
        UserError: a photo is missing or unreadable.
    """

    def of_image(image: int) -> list[np.ndarray]:
        own = np.flatnonzero(windows.images == image)
        levels = halvings(photos.image(windows.ids[image]))
        return [
            template_hog(levels, windows.boxes[own if chosen is None else own[chosen[own] == index]], shape)
            for index, shape in enumerate(shapes)
        ]

    by_image: Iterable[list[np.ndarray]] = pool.map(of_image, np.unique(windows.images).tolist())
    return [np.concatenate(parts) for parts in zip(*by_image, strict=True)]
