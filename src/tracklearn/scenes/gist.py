"""GIST: what a whole photo's textures are like, cell by cell (Oliva & Torralba, IJCV 2001), as LEAR computes it.

Reference: LEAR's `lear_gist` 1.2 (Douze et al., Evaluation of GIST descriptors, CIVR 2009). For square photos the
descriptors equal its output to the last printed digit.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import scipy.fft

from tracklearn.photos import read_square
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.scenes import Gist
from tracklearn.training.prefetch import prefetch

PADDING = 5  # pixels by which the photo is mirrored at its borders before it is whitened
CUTOFF = 4  # cycles per padded photo at which the low-pass filter falls to one half
LEAST_CONTRAST = 0.2  # added to the local contrast, so that flat areas stay flat
HIGHEST = 0.3  # cycles per pixel of the finest scale
SCALE_STEP = 1.85  # ratio of the frequencies of two scales
RADIAL = 3.5  # a filter's selectivity for frequencies


class GistFilters:
    """The filters of square photos of one size, and the descriptor that they give.

    Args:
        size: side S of the photos in pixels.
        orientations: number of orientations of each scale, the finest first; F filters in all.
        cells: cells C along each side.
    """

    def __init__(self, *, size: int, orientations: Sequence[int], cells: int) -> None:
        self.size = size
        self.low_pass = low_pass(size + 2 * PADDING)
        self.gabors = gabors(size, orientations)
        bounds = np.arange(cells + 1) * size // cells
        self.averages = np.zeros((cells, size), np.float32)  # means of rows, or of columns, over each cell
        for cell, (start, stop) in enumerate(pairwise(bounds)):
            self.averages[cell, start:stop] = 1 / (stop - start)

    def __call__(self, photo: np.ndarray) -> np.ndarray:
        """The descriptor (3 F C C,) float32 of an RGB photo (S, S, 3) uint8.

        It holds the mean magnitude of each filter's response by colour, filter, column and row of the cell.
        """
        spectra = scipy.fft.fft2(self.whitened(photo))  # (3, S, S)
        # One filter at a time: the responses of all filters would not fit into the processor's cache.
        means = [
            self.averages @ np.abs(scipy.fft.ifft2(spectra * gabor, overwrite_x=True)) @ self.averages.T
            for gabor in self.gabors
        ]  # F x (3, rows, columns)
        return np.stack(means).transpose(1, 0, 3, 2).reshape(-1)

    def whitened(self, photo: np.ndarray) -> np.ndarray:
        """The logarithm of the photo without its low frequencies, divided by its local contrast: (3, S, S) float32.

        With L the low-pass filter, x = log(1 + v), y = x - L x, and m the mean of y over colours, this is
        y / (0.2 + sqrt(|L m^2|)).
        """
        border = ((0, 0), (PADDING, PADDING), (PADDING, PADDING))
        logarithm = np.pad(np.log1p(photo.astype(np.float32)).transpose(2, 0, 1), border, mode="symmetric")
        fine = logarithm - self._filtered(logarithm).real
        contrast = np.sqrt(np.abs(self._filtered(fine.mean(axis=0) ** 2)))
        inner = slice(PADDING, -PADDING)
        return (fine / (LEAST_CONTRAST + contrast))[:, inner, inner]

    def _filtered(self, values: np.ndarray) -> np.ndarray:
        return scipy.fft.ifft2(scipy.fft.fft2(values) * self.low_pass, overwrite_x=True)


def low_pass(side: int) -> np.ndarray:
    """Transfer function (side, side) float32 of the Gaussian low-pass filter, exp(-ln 2 r^2 / 4^2)."""
    _, radius = _polar(side)
    return np.exp(-np.log(2) * (radius / CUTOFF) ** 2).astype(np.float32)


def gabors(size: int, orientations: Sequence[int]) -> np.ndarray:
    """Transfer functions (F, size, size) float32 of the Gabor filters, scale by scale.

    Scale s has the frequency f = 0.3 / 1.85^s. Its orientation o of n is
    exp(-3.5 (r / (size f) - 1)^2 - 2 pi (n / 8)^2 a^2), where r is the radius of a frequency and a its angle plus
    pi o / n, between -pi and pi.
    """
    angle, radius = _polar(size)
    filters = []
    for scale, count in enumerate(orientations):
        radial = RADIAL * (radius / (size * HIGHEST / SCALE_STEP**scale) - 1) ** 2
        for orientation in range(count):
            turned = angle + np.pi * orientation / count
            turned[turned > np.pi] -= 2 * np.pi
            filters.append(np.exp(-radial - 2 * np.pi * (count / 8) ** 2 * turned**2).astype(np.float32))
    return np.stack(filters)


def _polar(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Angle and radius (side, side) of each frequency of a transform, in cycles per photo.

    Where the side is odd, all frequencies are half a cycle off, as LEAR's are.
    """
    frequencies = np.fft.fftshift(np.arange(side) - side / 2)
    rows, columns = np.meshgrid(frequencies, frequencies, indexing="ij")
    return np.arctan2(rows, columns), np.hypot(rows, columns)


def gist_features(
    files: Sequence[str | Path], *, settings: Block = None, threads: int = 1, report: Report = silent
) -> np.ndarray:
    """GIST (N, D) float32 of photos of any size, each resized to a square whatever its proportions.

    Args:
        settings: settings of `settings.scenes.Gist`.
        threads: photos that are computed at a time.

    Raises:
        UserError: invalid settings, or a photo cannot be decoded.
    """
    wanted = Gist.read(settings)
    filters = GistFilters(size=wanted.size, orientations=wanted.orientations, cells=wanted.cells)

    features = np.empty((len(files), 3 * len(filters.gabors) * wanted.cells**2), np.float32)
    described = prefetch(lambda index: filters(read_square(files[index], wanted.size)), 0, len(files), workers=threads)
    for done, descriptor in enumerate(described):
        features[done] = descriptor
        report(done + 1, {"photos": done + 1})
    return features
