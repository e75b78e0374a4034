"""Motion of points between two frames with the camera's removed, as improved dense trajectories do it (paper §4).

Wang & Schmid, "Action Recognition with Improved Trajectories", ICCV 2013, estimate a homography between the frames by
RANSAC, take it for the camera, warp it away and look at what motion is left.
"""

import cv2
import numpy as np

from tracklearn.errors import UserError

FLOWS = ("lucas-kanade", "farneback")
REPROJECTION = 1.0  # px, as improved dense trajectories
MIN_INLIERS = 25  # as improved dense trajectories, which go on uncompensated below it; here there is no homography


def compensated_flow(
    previous: np.ndarray, current: np.ndarray, points: np.ndarray, *, flow: str = "lucas-kanade"
) -> tuple[np.ndarray, np.ndarray | None]:
    r"""How far each point moves beyond the camera's motion: |p + d(p) - H p|, in pixels.

    "lucas-kanade" measures the flow d at the points alone. "farneback" is the reference: dense flow, the current
    frame warped back by H, and dense flow again, whose length at p is the answer.

    Args:
        previous: uint8 (H, W).
        current: the next frame.
        points: float32 (N, 2), x and y in the previous frame.
        flow: lucas-kanade or farneback.

    Returns:
        The lengths, float32 (N,), NaN where a point was not found again; and the homography from the previous to the
        current frame (3, 3), or None (then all lengths are NaN) where too few points agree on one.

    Raises:
        UserError: an unknown flow.
    """
    if flow not in FLOWS:
        raise UserError(f"mining flow: {flow!r}, expected one of {', '.join(FLOWS)}")
    measure = _sparse_flow if flow == "lucas-kanade" else _dense_flow
    moved = points + measure(previous, current, points)
    homography = camera_homography(points, moved)
    if homography is None:
        return np.full(len(points), np.nan, np.float32), None
    if flow == "lucas-kanade":
        left = moved - cv2.perspectiveTransform(points[:, None], homography)[:, 0]
    else:
        size = (current.shape[1], current.shape[0])
        steady = cv2.warpPerspective(current, homography, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR)
        left = _dense_flow(previous, steady, points)
    return np.linalg.norm(left, axis=1).astype(np.float32), homography


def camera_homography(points: np.ndarray, moved: np.ndarray) -> np.ndarray | None:
    """The homography (3, 3) that most points follow, by RANSAC; None where fewer than 25 follow it.

    Points are (N, 2), before and after; rows with NaN are left out. Deterministic.

    ASSUME: the paper's improved dense trajectories add matches of SURF descriptors to those of the flow; here both
    are one, the SURF points carried along by the flow.
    """
    known = np.isfinite(moved).all(axis=1)
    if known.sum() < MIN_INLIERS:
        return None
    homography, inliers = cv2.findHomography(points[known], moved[known], cv2.USAC_FAST, REPROJECTION)
    if homography is None or inliers.sum() < MIN_INLIERS:
        return None
    return homography


def _sparse_flow(previous: np.ndarray, current: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Displacement at the points (N, 2) by pyramidal Lucas-Kanade, NaN where a point is lost."""
    if not len(points):
        return np.empty((0, 2), np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 0.03)
    window = (19, 19)  # about what Farneback's flow averages over, so that both see the same motion
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        previous, current, points[:, None], np.empty_like(points[:, None]), winSize=window, maxLevel=3, criteria=stop
    )
    return np.where(found == 1, moved[:, 0] - points, np.float32(np.nan))


def _dense_flow(previous: np.ndarray, current: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Displacement at the points (N, 2) by Farneback's dense flow, read at the nearest pixel."""
    height, width = previous.shape
    # the settings of the released improved dense trajectories
    flow = cv2.calcOpticalFlowFarneback(
        previous,
        current,
        np.empty((height, width, 2), np.float32),
        pyr_scale=0.7071,
        levels=5,
        winsize=10,
        iterations=2,
        poly_n=7,
        poly_sigma=1.5,
        flags=cv2.OPTFLOW_FARNEBACK_GAUSSIAN,
    )
    x = np.clip(np.rint(points[:, 0]).astype(int), 0, width - 1)
    y = np.clip(np.rint(points[:, 1]).astype(int), 0, height - 1)
    return flow[y, x]
