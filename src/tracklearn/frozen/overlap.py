"""How well a mask matches the true one, as DAVIS measures: J of the regions and F of their boundaries.

Source: Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation, CVPR 2016, section
4, with the details of DAVIS 2017's own evaluation (davisvideochallenge/davis2017-evaluation).
"""

import cv2
import numpy as np

TOLERANCE = 0.008  # of the image's diagonal


def region_j(mask: np.ndarray, truth: np.ndarray) -> float:
    """J, the intersection of two masks (H, W) bool over their union; 1 where both are empty."""
    union = int((mask | truth).sum())
    return int((mask & truth).sum()) / union if union else 1.0


def boundary_f(mask: np.ndarray, truth: np.ndarray, *, tolerance: float = TOLERANCE) -> float:
    """F = 2 P R / (P + R) of the boundaries of two masks (H, W) bool.

    P is the share of the mask's boundary pixels that have a pixel of the true boundary within a distance, R the share
    of the true boundary's pixels that have one of the mask's. The distance is `tolerance` times the diagonal, rounded
    up to whole pixels. If neither mask has a boundary, F is 1; if only one of them has, F is 0.
    """
    own, true = boundary(mask), boundary(truth)
    if not own.any() or not true.any():
        return float(own.any() == true.any())
    radius = int(np.ceil(tolerance * np.hypot(*mask.shape)))
    precision = (own & _dilated(true, radius)).sum() / own.sum()
    recall = (true & _dilated(own, radius)).sum() / true.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def boundary(mask: np.ndarray) -> np.ndarray:
    """The pixels (H, W) bool of a mask that differ from their right, their lower or their lower right neighbour.

    Beyond the image's edge each pixel goes on, so that the edge is no boundary.
    """
    beyond = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    differs: np.ndarray = (mask != beyond[:-1, 1:]) | (mask != beyond[1:, :-1]) | (mask != beyond[1:, 1:])
    return differs


def _dilated(pixels: np.ndarray, radius: int) -> np.ndarray:
    """The pixels within a distance of some pixels (H, W) bool."""
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (rows**2 + columns**2 <= radius**2).astype(np.uint8)
    return cv2.dilate(pixels.astype(np.uint8), disk).astype(bool)
