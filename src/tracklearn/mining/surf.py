"""SURF interest points (Bay et al., ECCV 2006; paper §4), by whichever implementation is installed."""

import cv2
import numpy as np

from tracklearn.errors import UserError

DETECTORS = ("opencv", "mahotas")
# The pyramid that OpenCV calls default and mahotas comes with; OpenCV counts its scales without the outer two.
OCTAVES = 4
SCALES = 6
STEP = 1


def resolve(detector: str = "auto") -> str:
    """Name of the implementation that `detector` stands for here: "auto" is OpenCV's where it was built with SURF.

    PyPI's OpenCV is built without it (it was patented), mahotas always has it.

    Raises:
        UserError: an unknown detector, or OpenCV's where this OpenCV has none.
    """
    if detector not in ("auto", *DETECTORS):
        raise UserError(f"mining surf: {detector!r}, expected auto, opencv or mahotas")
    if detector == "mahotas" or (detector == "auto" and not _opencv_has_surf()):
        return "mahotas"
    if not _opencv_has_surf():
        raise UserError("mining surf: opencv, but this OpenCV was built without SURF; choose auto or mahotas")
    return "opencv"


def interest_points(
    grey: np.ndarray, *, detector: str = "auto", threshold: float = 5.0, max_points: int = 1024
) -> np.ndarray:
    """Interest points of an image, the strongest first: float32 (N, 2), x and y in pixels.

    Args:
        grey: uint8 (H, W).
        detector: auto, opencv or mahotas.
        threshold: least determinant of the Hessian, in the detector's own units.
            ASSUME: the paper names none; 5 of mahotas' units leaves out points of flat areas, whose flow is noise
            (of 157 frames of real clips, sparse and dense flow accept 0.91 alike, 0.77 at mahotas' default of 0.1).
        max_points: keep at most that many. ASSUME: mahotas' default.

    Raises:
        UserError: as `resolve`.
    """
    find = _mahotas_points if resolve(detector) == "mahotas" else _opencv_points
    return find(grey, threshold, max_points)


def _mahotas_points(grey: np.ndarray, threshold: float, max_points: int) -> np.ndarray:
    from mahotas.features import surf  # noqa: PLC0415  (only needed where OpenCV has no SURF)

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
