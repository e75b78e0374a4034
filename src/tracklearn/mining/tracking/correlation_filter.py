"""The kernelised correlation filter with a linear kernel (the "DCF") on HOG features.

Henriques et al., "High-Speed Tracking with Kernelized Correlation Filters", PAMI 2015. The box is square and keeps its
scale; the features, the constants and the defaults are those of table 2. The kernel is linear because on real clips the
Gaussian kernel ends at the same boxes and costs more. Two things differ from the authors' code: the peak is located
between cells, by a parabola, and the box between pixels, because at a reduced scale one cell covers many pixels of the
video.
"""

import cv2
import numpy as np
from numba import njit
from scipy.fft import irfft2, next_fast_len, rfft2

from tracklearn.mining.tracking.hog import CELL, hog

TARGET_SIGMA = 0.1  # of the regression target, in sides of the box
RIDGE = 1e-4
# Least ratio of a peak to the one before. ASSUME: 0.6. On real clips a peak falls further at once only at a cut or
# where the object has disappeared, and after a cut to a similar scene it may stay above any useful `least_peak`.
LEAST_RATIO = 0.6


class CorrelationFilter:
    """A filter that has learnt a square box of one frame and finds it in the frames that follow.

    Args:
        frame: luma, uint8 (H, W).
        centre: centre of the box, (x, y) in pixels from the frame's left and top edges.
        side: side of the box in pixels.
        least_peak: the box is lost if the peak of the response is lower.
        padding: the filter's window is 1 + `padding` boxes wide.
        rate: share of each new frame in the model.

    Attributes:
        centre: current centre of the box.
        score: peak of the response in the last frame, before the frame was learnt; about 1 where nothing has changed.
    """

    def __init__(
        self,
        frame: np.ndarray,
        centre: tuple[float, float],
        side: float,
        *,
        least_peak: float,
        padding: float,
        rate: float,
    ) -> None:
        self.centre, self.score = centre, 1.0
        self._least_peak, self._rate = least_peak, rate
        self._cells = window_cells(side, padding)
        hann = np.hanning(self._cells).astype(np.float32)
        self._window = np.outer(hann, hann)
        self._target = rfft2(target(self._cells, TARGET_SIGMA * side / CELL), workers=1)
        self._model = self._features(frame)
        self._dual = train(self._model, self._target)

    def update(self, frame: np.ndarray) -> bool:
        """Find the box in the next frame and learn the frame. Returns False, and learns nothing, if the box is lost."""
        previous_score = self.score
        (x, y), self.score = peak(response(self._dual, self._model, self._features(frame)))
        if self.score < max(self._least_peak, LEAST_RATIO * previous_score):
            return False
        self.centre = (self.centre[0] + CELL * x, self.centre[1] + CELL * y)
        features = self._features(frame)
        blend(self._model, features, self._rate)
        blend(self._dual, train(features, self._target), self._rate)
        return True

    def _features(self, frame: np.ndarray) -> np.ndarray:
        """Spectra of the windowed features around the centre, complex64 (31, n, n / 2 + 1)."""
        side = CELL * self._cells
        centre = (self.centre[0] - 0.5, self.centre[1] - 0.5)  # OpenCV measures from the middle of the first pixel
        patch = cv2.getRectSubPix(frame, (side, side), centre, patchType=cv2.CV_32F)
        return rfft2(hog(patch, self._window), workers=1)


def window_cells(side: float, padding: float) -> int:
    """Cells on each side of the window of a box of `side` pixels: the next even number with a fast transform."""
    return 2 * int(next_fast_len(round((1 + padding) * side / CELL / 2), real=True))


def target(cells: int, sigma: float) -> np.ndarray:
    """The regression target, float32 (cells, cells): a Gaussian of `sigma` cells at the origin, wrapped around."""
    offsets = np.minimum(np.arange(cells), cells - np.arange(cells)) / sigma
    line = np.exp(-0.5 * offsets**2)
    return np.outer(line, line).astype(np.float32)


def train(spectra: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Spectrum of the dual weights of ridge regression over all cyclic shifts (eq. 17): y / (k_xx + lambda)."""
    return target / (correlate(spectra, spectra) + np.float32(RIDGE))


def response(dual: np.ndarray, model: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """The filter's response at all cyclic shifts of a patch, float32 (n, n), n even (eq. 22): F^-1(k_xz alpha)."""
    cells = len(dual)
    return irfft2(dual * correlate(model, spectra), (cells, cells), workers=1)


@njit(cache=True, nogil=True, fastmath=True)
def correlate(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Spectrum of the linear kernel between x and all cyclic shifts of z (eq. 33), divided by the number of values.

    Args:
        x: spectra, complex64 (31, n, n / 2 + 1).
        z: spectra, complex64 (31, n, n / 2 + 1).

    Returns:
        complex64 (n, n / 2 + 1).
    """
    channels, rows, columns = x.shape
    scale = np.float32(1 / (channels * rows * rows))
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
    """Move `model`, complex64, in place by the share `rate` towards `new`."""
    _blend(model.reshape(-1).view(np.float32), new.reshape(-1).view(np.float32), rate)


@njit(cache=True, nogil=True, fastmath=True)
def _blend(model: np.ndarray, new: np.ndarray, rate: float) -> None:
    share = np.float32(rate)
    for i in range(len(model)):
        model[i] += share * (new[i] - model[i])


def peak(response: np.ndarray) -> tuple[tuple[float, float], float]:
    """((x, y) in cells, height) of the highest response, by a parabola along each axis; shifts beyond half wrap."""
    size = len(response)
    row, column = divmod(int(np.argmax(response)), size)
    height = float(response[row, column])
    x = column + _vertex(float(response[row, column - 1]), height, float(response[row, (column + 1) % size]))
    y = row + _vertex(float(response[row - 1, column]), height, float(response[(row + 1) % size, column]))
    return ((x + size / 2) % size - size / 2, (y + size / 2) % size - size / 2), height


def _vertex(before: float, middle: float, after: float) -> float:
    """Offset from the middle of the vertex of the parabola through three values, of which `middle` is the highest."""
    curvature = before - 2 * middle + after
    return 0.5 * (before - after) / curvature if curvature < 0 else 0.0
