"""The kernelised correlation filter with a linear kernel (the "DCF") on HOG features.

Henriques et al., "High-Speed Tracking with Kernelized Correlation Filters", PAMI 2015. One square box, no change of
scale; the feature, the constants and the defaults are the paper's (its table 2). The linear kernel, since on real clips
the Gaussian one ends at the same boxes and costs more. Two things differ from the paper's code: the peak lies
between the cells, by a parabola, and the box sits between pixels, since at a reduced scale a cell is many pixels of
the video.
"""

import cv2
import numpy as np
from numba import njit
from scipy.fft import irfft2, next_fast_len, rfft2

from tracklearn.mining.tracking.hog import CELL, CHANNELS, hog

TARGET_SIGMA = 0.1  # of the regression target, in boxes
RIDGE = 1e-4
# ASSUME: of the peak before. On real clips a peak falls further at once only where a cut or the next scene begins, or
# the object has gone; a cut to similar content may leave it above any useful least peak.
LEAST_DROP = 0.6


class CorrelationFilter:
    """A filter that has learnt a square box of one frame and finds it in the frames after.

    Args:
        frame: luma, uint8 (H, W).
        centre: of the box, (x, y) in pixels from the frame's left and top edges.
        side: of the box, pixels.
        least: peak below which the box is lost.
        padding: the window is 1 + padding boxes wide.
        rate: at which the model takes in a new frame.

    Attributes:
        centre: where the box is now.
        score: the peak of the filter's response there, before it learnt the frame; about 1 where nothing has changed.
    """

    def __init__(
        self,
        frame: np.ndarray,
        centre: tuple[float, float],
        side: float,
        *,
        least: float,
        padding: float = 1.5,
        rate: float = 0.02,
    ) -> None:
        self.centre, self.score = centre, 1.0
        self._least, self._rate = least, rate
        self._cells = window_cells(side, padding)
        hann = np.hanning(self._cells).astype(np.float32)
        self._window = np.outer(hann, hann)
        self._target = rfft2(target(self._cells, TARGET_SIGMA * side / CELL), workers=1)
        self._model = self._features(frame)
        self._dual = train(self._model, self._target)

    def update(self, frame: np.ndarray) -> bool:
        """Move to where the box is in the next frame and learn it; False, and nothing learnt, where it is lost."""
        before = self.score
        (x, y), self.score = peak(response(self._dual, self._model, self._features(frame)))
        if self.score < max(self._least, LEAST_DROP * before):
            return False
        self.centre = (self.centre[0] + CELL * x, self.centre[1] + CELL * y)
        features = self._features(frame)
        blend(self._model, features, self._rate)
        blend(self._dual, train(features, self._target), self._rate)
        return True

    def _features(self, frame: np.ndarray) -> np.ndarray:
        """Spectra of the windowed features around the centre, complex64 (31, n, n / 2 + 1)."""
        side = CELL * self._cells
        centre = (self.centre[0] - 0.5, self.centre[1] - 0.5)  # OpenCV counts from the first pixel's middle
        patch = cv2.getRectSubPix(frame, (side, side), centre, patchType=cv2.CV_32F)
        return rfft2(hog(patch, self._window), workers=1)


def window_cells(side: float, padding: float) -> int:
    """Cells on a side of the window around a box of `side` pixels: the next even number with a fast transform."""
    return 2 * int(next_fast_len(round((1 + padding) * side / CELL / 2), real=True))


def target(cells: int, sigma: float) -> np.ndarray:
    """The response asked for, float32 (cells, cells): a Gaussian of `sigma` cells at the origin, wrapped around."""
    offsets = np.minimum(np.arange(cells), cells - np.arange(cells)) / sigma
    line = np.exp(-0.5 * offsets**2)
    return np.outer(line, line).astype(np.float32)


def train(spectra: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Spectrum of the dual weights of ridge regression over all cyclic shifts (eq. 17): y / (k_xx + lambda)."""
    return target / (correlate(spectra, spectra) + np.float32(RIDGE))


def response(dual: np.ndarray, model: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """The filter's answer at all cyclic shifts of a patch, float32 (n, n), n even (eq. 22): F^-1(k_xz alpha)."""
    cells = len(dual)
    return irfft2(dual * correlate(model, spectra), (cells, cells), workers=1)


@njit(cache=True, nogil=True, fastmath=True)
def correlate(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Spectrum of the linear kernel between x and all cyclic shifts of z (eq. 33), a value's mean: sum conj(x) z.

    Args:
        x: spectra, complex64 (31, n, n / 2 + 1).
        z: likewise.

    Returns:
        complex64 (n, n / 2 + 1).
    """
    channels, rows, columns = x.shape
    scale = np.float32(1 / (CHANNELS * rows * rows))
    real, imaginary = np.empty(columns, np.float32), np.empty(columns, np.float32)
    out = np.empty((rows, columns), np.complex64)
    for row in range(rows):
        real[:], imaginary[:] = 0, 0
        for channel in range(channels):
            left, right = x[channel, row], z[channel, row]
            for i in range(columns):
                real[i] += left[i].real * right[i].real + left[i].imag * right[i].imag
                imaginary[i] += left[i].real * right[i].imag - left[i].imag * right[i].real
        for i in range(columns):
            out[row, i] = complex(scale * real[i], scale * imaginary[i])
    return out


def blend(model: np.ndarray, new: np.ndarray, rate: float) -> None:
    """Move `model`, complex64, by `rate` towards `new`, in place."""
    _blend(model.reshape(-1).view(np.float32), new.reshape(-1).view(np.float32), rate)


@njit(cache=True, nogil=True, fastmath=True)
def _blend(model: np.ndarray, new: np.ndarray, rate: float) -> None:
    share = np.float32(rate)
    for i in range(len(model)):
        model[i] += share * (new[i] - model[i])


def peak(response: np.ndarray) -> tuple[tuple[float, float], float]:
    """((x, y) in cells, height) of the highest response, by a parabola along each axis; shifts past the middle wrap."""
    size = len(response)
    row, column = divmod(int(np.argmax(response)), size)
    height = float(response[row, column])
    x = column + _vertex(float(response[row, column - 1]), height, float(response[row, (column + 1) % size]))
    y = row + _vertex(float(response[row - 1, column]), height, float(response[(row + 1) % size, column]))
    return ((x + size / 2) % size - size / 2, (y + size / 2) % size - size / 2), height


def _vertex(before: float, at: float, after: float) -> float:
    """Offset of the highest point of the parabola through three values, the middle one the highest."""
    curvature = before - 2 * at + after
    return 0.5 * (before - after) / curvature if curvature < 0 else 0.0
