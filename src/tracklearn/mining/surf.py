"""SURF interest points (Bay et al., ECCV 2006; paper §4), by one of three implementations."""

import cv2
import numpy as np

from tracklearn.errors import UserError
from tracklearn.mining.fast_hessian import fast_hessian
from tracklearn.settings.base import Block
from tracklearn.settings.mining import Filtering

# The pyramid of mahotas and OpenCV's default; OpenCV does not count the outer two scales.
OCTAVES = 4
SCALES = 6
STEP = 1


def check_detector(detector: str) -> None:
    """Check that an implementation of SURF is available.

    Raises:
        UserError: OpenCV's is chosen, and this OpenCV was built without it, as PyPI's is: SURF was patented.
    """
    if detector == "opencv" and not _opencv_has_surf():
        raise UserError(
            f"{Filtering.where}.surf is opencv, but this OpenCV was built without SURF; choose fast-hessian or mahotas"
        )


def interest_points(grey: np.ndarray, filtering: Block = None) -> np.ndarray:
    """Interest points of an image, the strongest first: float32 (N, 2), x and y in pixels.

    Args:
        grey: uint8 (H, W).
        filtering: settings of `settings.mining.Filtering`, of which `surf`, `surf_threshold` and `max_points` count.

    Raises:
        UserError: a wrong setting, or as `check_detector`.
    """
    filter_settings = Filtering.read(filtering)
    check_detector(filter_settings.surf)
    if filter_settings.surf == "fast-hessian":
        points = fast_hessian(grey, threshold=filter_settings.surf_threshold, max_points=filter_settings.max_points)
        return np.ascontiguousarray(points[:, :2])
    find = _mahotas_points if filter_settings.surf == "mahotas" else _opencv_points
    return find(grey, filter_settings.surf_threshold, filter_settings.max_points)


def _mahotas_points(grey: np.ndarray, threshold: float, max_points: int) -> np.ndarray:
    from mahotas.features import surf  # noqa: PLC0415  (an alternative that few choose)

    found = surf.interest_points(grey, OCTAVES, SCALES, STEP, threshold=threshold, max_points=max_points)
    found = found.reshape(-1, 5)  # y, x, scale, score, laplacian
    return np.ascontiguousarray(found[:, 1::-1], np.float32)


def _opencv_points(grey: np.ndarray, threshold: float, max_points: int) -> np.ndarray:
    found = cv2.xfeatures2d.SURF_create(threshold, OCTAVES, SCALES - 2).detect(grey, None)  # type: ignore[attr-defined]
    found = sorted(found, key=lambda point: (-point.response, point.pt))[:max_points]
    return np.array([point.pt for point in found], np.float32).reshape(-1, 2)


def _opencv_has_surf() -> bool:
    try:
        cv2.xfeatures2d.SURF_create()  # type: ignore[attr-defined]
    except (AttributeError, cv2.error):
        return False
    return True
