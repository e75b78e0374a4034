"""The Fast-Hessian detector of SURF, compiled (Bay et al., "SURF: Speeded Up Robust Features", ECCV 2006, section 3).

The second derivatives of Gaussians are approximated by box filters; sums over boxes are differences of an integral
image. A box filter with lobe l (an odd number of pixels, a third of the filter's side) has a scale of 0.4 l pixels.

The points are exactly those of mahotas, the reference. Where the SURF paper leaves a choice, mahotas' choice is taken.
Its peculiarities are kept where they decide which maxima become points, see `_shift` and `_border`.
"""

import math

import cv2
import numpy as np
from numba import njit

OCTAVES, SCALES = 4, 6  # mahotas' default pyramid
CROSS = np.float32(0.36)  # weight of Dxy squared, 0.6 squared as in mahotas; the SURF paper has 0.9
NEAR = 0.5  # steps; an interpolated maximum is nearer to its grid point


def fast_hessian(grey: np.ndarray, *, threshold: float, max_points: int) -> np.ndarray:
    """Local maxima of the Hessian's determinant over position and scale, the highest first.

    Args:
        grey: uint8 (H, W).
        threshold: least determinant, in squared grey levels (mean over the filter's area).
        max_points: largest number of points that are returned.

    Returns:
        float32 (N, 4): x, y in pixels, scale (the Gaussian's sigma, pixels), determinant.
    """
    integral = cv2.integral(np.ascontiguousarray(grey))  # int32 (H + 1, W + 1)
    found = []
    for octave in range(OCTAVES):
        step = 2**octave
        lobes = 2 * step * np.arange(1, SCALES + 1) + 1
        border = _border(step)
        shape = (SCALES, grey.shape[0] // step, grey.shape[1] // step)
        if min(shape[1:]) > 2 * (border + 1):
            response = np.zeros(shape, np.float32)
            determinants(_interleaved(integral, step), step, lobes, border, response)
            points = maxima(response, border, threshold)  # (n, 4): column, row, scale in steps, determinant
            sigma = 0.4 * (2 * step * (points[:, 2:3] + 1) + 1)
            found.append(np.hstack([points[:, :2] * step, sigma, points[:, 3:]]))
    points = np.concatenate([np.empty((0, 4)), *found])
    strongest = np.lexsort((points[:, 0], points[:, 1], -points[:, 3]))[:max_points]
    return points[strongest].astype(np.float32)


def _border(step: int) -> int:
    """Steps along each border of an octave without determinants, as in mahotas.

    It is half the side of the next larger filter in pixels, but counts as steps: the second octave begins 88 pixels
    inside the frame.
    """
    lobe = 2 * step * (SCALES + 1) + 1
    return (3 * lobe + 1) // 2


def _interleaved(integral: np.ndarray, step: int) -> np.ndarray:
    """Columns in `step` groups, (H, step, W / step): columns `step` apart become contiguous, so loops vectorise."""
    height, width = integral.shape
    padded = cv2.copyMakeBorder(integral, 0, 0, 0, -width % step, cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(padded.reshape(height, -1, step).transpose(0, 2, 1))


@njit(cache=True, nogil=True)
def determinants(integral: np.ndarray, step: int, lobes: np.ndarray, border: int, out: np.ndarray) -> None:
    """Fill `out`, float32 (scales, rows, columns), except its border, with determinants, 0 where they are negative."""
    rows, columns = out.shape[1:]
    across = np.empty((3, *integral.shape[1:]), np.int32)
    for scale in range(len(lobes)):
        for row in range(border, rows - border):
            _across(integral, row * step, lobes[scale], across)
            _row(across, border, step, lobes[scale], out[scale, row, border : columns - border])


@njit(cache=True, nogil=True)
def _across(integral: np.ndarray, y: int, lobe: int, out: np.ndarray) -> None:
    """Fill `out` with the weighted boxes of Dxx, Dyy and Dxy in row y, summed from the frame's left to each column."""
    half, long, side = lobe // 2, 3 * lobe // 2, lobe - 1  # pixels from the centre to the ends of the boxes
    xx, yy, xy = out[0], out[1], out[2]
    for phase in range(integral.shape[1]):
        above, below = integral[y - side, phase], integral[y + side + 1, phase]  # Dxx: three boxes side by side
        top, upper, lower, bottom = (  # Dyy: three boxes one below the other
            integral[y - long, phase],
            integral[y - half, phase],
            integral[y + half + 1, phase],
            integral[y + long + 1, phase],
        )
        north, middle, after, south = (  # Dxy: a box in each corner
            integral[y - lobe, phase],
            integral[y, phase],
            integral[y + 1, phase],
            integral[y + lobe + 1, phase],
        )
        for x in range(integral.shape[2]):
            xx[phase, x] = below[x] - above[x]
        for x in range(integral.shape[2]):
            yy[phase, x] = np.int32(bottom[x] - top[x]) - np.int32(3) * np.int32(lower[x] - upper[x])
        for x in range(integral.shape[2]):
            xy[phase, x] = np.int32(middle[x] - north[x]) - np.int32(south[x] - after[x])


# No fastmath: with it the last bit would differ between the process that compiles and those that load the code.
@njit(cache=True, nogil=True)
def _row(across: np.ndarray, first: int, step: int, lobe: int, out: np.ndarray) -> None:
    """Fill `out` with the determinants of one row at x = first, first + 1, ... steps."""
    half, long, side = lobe // 2, 3 * lobe // 2, lobe - 1
    area = np.float32(1 / (9 * lobe * lobe))
    x = (first, step)
    xx, yy, xy = across[0], across[1], across[2]
    left, near_left, near_right, right = (
        _shifted(xx, x, -long),
        _shifted(xx, x, -half),
        _shifted(xx, x, half + 1),
        _shifted(xx, x, long + 1),
    )
    begin, end = _shifted(yy, x, -side), _shifted(yy, x, side + 1)
    west, middle, after, east = (
        _shifted(xy, x, -lobe),
        _shifted(xy, x, 0),
        _shifted(xy, x, 1),
        _shifted(xy, x, lobe + 1),
    )
    for i in range(len(out)):
        dxx = _float(right[i] - left[i] - np.int32(3) * np.int32(near_right[i] - near_left[i])) * area
        dyy = _float(end[i] - begin[i]) * area
        dxy = _float(np.int32(middle[i] - west[i]) - np.int32(east[i] - after[i])) * area
        determinant = dxx * dyy - CROSS * dxy * dxy
        out[i] = determinant if determinant > 0 else np.float32(0)


@njit(cache=True, nogil=True)
def _shifted(sums: np.ndarray, x: tuple[int, int], by: int) -> np.ndarray:
    """The interleaved columns that lie `by` pixels to the right of x = first, first + 1, ... steps."""
    first, step = x
    return sums[by % step, first + by // step :]


@njit(inline="always")
def _float(value: np.int32) -> np.float32:
    return np.float32(np.int32(value))  # without 64-bit numbers, vectors hold twice as many


@njit(cache=True, nogil=True)
def maxima(response: np.ndarray, border: int, threshold: float) -> np.ndarray:
    """Maxima of `response`, float32 (scales, rows, columns), over 3 x 3 x 3 neighbours, interpolated between steps.

    Each block of 3 x 3 x 3 is searched for one maximum; of two in a block only the higher one is found.

    Returns:
        float64 (n, 4): column, row and scale in fractions of a step, and the response at the grid point.
    """
    scales, rows, columns = response.shape
    last_row, last_column = rows - border - 1, columns - border - 1
    highest = np.zeros(columns + 2, np.float32)  # highest value of each column in a row of blocks
    found = []
    for scale in range(1, scales - 1, 3):
        last_scale = min(scale + 3, scales - 1)
        for row in range(border + 1, last_row, 3):
            block_end = min(row + 3, last_row)
            highest[:] = 0
            for s in range(scale, last_scale):
                for y in range(row, block_end):
                    _raise(highest[border + 1 : last_column], response[s, y, border + 1 : last_column])
            for column in range(border + 1, last_column, 3):
                value = max(highest[column], highest[column + 1], highest[column + 2])
                if value > threshold:
                    s, y, x = _place(response, value, (scale, last_scale), (row, block_end), column)
                    if _is_maximum(response, s, y, x):
                        ds, dy, dx = _shift(response, s, y, x)
                        if max(abs(ds), abs(dy), abs(dx)) < NEAR:
                            found.append((x + dx, y + dy, s + ds, float(value)))
    out = np.empty((len(found), 4))
    for place in range(len(found)):
        out[place, 0], out[place, 1], out[place, 2], out[place, 3] = found[place]
    return out


@njit(cache=True, nogil=True)
def _raise(highest: np.ndarray, line: np.ndarray) -> None:
    for i in range(len(highest)):
        highest[i] = line[i] if line[i] > highest[i] else highest[i]


@njit(cache=True, nogil=True)
def _place(
    response: np.ndarray, value: float, scales: tuple[int, int], rows: tuple[int, int], column: int
) -> tuple[int, int, int]:
    """The first grid point of the block at `column` with its highest value."""
    for s in range(scales[0], scales[1]):
        for y in range(rows[0], rows[1]):
            for x in range(column, column + 3):
                if response[s, y, x] == value:
                    return s, y, x
    return 0, 0, 0  # never reached


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
def _shift(response: np.ndarray, s: int, y: int, x: int) -> tuple[float, float, float]:
    """Shift (scale, row, column) in steps by which mahotas interpolates a maximum.

    mahotas intends the extremum of the quadric through the 27 values, -H^-1 g, but has another sign, another order of
    the gradient's axes, and another sign in the determinant of H. It drops points that would move by half a step or
    more, so the same shift must be computed here to obtain the same points. Their position within a pixel does not
    matter for the flow, which is measured in windows around them.
    """
    f = response[s - 1 : s + 2, y - 1 : y + 2, x - 1 : x + 2].astype(np.float64)
    centre = f[1, 1, 1]
    gs, gy, gx = (f[2, 1, 1] - f[0, 1, 1]) / 2, (f[1, 2, 1] - f[1, 0, 1]) / 2, (f[1, 1, 2] - f[1, 1, 0]) / 2
    ss, yy, xx = (
        f[2, 1, 1] + f[0, 1, 1] - 2 * centre,
        f[1, 2, 1] + f[1, 0, 1] - 2 * centre,
        f[1, 1, 2] + f[1, 1, 0] - 2 * centre,
    )
    sy = (f[2, 2, 1] + f[0, 0, 1] - f[0, 2, 1] - f[2, 0, 1]) / 4
    sx = (f[2, 1, 2] + f[0, 1, 0] - f[0, 1, 2] - f[2, 1, 0]) / 4
    yx = (f[1, 2, 2] + f[1, 0, 0] - f[1, 0, 2] - f[1, 2, 0]) / 4
    # Cofactors of H, whose axes are x, y, s.
    cxx, cyy, css = yy * ss - sy * sy, xx * ss - sx * sx, xx * yy - yx * yx
    cxy, cys, cxs = sx * sy - yx * ss, yx * sx - sy * xx, yx * sy - sx * yy
    determinant = xx * cxx - yx * cxy + sx * cxs
    if determinant == 0:
        return math.inf, math.inf, math.inf
    first = (cxx * gy + cxy * gx + cxs * gs) / determinant
    second = (cxy * gy + cyy * gx + cys * gs) / determinant
    third = (cxs * gy + cys * gx + css * gs) / determinant
    return third, first, second
