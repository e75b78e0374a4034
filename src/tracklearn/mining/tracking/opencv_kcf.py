"""OpenCV's kernelised correlation filter (colour names and grey), with the face of `CorrelationFilter`."""

import cv2
import numpy as np

# ASSUME: of the target, in boxes; OpenCV's 1/16 loses most tracks at a reduced scale.
TARGET_SIGMA = 0.125


class OpenCVFilter:
    """A filter that has learnt a square box of one frame and finds it, to a pixel, in the frames after.

    Args:
        frame: RGB, uint8 (H, W, 3).
        centre: of the box, (x, y) in pixels from the frame's left and top edges.
        side: of the box, pixels.
        least: peak below which the box is lost (`detect_thresh`; OpenCV's own is 0.5).

    Attributes:
        centre: where the box is now.
    """

    def __init__(self, frame: np.ndarray, centre: tuple[float, float], side: float, *, least: float) -> None:
        self._side = fast_side(side)
        left, top = (round(at - self._side / 2) for at in centre)
        # The filter's box is whole pixels: what rounding takes off is given back by `centre`.
        self._rest = (centre[0] - left, centre[1] - top)
        self._corner = (left, top)
        self._last, self._query = frame, self._patch(frame)
        params = cv2.TrackerKCF.Params()
        params.output_sigma_factor, params.detect_thresh = TARGET_SIGMA, least
        self._filter = cv2.TrackerKCF.create(params)
        # Grey frames would crash it: opencv/opencv#22203.
        self._filter.init(_bgr(frame), (left, top, self._side, self._side))
        # OpenCV's first update only learns, it looks for nothing: let it learn the query, not the frame after it.
        self._filter.update(_bgr(frame))

    def update(self, frame: np.ndarray) -> bool:
        """Move to where the box is in the next frame and learn it; False where it is lost."""
        found, (left, top, _, _) = self._filter.update(_bgr(frame))
        self._last, self._corner = frame, (left, top)
        return bool(found)

    @property
    def centre(self) -> tuple[float, float]:
        return self._corner[0] + self._rest[0], self._corner[1] + self._rest[1]

    @property
    def score(self) -> float:
        """Correlation coefficient of the grey query with the patch at the box, -1..1: OpenCV does not tell the peak."""
        return float(cv2.matchTemplate(self._patch(self._last), self._query, cv2.TM_CCOEFF_NORMED)[0, 0])

    def _patch(self, frame: np.ndarray) -> np.ndarray:
        """The grey patch at the box, edge pixels repeated where it sticks out."""
        x, y = (at + (self._side - 1) / 2 for at in self._corner)
        return cv2.getRectSubPix(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (self._side, self._side), (x, y))


def fast_side(side: float) -> int:
    """The whole side nearest to `side` whose doubled length, the filter's window, has a fast DFT (factors <= 7).

    At the paper's 227 the window is a prime and an update takes ten times as long.
    """
    sides = range(4, 2 * round(side) + 8)
    return min((n for n in sides if _smooth(2 * n)), key=lambda n: (abs(n - side), n))


def _smooth(number: int) -> bool:
    for factor in (2, 3, 5, 7):
        while number % factor == 0:
            number //= factor
    return number == 1


def _bgr(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
