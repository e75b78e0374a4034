"""The kernelised correlation filter on HOG features, compiled where it counts.

Henriques et al., "High-Speed Tracking with Kernelized Correlation Filters", PAMI 2015. One square box, no change of
scale; the feature, the kernel and all constants are the paper's (its table 2). Two things differ: the peak is
interpolated between the cells, and the box sits between pixels, since at a reduced scale a cell is many pixels of the
video.
"""

import cv2
import numpy as np
from numba import njit
from scipy.fft import irfft2, next_fast_len, rfft2

from tracklearn.mining.hog import CELL, CHANNELS, hog

PADDING = 1.5  # the window is 1 + PADDING boxes wide
TARGET_SIGMA = 0.1  # of the regression target, in boxes
KERNEL_SIGMA = 0.5
RIDGE = 1e-4
RATE = 0.02  # at which the model takes in a new frame


class CorrelationFilter:
    """A filter that has learnt a square box of one frame and finds it in the frames after.

    Args:
        frame: luma, uint8 (H, W).
        centre: of the box, (x, y) in pixels from the frame's left and top edges.
        side: of the box, pixels.

    Attributes:
        centre: where the box is now.
        peak: the filter's response there before it learnt the frame, about 1 where nothing has changed.
    """

    def __init__(self, frame: np.ndarray, centre: tuple[float, float], side: float) -> None:
        self.centre, self.peak = centre, 1.0
        self.cells = window_cells(side)
        hann = np.hanning(self.cells).astype(np.float32)
        self._window = np.outer(hann, hann)
        self._target = rfft2(target(self.cells, TARGET_SIGMA * side / CELL), workers=1)
        self._model = self._features(frame)
        self._dual = train(self._model, self._target, self.cells)

    def update(self, frame: np.ndarray) -> None:
        """Move to where the box is in the next frame, and learn it."""
        found = response(self._dual, self._model, self._features(frame), self.cells)
        (x, y), self.peak = peak(found)
        self.centre = (self.centre[0] + CELL * x, self.centre[1] + CELL * y)
        features = self._features(frame)
        blend(self._model, features, RATE)
        blend(self._dual, train(features, self._target, self.cells), RATE)

    def _features(self, frame: np.ndarray) -> np.ndarray:
        """Spectra of the windowed features around the centre, complex64 (31, n, n / 2 + 1)."""
        side = CELL * self.cells
        centre = (self.centre[0] - 0.5, self.centre[1] - 0.5)  # OpenCV counts from the first pixel's middle
        patch = cv2.getRectSubPix(frame, (side, side), centre, patchType=cv2.CV_32F)
        return rfft2(hog(patch, self._window), workers=1)


def window_cells(side: float) -> int:
    """Cells on a side of the window around a box of `side` pixels: the next number that has a fast transform."""
    return int(next_fast_len(round((1 + PADDING) * side / CELL), real=True))


def target(cells: int, sigma: float) -> np.ndarray:
    """The response asked for, float32 (cells, cells): a Gaussian of `sigma` cells at the origin, wrapped around."""
    offsets = np.minimum(np.arange(cells), cells - np.arange(cells)) / sigma
    line = np.exp(-0.5 * offsets**2)
    return np.outer(line, line).astype(np.float32)


def train(spectra: np.ndarray, target: np.ndarray, cells: int) -> np.ndarray:
    """Spectrum of the dual weights of kernel ridge regression (eq. 17): y / (k_xx + lambda)."""
    return target / (kernel(spectra, spectra, cells) + np.float32(RIDGE))


def response(dual: np.ndarray, model: np.ndarray, spectra: np.ndarray, cells: int) -> np.ndarray:
    """The filter's answer at all cyclic shifts of a patch, float32 (n, n) (eq. 22): F^-1(k_xz alpha)."""
    return irfft2(dual * kernel(model, spectra, cells), (cells, cells), workers=1)


def kernel(x: np.ndarray, z: np.ndarray, cells: int) -> np.ndarray:
    """Spectrum of the Gaussian kernel between x and all cyclic shifts of z (eq. 31), distances per value.

    Args:
        x: spectra, complex64 (channels, n, n / 2 + 1).
        z: likewise.
        cells: n.
    """
    product, energy = correlate(x, z, cells)
    values = CHANNELS * cells * cells
    shifted = irfft2(product, (cells, cells), workers=1)
    scale = np.float32(1 / (KERNEL_SIGMA**2 * values))
    distances = np.maximum(np.float32(energy / cells**2) - 2 * shifted, 0)
    return rfft2(np.exp(-scale * distances), workers=1)


@njit(cache=True, nogil=True, fastmath=True)
def correlate(x: np.ndarray, z: np.ndarray, cells: int) -> tuple[np.ndarray, float]:
    """Sum over the channels of conj(x) z, complex64 (n, n / 2 + 1), and the squared norms of both whole spectra."""
    channels, rows, columns = x.shape
    product = np.zeros((rows, columns), np.complex64)
    total = 0.0
    for channel in range(channels):
        for row in range(rows):
            left, right, out = x[channel, row], z[channel, row], product[row]
            energy = np.float32(0)
            for i in range(columns):
                a, b, c, d = left[i].real, left[i].imag, right[i].real, right[i].imag
                out[i] += complex(a * c + b * d, a * d - b * c)
                energy += a * a + b * b + c * c + d * d
            # The half that is not stored mirrors the columns between the first and, for even n, the last.
            total += 2 * energy - _squares(left[0], right[0])
            if cells % 2 == 0:
                total -= _squares(left[-1], right[-1])
    return product, total


@njit(inline="always")
def _squares(a: complex, b: complex) -> float:
    return a.real * a.real + a.imag * a.imag + b.real * b.real + b.imag * b.imag


def blend(model: np.ndarray, new: np.ndarray, rate: float) -> None:
    """Move `model`, complex64, by `rate` towards `new`, in place."""
    _blend(model.reshape(-1).view(np.float32), new.reshape(-1).view(np.float32), np.float32(rate))


@njit(cache=True, nogil=True, fastmath=True)
def _blend(model: np.ndarray, new: np.ndarray, rate: float) -> None:
    for i in range(len(model)):
        model[i] += rate * (new[i] - model[i])


def peak(response: np.ndarray) -> tuple[tuple[float, float], float]:
    """((x, y) in cells, height) of the highest response, by a parabola along each axis; shifts past the middle wrap."""
    size = len(response)
    row, column = np.unravel_index(int(np.argmax(response)), response.shape)
    height = float(response[row, column])
    x = column + _vertex(float(response[row, column - 1]), height, float(response[row, (column + 1) % size]))
    y = row + _vertex(float(response[row - 1, column]), height, float(response[(row + 1) % size, column]))
    return ((x + size / 2) % size - size / 2, (y + size / 2) % size - size / 2), height


def _vertex(before: float, at: float, after: float) -> float:
    """Offset of the highest point of the parabola through three values, the middle one the highest."""
    curvature = before - 2 * at + after
    return 0.5 * (before - after) / curvature if curvature < 0 else 0.0
