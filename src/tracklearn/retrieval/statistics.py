"""Mean and stationary covariance of HOG on natural photos (Hariharan, Malik and Ramanan, ECCV 2012, section 2.2)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.mining.tracking.hog import CELL, CHANNELS
from tracklearn.npz import read_arrays, write_arrays
from tracklearn.report import Report, silent
from tracklearn.retrieval.templates import MARGIN, Shape, halvings, hog_without_margin, template_shapes
from tracklearn.voc.annotations import Voc

# ASSUME: statistics are those of photos at 1/2 and 1/4 of their size. An object is reduced by about as much when it is
# warped to its template. At 1/2, a cell covers 8 x 8 pixels of the photo, as in the paper of ELDA.
LEVELS = (1, 2)  # number of halvings
TILE = 64  # cells; larger maps are cut
PHOTOS_AT_ONCE = 32


class Statistics(NamedTuple):
    """What HOG looks like anywhere in a photo.

    Attributes:
        mean: (31,).
        covariance: (R, 2 C - 1, 31, 31): at [dy, dx + C - 1], the covariance of the features of a cell (third index)
            with those of the cell dy further down and dx further right (fourth index). 0 where no two cells were so far
            apart.
        cells: number of cells behind the mean.
    """

    mean: np.ndarray
    covariance: np.ndarray
    cells: int

    def at(self, dy: np.ndarray, dx: np.ndarray) -> np.ndarray:
        """Covariances (..., 31, 31) at offsets of any sign."""
        middle = self.covariance.shape[1] // 2
        down = self.covariance[np.abs(dy), np.where(dy < 0, -dx, dx) + middle]
        return np.where((dy < 0)[..., None, None], down.swapaxes(-1, -2), down)

    def of_template(self, shape: Shape) -> np.ndarray:
        """The covariance matrix S (D, D) of a template's features, in the order of `template_hog`.

        S[(a, p), (b, q)] is the covariance of channel a in cell p with channel b in cell q. It depends on q - p alone.
        """
        rows, columns = np.divmod(np.arange(shape.cells), shape.columns)
        blocks = self.at(rows[None, :] - rows[:, None], columns[None, :] - columns[:, None])  # (p, q, a, b)
        return blocks.transpose(2, 0, 3, 1).reshape(CHANNELS * shape.cells, -1)


class Autocorrelation:
    """Sums over all pairs of cells of the products of their features, by the offset of the cells.

    One pass of the Fourier transform: the transform of a map's autocorrelation is the product of the transform of each
    channel with the conjugate of every other. A channel of ones counts the pairs of each offset and sums their first
    and second members, so the mean is subtracted exactly though it is known only at the end.

    Args:
        channels: of the maps.
        reach: largest offsets, down and to the right, plus 1.
    """

    def __init__(self, channels: int, reach: Shape) -> None:
        self._reach = reach
        self._size = [next_fast_len(TILE + longest - 1, real=True) for longest in reach]
        spectrum = self._size[0], self._size[1] // 2 + 1
        self._sum = torch.zeros((*spectrum, channels + 1, channels + 1), dtype=torch.complex128)

    def add(self, maps: Sequence[np.ndarray]) -> None:
        """Add maps (channels, rows, columns) float32 of any size."""
        padded = torch.stack([self._padded(tile) for each in maps for tile in _tiles(each)])  # (n, channels + 1, H, W)
        spectra = torch.fft.rfft2(padded).permute(2, 3, 1, 0).contiguous()  # (H, W / 2 + 1, channels + 1, n)
        self._sum += spectra.conj() @ spectra.transpose(-1, -2)

    def statistics(self) -> Statistics:
        """Mean and covariance of everything added."""
        rows, columns = self._reach
        products = torch.fft.irfft2(self._sum, s=self._size, dim=(0, 1)).numpy()[:rows]
        products = np.roll(products, columns - 1, axis=1)[:, : 2 * columns - 1]  # (R, 2 C - 1, 32, 32)
        pairs = np.rint(products[..., -1, -1])[..., None, None]
        cells = int(pairs[0, columns - 1, 0, 0])
        mean = products[0, columns - 1, :-1, -1] / max(cells, 1)
        first, second = products[..., :-1, -1, None], products[..., -1, None, :-1]  # sums of either member of the pairs
        centred = products[..., :-1, :-1] - first * mean - mean[:, None] * second + pairs * np.outer(mean, mean)
        covariance = np.where(pairs > 0, centred / np.maximum(pairs, 1), 0)
        return Statistics(mean, covariance, cells)

    def _padded(self, tile: np.ndarray) -> Tensor:
        with_ones = np.concatenate([tile, np.ones_like(tile[:1])])
        height, width = self._size
        return F.pad(torch.from_numpy(with_ones), (0, width - tile.shape[2], 0, height - tile.shape[1]))


def hog_statistics(
    *,
    voc: str | Path,
    year: int,
    image_set: str,
    cells: int,
    shapes: int,
    out: str | Path,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Write the statistics of HOG over the photos of an image set, at the offsets that templates have.

    Args:
        cells, shapes: of the templates (see `template_shapes`).
        out: npz file of the fields of `Statistics`.

    Returns:
        Numbers of photos and cells.

    Raises:
        UserError: a photo is unreadable, or all are too small to have a cell.
    """
    photos = Voc(voc, year)
    images = photos.images(image_set)
    templates = template_shapes(cells, shapes)
    reach = Shape(max(shape.rows for shape in templates), max(shape.columns for shape in templates))
    sums = Autocorrelation(CHANNELS, reach)
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(images), PHOTOS_AT_ONCE):
            some = images[start : start + PHOTOS_AT_ONCE]
            if maps := [each for found in pool.map(lambda image: photo_hogs(photos, image), some) for each in found]:
                sums.add(maps)
            report(start + len(some), {"photos": float(start + len(some))})
    found = sums.statistics()
    if not found.cells:
        raise UserError(
            f"{photos.folder}: none of the {len(images)} training photos is large enough for the statistics of HOG; "
            f"expected sides of at least {(2 * MARGIN + 1) * CELL << LEVELS[0]} pixels"
        )
    write_arrays(out, mean=found.mean, covariance=found.covariance.astype(np.float32), cells=found.cells)
    return {"photos": len(images), "cells": found.cells}


def read_statistics(path: str | Path) -> Statistics:
    """Read what `hog_statistics` wrote.

    Raises:
        UserError: a damaged file.
    """
    stored = read_arrays(path, "mean", "covariance", "cells")
    return Statistics(stored["mean"], stored["covariance"], int(stored["cells"]))


def photo_hogs(photos: Voc, image_id: str) -> list[np.ndarray]:
    """HOG (31, rows, columns) of a photo at each of `LEVELS` at which it has a cell inside."""
    levels = halvings(photos.image(image_id))
    maps = []
    for level in (levels[depth] for depth in LEVELS if depth < len(levels)):
        height, width = (side // CELL * CELL for side in level.shape)
        if min(height, width) > 2 * MARGIN * CELL:
            maps.append(hog_without_margin(np.ascontiguousarray(level[:height, :width])[None])[0])
    return maps


def _tiles(whole: np.ndarray) -> list[np.ndarray]:
    _, rows, columns = whole.shape
    return [whole[:, y : y + TILE, x : x + TILE] for y in range(0, rows, TILE) for x in range(0, columns, TILE)]
