"""Motion of points between two frames without the camera's motion, as in improved dense trajectories (paper §4).

Wang & Schmid, "Action Recognition with Improved Trajectories", ICCV 2013, estimate a homography between the frames by
RANSAC, take it for the camera's motion, undo it by warping, and measure the motion that is left.
"""

import cv2
import numpy as np

REPROJECTION = 1.0  # pixels, as in improved dense trajectories
MIN_INLIERS = 25  # as in improved dense trajectories, which do not compensate with fewer; here the frame is rejected


def compensated_flow(
    frame: np.ndarray, following: np.ndarray, points: np.ndarray, *, flow: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Each point's motion without the camera's, p + d(p) - H p, in pixels.

    Args:
        frame: uint8 (H, W).
        following: the next frame, uint8 (H, W).
        points: float32 (N, 2), x and y in `frame`.
        flow: "lucas-kanade" measures the flow d only at the points. "farneback" is the reference: dense flow, then
            the following frame is warped back by H, then dense flow again, whose value at p is the result.

    Returns:
        The motion, float32 (N, 2), NaN where a point was not found again; and the homography H (3, 3) from the frame to
        the following one. H is None and all motion is NaN where too few points agree on a homography.
    """
    measure = {"lucas-kanade": _sparse_flow, "farneback": _dense_flow}[flow]
    moved = points + measure(frame, following, points)
    homography = camera_homography(points, moved)
    if homography is None:
        return np.full((len(points), 2), np.nan, np.float32), None
    if flow == "lucas-kanade":
        motion = moved - cv2.perspectiveTransform(points[:, None], homography)[:, 0]
    else:
        size = (following.shape[1], following.shape[0])
        steady = cv2.warpPerspective(following, homography, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR)
        motion = _dense_flow(frame, steady, points)
    return motion, homography


def camera_homography(points: np.ndarray, moved: np.ndarray) -> np.ndarray | None:
    """The homography (3, 3) that most points follow, by RANSAC (deterministic); None where fewer than 25 follow it.

    ASSUME: improved dense trajectories estimate it from matches of SURF descriptors and from the flow of corners; here
    it is estimated from the flow of the SURF points.

    Args:
        points: (N, 2), x and y before the motion.
        moved: (N, 2), x and y after it; rows with NaN are left out.
    """
    known = np.isfinite(moved).all(axis=1)
    if known.sum() < MIN_INLIERS:
        return None
    homography, inliers = cv2.findHomography(points[known], moved[known], cv2.USAC_FAST, REPROJECTION)
    if homography is None or inliers.sum() < MIN_INLIERS:
        return None
    return homography


def _sparse_flow(frame: np.ndarray, following: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Displacement of the points, float32 (N, 2), by pyramidal Lucas-Kanade, NaN where a point is lost."""
    if not len(points):
        return np.empty((0, 2), np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 0.03)
    window = (19, 19)  # about the area that Farneback's flow averages over, so that both measure the same motion
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        frame, following, points[:, None], np.empty_like(points[:, None]), winSize=window, maxLevel=3, criteria=stop
    )
    return np.where(found == 1, moved[:, 0] - points, np.float32(np.nan))


def _dense_flow(frame: np.ndarray, following: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Displacement of the points, float32 (N, 2), by Farneback's dense flow at the nearest pixel."""
    height, width = frame.shape
    # The parameters are those of the released improved dense trajectories.
    flow = cv2.calcOpticalFlowFarneback(
        frame,
        following,
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
