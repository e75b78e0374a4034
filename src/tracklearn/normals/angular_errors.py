"""Angular errors of normals, as Table 2 counts them (PAPER §6.2.2; the measures are those of Fouhey et al., ICCV 2013).

The paper pools all pixels of all test images; figures with the prefix `image_` are means over images instead.
"""

from collections.abc import Callable, Iterable

import numpy as np

from tracklearn.errors import UserError
from tracklearn.normals.cells import at_pixels
from tracklearn.normals.truth import REPORTED, Truth
from tracklearn.report import Report, silent

THRESHOLDS = (11.25, 22.5, 30.0)  # degrees
BIN = 0.01  # degrees; medians over pooled pixels are exact within this width
BINS = round(180 / BIN)
AT_ONCE = 100  # bootstrap draws whose histograms lie in memory together
FIGURES = ("mean", "median", *(f"within_{threshold:g}" for threshold in THRESHOLDS))


def angles(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Angles in degrees, float64 (n,), between the normals (..., 3) of pixels where the truth is not zero."""
    known = truth.any(axis=-1)
    first, second = predicted[known].astype(np.float64), truth[known].astype(np.float64)
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    with np.errstate(invalid="raise"):  # a predicted normal of length 0 is a bug
        cosines = (first * second).sum(axis=-1) / lengths
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


class ErrorSums:
    """Errors of a row, gathered image by image; of the pixels only sums and histograms stay in memory."""

    def __init__(self) -> None:
        self._means: list[np.ndarray] = []  # count, then the figures of each image, (1 + 5,)
        self._histograms: list[np.ndarray] = []  # counts of errors in bins of `BIN` degrees, int32 (BINS,)

    def __len__(self) -> int:
        return len(self._means)

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return int(sum(figures[0] for figures in self._means))

    def add(self, errors: np.ndarray) -> None:
        """Add the errors (n,) of an image's pixels, in degrees."""
        within = [100 * (errors < threshold).mean() for threshold in THRESHOLDS]
        self._means.append(np.array([len(errors), errors.mean(), np.median(errors), *within]))
        bins = np.minimum((errors / BIN).astype(np.int64), BINS - 1)
        self._histograms.append(np.bincount(bins, minlength=BINS).astype(np.int32))

    def values(self) -> dict[str, float]:
        """Mean and median in degrees, and the percentages of pixels strictly within each threshold."""
        drawn = self.replicates(np.ones((1, len(self)), np.int32))
        return {name: float(value[0]) for name, value in drawn.items()}

    def replicates(self, draws: np.ndarray) -> dict[str, np.ndarray]:
        """The figures of `values` in bootstrap samples of the images.

        Args:
            draws: how often each sample holds each image, (B, images), from `tables.bootstrap.image_draws`.

        Returns:
            (B,) by figure.
        """
        by_image = np.array(self._means)  # (images, 6)
        counts = by_image[:, :1]
        pooled = draws @ (by_image * counts) / (draws @ counts)
        pooled[:, 2] = self._pooled_medians(draws)
        over_images = draws @ by_image / draws.sum(axis=1, keepdims=True)
        return {
            **dict(zip(FIGURES, pooled[:, 1:].T, strict=True)),
            **{f"image_{name}": column for name, column in zip(FIGURES, over_images[:, 1:].T, strict=True)},
        }

    def _pooled_medians(self, draws: np.ndarray) -> np.ndarray:
        histograms = np.array(self._histograms, np.float64)  # (images, bins); sums of pixels are exact in 64 bits
        medians = [_medians(np.cumsum(part @ histograms, axis=1)) for part in np.split(draws, _parts(len(draws)))]
        return np.concatenate(medians)


def _parts(draws: int) -> np.ndarray:
    return np.arange(AT_ONCE, draws, AT_ONCE)


def _medians(cumulated: np.ndarray) -> np.ndarray:
    """Medians (B,) of cumulated histograms (B, bins): linear within the bin where the count passes one half."""
    half = cumulated[:, -1:] / 2
    at = (cumulated < half).sum(axis=1)
    rows = np.arange(len(cumulated))
    below = np.where(at > 0, cumulated[rows, at - 1], 0)
    return (at + (half[:, 0] - below) / (cumulated[rows, at] - below)) * BIN


def evaluate(
    predict: Callable[[int], np.ndarray], truth: Truth, images: Iterable[int] | np.ndarray, *, report: Report = silent
) -> ErrorSums:
    """Errors of predicted normals on some images.

    Args:
        predict: normals of an image's cells (G, G, 3) or of its pixels (H, W, 3).

    Raises:
        UserError: an image has no true normal.
    """
    sums = ErrorSums()
    for image in map(int, images):
        true = truth[image]
        if not true.any():
            raise UserError(f"image {image + 1} of NYUv2 has no pixel with a true normal; leave it out of the test set")
        predicted = predict(image)
        sums.add(angles(predicted if predicted.shape == true.shape else at_pixels(predicted, truth.size), true))
        if len(sums) % REPORTED == 0:
            report(len(sums), {"images": len(sums)})
    return sums
