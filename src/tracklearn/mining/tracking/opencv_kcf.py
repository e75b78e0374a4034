"""OpenCV's kernelised correlation filter (colour names and grey), with the interface of `CorrelationFilter`."""

import cv2
import numpy as np

TARGET_SIGMA = 0.125  # in sides of the box. ASSUME: with OpenCV's 1/16 most tracks are lost at a reduced scale


class OpenCVFilter:
    """A filter that has learnt a square box of one frame and finds it, to a pixel, in the frames that follow.

    Args:
        frame: RGB, uint8 (H, W, 3).
        centre: centre of the box, (x, y) in pixels from the frame's left and top edges.
        side: side of the box in pixels.
        least_peak: the box is lost if the peak of the response is lower (`detect_thresh`, in OpenCV 0.5).
    """

    def __init__(self, frame: np.ndarray, centre: tuple[float, float], side: float, *, least_peak: float) -> None:
        self._side = fast_side(side)
        left, top = (round(at - self._side / 2) for at in centre)
        # The filter's box has whole pixels; `centre` adds what rounding cut off.
        self._offset = (centre[0] - left, centre[1] - top)
        self._corner = (left, top)
        self._last, self._query = frame, self._patch(frame)
        params = cv2.TrackerKCF.Params()
        params.output_sigma_factor, params.detect_thresh = TARGET_SIGMA, least_peak
        self._filter = cv2.TrackerKCF.create(params)
        # The frames are in colour because grey ones crash the filter: opencv/opencv#22203.
        self._filter.init(_bgr(frame), (left, top, self._side, self._side))
        # OpenCV's first update only learns and does not search, so it is spent on the query's own frame.
        self._filter.update(_bgr(frame))

    def update(self, frame: np.ndarray) -> bool:
        """Find the box in the next frame and learn the frame. Returns False if the box is lost."""
        found, (left, top, _, _) = self._filter.update(_bgr(frame))
        self._last, self._corner = frame, (left, top)
        return bool(found)

    @property
    def centre(self) -> tuple[float, float]:
        """Current centre of the box."""
        return self._corner[0] + self._offset[0], self._corner[1] + self._offset[1]

    @property
    def score(self) -> float:
        """Correlation coefficient of the grey query and the patch at the box, -1 to 1. OpenCV hides its own peak."""
        return float(cv2.matchTemplate(self._patch(self._last), self._query, cv2.TM_CCOEFF_NORMED)[0, 0])

    def _patch(self, frame: np.ndarray) -> np.ndarray:
        """The grey patch at the box; where the box sticks out, the frame's border is repeated."""
        x, y = (at + (self._side - 1) / 2 for at in self._corner)
        return cv2.getRectSubPix(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (self._side, self._side), (x, y))


def fast_side(side: float) -> int:
    """The whole number nearest to `side` for which the filter's window, twice as wide, has a fast DFT (factors <= 7).

    The paper's side of 227 is a prime number, with which an update takes ten times as long.
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
