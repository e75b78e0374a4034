"""The Fast-Hessian detector of SURF, compiled (Bay et al., "SURF: Speeded Up Robust Features", ECCV 2006, section 3).

The second derivatives of Gaussians are box filters; sums over boxes are differences of an integral image. A box filter
of lobe l (an odd number of pixels, a third of the filter's side) stands for a scale of 0.4 l pixels.
"""

import math

import cv2
import numpy as np
from numba import njit

# Blobs of further octaves are wider than the windows in which flow is measured; mahotas, whose scales these are, finds
# none of them in a frame of 448 x 600 either.
OCTAVES, SCALES = 2, 6
CROSS = np.float32(0.36)  # weight of Dxy squared. ASSUME: 0.6, as mahotas; the SURF paper takes 0.9
NEAR = 1.0  # steps from a whole place to the interpolated maximum, at most. ASSUME: as OpenCV


def fast_hessian(grey: np.ndarray, *, threshold: float, max_points: int) -> np.ndarray:
    """Local maxima of the Hessian's determinant over place and scale, the highest first.

    Args:
        grey: uint8 (H, W).
        threshold: least determinant, in squared grey levels (mean over the filter's area).
        max_points: keep at most that many.

    Returns:
        float32 (N, 4): x, y in pixels, scale (the Gaussian's sigma, pixels), determinant.
    """
    integral = cv2.integral(np.ascontiguousarray(grey))  # int32 (H + 1, W + 1)
    found = []
    for octave in range(OCTAVES):
        step = 2**octave
        lobes = 2 * step * np.arange(1, SCALES + 1) + 1
        shape = (SCALES, (grey.shape[0] - 1) // step + 1, (grey.shape[1] - 1) // step + 1)
        if min(grey.shape) > 3 * lobes[-1]:
            response = np.zeros(shape, np.float32)
            determinants(_interleaved(integral, step), grey.shape, step, lobes, response)
            points = maxima(response, threshold)  # (n, 4): column, row, scale in steps, determinant
            sigma = 0.4 * (2 * step * (points[:, 2:3] + 1) + 1)
            found.append(np.hstack([points[:, :2] * step, sigma, points[:, 3:]]))
    points = np.concatenate([np.empty((0, 4)), *found])
    strongest = np.lexsort((points[:, 0], points[:, 1], -points[:, 3]))[:max_points]
    return points[strongest].astype(np.float32)


def _interleaved(integral: np.ndarray, step: int) -> np.ndarray:
    """Columns in `step` groups, (H, step, W / step): what a step reads is then contiguous, which vectorises."""
    height, width = integral.shape
    padded = cv2.copyMakeBorder(integral, 0, 0, 0, -width % step, cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(padded.reshape(height, -1, step).transpose(0, 2, 1))


@njit(cache=True, nogil=True)
def determinants(integral: np.ndarray, size: tuple[int, int], step: int, lobes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out`, float32 (scales, rows, columns), with determinants, one in `step` pixels, where all filters fit."""
    height, width = size
    reach = 3 * lobes[-1] // 2  # of the largest filter: a maximum over scales needs all of them
    first, last_row, last_column = -(-reach // step), (height - 1 - reach) // step, (width - 1 - reach) // step
    for scale in range(len(lobes)):
        for row in range(first, last_row + 1):
            _row(integral, row * step, first, step, lobes[scale], out[scale, row, first : last_column + 1])


@njit(cache=True, nogil=True, fastmath=True)
def _row(integral: np.ndarray, y: int, first: int, step: int, lobe: int, out: np.ndarray) -> None:
    """Determinants of one row at x = first, first + 1, ... steps."""
    half, long, side = lobe // 2, 3 * lobe // 2, lobe - 1  # of the boxes, from the pixel to their ends
    area = np.float32(1 / (9 * lobe * lobe))
    x = (integral, first, step)
    top, top_middle = _span(x, y - side, -long, long), _span(x, y - side, -half, half)  # Dxx: three boxes abreast
    bottom, bottom_middle = _span(x, y + side + 1, -long, long), _span(x, y + side + 1, -half, half)
    upper, above = _span(x, y - long, -side, side), _span(x, y - half, -side, side)  # Dyy: one on top of the other
    below, lower = _span(x, y + half + 1, -side, side), _span(x, y + long + 1, -side, side)
    nw0, nw1 = _span(x, y - lobe, -lobe, -1), _span(x, y, -lobe, -1)  # Dxy: one in each corner
    ne0, ne1 = _span(x, y - lobe, 1, lobe), _span(x, y, 1, lobe)
    sw0, sw1 = _span(x, y + 1, -lobe, -1), _span(x, y + lobe + 1, -lobe, -1)
    se0, se1 = _span(x, y + 1, 1, lobe), _span(x, y + lobe + 1, 1, lobe)
    for i in range(len(out)):
        xx = _sum(bottom, i) - _sum(top, i) - 3 * (_sum(bottom_middle, i) - _sum(top_middle, i))
        yy = _sum(lower, i) - _sum(upper, i) - 3 * (_sum(below, i) - _sum(above, i))
        xy = _sum(nw1, i) - _sum(nw0, i) + _sum(se1, i) - _sum(se0, i)
        xy -= _sum(ne1, i) - _sum(ne0, i) + _sum(sw1, i) - _sum(sw0, i)
        dxx, dyy, dxy = _float(xx) * area, _float(yy) * area, _float(xy) * area
        out[i] = dxx * dyy - CROSS * dxy * dxy


@njit(cache=True, nogil=True)
def _span(x: tuple[np.ndarray, int, int], y: int, left: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """What lies above row y and left of x + left, and of x + right + 1: their difference is the span's sum."""
    integral, first, step = x
    after = integral[y, (right + 1) % step, first + (right + 1) // step :]
    return after, integral[y, left % step, first + left // step :]


@njit(inline="always")
def _sum(span: tuple[np.ndarray, np.ndarray], i: int) -> np.int32:
    return np.int32(span[0][i] - span[1][i])


@njit(inline="always")
def _float(value: np.int32) -> np.float32:
    return np.float32(np.int32(value))  # 32 bits all the way keep the vectors full


@njit(cache=True, nogil=True)
def maxima(response: np.ndarray, threshold: float) -> np.ndarray:
    """Interpolated maxima over 3 x 3 x 3 neighbours of `response`, float32 (scales, rows, columns).

    Returns:
        float64 (n, 4): column, row, scale (fractions of a step) and the response at the whole place.
    """
    scales, rows, columns = response.shape
    found = []
    for scale in range(1, scales - 1):
        for row in range(1, rows - 1):
            line = response[scale, row]
            for column in range(1, columns - 1):
                value = line[column]
                # its neighbours in the row refuse most places
                if value < threshold or value < line[column - 1] or value < line[column + 1]:
                    continue
                if _is_maximum(response, scale, row, column):
                    ds, dy, dx = _offset(response, scale, row, column)
                    if max(abs(ds), abs(dy), abs(dx)) <= NEAR:  # else no quadric fits here
                        found.append((column + dx, row + dy, scale + ds, float(value)))
    out = np.empty((len(found), 4))
    for place in range(len(found)):
        out[place, 0], out[place, 1], out[place, 2], out[place, 3] = found[place]
    return out


@njit(cache=True, nogil=True)
def _is_maximum(response: np.ndarray, scale: int, row: int, column: int) -> bool:
    value = response[scale, row, column]
    for s in range(scale - 1, scale + 2):
        for y in range(row - 1, row + 2):
            for x in range(column - 1, column + 2):
                if response[s, y, x] > value:
                    return False
    return True


@njit(cache=True, nogil=True)
def _offset(response: np.ndarray, s: int, y: int, x: int) -> tuple[float, float, float]:
    """Where the quadric through the 27 values has its extremum, in steps from the middle (scale, row, column)."""
    f = response[s - 1 : s + 2, y - 1 : y + 2, x - 1 : x + 2].astype(np.float64)
    centre = f[1, 1, 1]
    gs, gy, gx = (f[2, 1, 1] - f[0, 1, 1]) / 2, (f[1, 2, 1] - f[1, 0, 1]) / 2, (f[1, 1, 2] - f[1, 1, 0]) / 2
    ss, yy, xx = (
        f[2, 1, 1] + f[0, 1, 1] - 2 * centre,
        f[1, 2, 1] + f[1, 0, 1] - 2 * centre,
        f[1, 1, 2] + f[1, 1, 0] - 2 * centre,
    )
    sy = (f[2, 2, 1] - f[2, 0, 1] - f[0, 2, 1] + f[0, 0, 1]) / 4
    sx = (f[2, 1, 2] - f[2, 1, 0] - f[0, 1, 2] + f[0, 1, 0]) / 4
    yx = (f[1, 2, 2] - f[1, 2, 0] - f[1, 0, 2] + f[1, 0, 0]) / 4
    # Cramer's rule for H offset = -g
    determinant = ss * (yy * xx - yx * yx) - sy * (sy * xx - yx * sx) + sx * (sy * yx - yy * sx)
    if determinant == 0:
        return math.inf, math.inf, math.inf
    ds = gs * (yy * xx - yx * yx) - sy * (gy * xx - yx * gx) + sx * (gy * yx - yy * gx)
    dy = ss * (gy * xx - yx * gx) - gs * (sy * xx - yx * sx) + sx * (sy * gx - gy * sx)
    dx = ss * (yy * gx - gy * yx) - sy * (sy * gx - gy * sx) + gs * (sy * yx - yy * sx)
    return -ds / determinant, -dy / determinant, -dx / determinant
