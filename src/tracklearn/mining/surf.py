"""SURF interest points (Bay et al., ECCV 2006; paper §4), by one of three implementations."""

import cv2
import numpy as np

from tracklearn.errors import UserError
from tracklearn.mining.fast_hessian import fast_hessian

DETECTORS = ("fast-hessian", "mahotas", "opencv")
# The pyramid that OpenCV calls default and mahotas comes with; OpenCV counts its scales without the outer two.
OCTAVES = 4
SCALES = 6
STEP = 1


def check_detector(detector: str) -> None:
    """Whether an implementation can be had here. PyPI's OpenCV is built without SURF, which was patented.

    Raises:
        UserError: an unknown detector, or OpenCV's where this OpenCV has none.
    """
    if detector not in DETECTORS:
        raise UserError(f"mining surf: {detector!r}, expected one of {', '.join(DETECTORS)}")
    if detector == "opencv" and not _opencv_has_surf():
        raise UserError("mining surf: opencv, but this OpenCV was built without SURF; choose fast-hessian or mahotas")


def interest_points(
    grey: np.ndarray, *, detector: str = "fast-hessian", threshold: float = 5.0, max_points: int = 1024
) -> np.ndarray:
    """Interest points of an image, the strongest first: float32 (N, 2), x and y in pixels.

    Args:
        grey: uint8 (H, W).
        detector: fast-hessian (ours), mahotas or opencv.
        threshold: least determinant of the Hessian, in the detector's own units, alike in fast-hessian and mahotas.
            ASSUME: the paper names none; 5 leaves out points of flat areas, whose flow is noise.
        max_points: keep at most that many. ASSUME: more than a frame of usual contrast has at this threshold.

    Raises:
        UserError: as `check_detector`.
    """
    check_detector(detector)
    if detector == "fast-hessian":
        return np.ascontiguousarray(fast_hessian(grey, threshold=threshold, max_points=max_points)[:, :2])
    find = _mahotas_points if detector == "mahotas" else _opencv_points
    return find(grey, threshold, max_points)


def _mahotas_points(grey: np.ndarray, threshold: float, max_points: int) -> np.ndarray:
    from mahotas.features import surf  # noqa: PLC0415  (a peer that few choose)

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
