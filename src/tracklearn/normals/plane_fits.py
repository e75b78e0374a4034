"""Normals from depth: planes fitted to the neighbours of a pixel that lie on its surface.

A plane in space is a plane in the image too, if inverse depth is plotted over the pixels: n . P = d with the point P =
z (x, y, 1) on the ray of a pixel gives 1 / z = (n / d) . (x, y, 1), which is linear in the pixel's column and row. So
the sums of a least-squares fit run over small whole numbers and inverse depths. The Kinect's noise has the same size
everywhere in inverse depth, where least squares is therefore the best fit.

Near an edge where two walls meet, a window sees both walls, and its plane fits neither of them. Such a pixel takes the
plane of a window beside it, if that plane passes through the pixel and fits its own neighbours much better.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from tracklearn.normals.camera import KINECT, Camera
from tracklearn.settings.base import Block
from tracklearn.settings.normals import PlaneFits

ACROSS = 19  # neighbours in a row or column of the window; in wider windows they lie some pixels apart
THROUGH = (2.0, 1e-4)  # a plane passes through a pixel within 2 of its standard deviations plus 1e-4 / m
NARROWEST = 0.5  # variance across the neighbours' narrow side, in squared steps; below it they lie on a line


class _Window(NamedTuple):
    """Neighbours at -reach, -reach + step, ..., reach pixels from the pixel."""

    reach: int
    step: int


def normals_from_depth(depth: np.ndarray, camera: Camera, settings: Block = None) -> np.ndarray:
    """Normals (H, W, 3) float32 of the surfaces in an image; zero where there is no depth or too few neighbours.

    Args:
        depth: in metres, float32 (H, W); 0 where there is none.
        camera: at the size of `depth`.
        settings: `settings.normals.PlaneFits`.
    """
    fits = PlaneFits.read(settings)
    window = _window(fits.window * camera.width / KINECT.width)
    reach = window.reach
    with np.errstate(divide="ignore"):
        tolerance = fits.depth_share * depth + fits.depth_margin
        nearest, farthest = 1 / np.maximum(depth - tolerance, 1e-6), 1 / (depth + tolerance)
        inverse = np.where(depth > 0, 1 / depth, 0).astype(np.float32)
    padded = np.pad(inverse, reach)  # zeros, which are on no surface
    sums = np.empty((10, *depth.shape), np.float32)
    _sums(padded, farthest.astype(np.float32), nearest.astype(np.float32), *window, sums)
    least = fits.least * (2 * reach // window.step + 1) ** 2
    planes = np.empty((4, *depth.shape), np.float32)
    _fit(inverse, sums, least, NARROWEST * window.step**2, planes)
    shifts = np.array([(v, u) for k in ((reach + 1) // 2, reach) for v in (-k, 0, k) for u in (-k, 0, k) if u or v])
    intrinsics = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    normals = np.empty((*depth.shape, 3), np.float32)
    _choose(inverse, planes, shifts, fits.sharpness, intrinsics, normals)
    return normals


def _window(side: float) -> _Window:
    step = max(1, round(side / (ACROSS - 1)))
    return _Window(step * max(1, round(side / 2 / step)), step)


# Without fastmath every process rounds alike. A loop over the columns of a row is made of vectors of eight pixels.
@njit(cache=True, nogil=True)
def _sums(
    inverse: np.ndarray, farthest: np.ndarray, nearest: np.ndarray, reach: int, step: int, out: np.ndarray
) -> None:
    """Fill `out`, (10, H, W), with sums over the neighbours on each pixel's surface.

    They are the sums of 1, u, v, uu, uv, vv, d, ud, vd and dd, where u and v are a neighbour's distances in columns and
    rows and d is its inverse depth minus the pixel's.

    Args:
        inverse: inverse depth, with a frame of `reach` zeros around the image.
        farthest, nearest: inverse depths between which a neighbour is on the pixel's surface, (H, W).
    """
    height, width = farthest.shape
    one, zero = np.float32(1), np.float32(0)
    line = np.empty((6, width), np.float32)  # sums over a row of the window: 1, u, uu, d, ud, dd
    count, us, uus, ds, uds, dds = line[0], line[1], line[2], line[3], line[4], line[5]
    for y in range(height):
        out[:, y] = 0
        low, high, own = farthest[y], nearest[y], inverse[y + reach, reach : reach + width]
        for dv in range(-reach, reach + 1, step):
            line[:] = 0
            for du in range(-reach, reach + 1, step):
                neighbours, u = inverse[y + reach + dv, reach + du : reach + du + width], np.float32(du)
                for x in range(width):
                    value = neighbours[x]
                    on = one if low[x] <= value <= high[x] else zero
                    d = on * (value - own[x])
                    count[x] += on
                    us[x] += on * u
                    uus[x] += on * (u * u)
                    ds[x] += d
                    uds[x] += d * u
                    dds[x] += d * d
            v = np.float32(dv)
            for x in range(width):
                out[0, y, x] += count[x]
                out[1, y, x] += us[x]
                out[2, y, x] += v * count[x]
                out[3, y, x] += uus[x]
                out[4, y, x] += v * us[x]
                out[5, y, x] += v * v * count[x]
                out[6, y, x] += ds[x]
                out[7, y, x] += uds[x]
                out[8, y, x] += v * ds[x]
                out[9, y, x] += dds[x]


@njit(cache=True, nogil=True)
def _fit(inverse: np.ndarray, sums: np.ndarray, least: float, narrowest: float, out: np.ndarray) -> None:
    """Fill `out`, (4, H, W), with each pixel's plane of inverse depth.

    They are its rise by column and by row, its value at the pixel, and the mean square of the residuals, which is
    infinite where no plane was fitted.
    """
    height, width = inverse.shape
    for y in range(height):
        for x in range(width):
            out[3, y, x] = np.inf
            count = np.float64(sums[0, y, x])
            if inverse[y, x] == 0 or count < least:
                continue
            u, v, d = sums[1, y, x] / count, sums[2, y, x] / count, sums[6, y, x] / count  # means
            uu = sums[3, y, x] / count - u * u  # variances and covariances
            uv = sums[4, y, x] / count - u * v
            vv = sums[5, y, x] / count - v * v
            ud = sums[7, y, x] / count - u * d
            vd = sums[8, y, x] / count - v * d
            dd = sums[9, y, x] / count - d * d
            determinant = uu * vv - uv * uv
            half = (uu + vv) / 2
            if half - np.sqrt(max(half * half - determinant, 0.0)) < narrowest:  # the smaller eigenvalue
                continue
            by_column = (ud * vv - vd * uv) / determinant
            by_row = (vd * uu - ud * uv) / determinant
            out[0, y, x], out[1, y, x] = by_column, by_row
            out[2, y, x] = inverse[y, x] + d - by_column * u - by_row * v
            out[3, y, x] = max(dd - by_column * ud - by_row * vd, 0.0)


@njit(cache=True, nogil=True)
def _choose(
    inverse: np.ndarray,
    planes: np.ndarray,
    shifts: np.ndarray,
    sharpness: float,
    intrinsics: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill `out`, (H, W, 3), with the normal of each pixel's own plane or of a better one.

    Args:
        planes: of `_fit`.
        shifts: rows and columns (n, 2) from a pixel to those whose planes it may take.
    """
    fx, fy, cx, cy = intrinsics
    height, width = inverse.shape
    deviations, margin = THROUGH
    for y in range(height):
        for x in range(width):
            out[y, x] = 0
            if planes[3, y, x] == np.inf:
                continue
            best, chosen_y, chosen_x = planes[3, y, x] * sharpness, y, x
            for dv, du in shifts:
                row, column = y + dv, x + du
                if not (0 <= row < height and 0 <= column < width) or planes[3, row, column] >= best:
                    continue
                here = planes[2, row, column] - planes[0, row, column] * du - planes[1, row, column] * dv
                if abs(here - inverse[y, x]) <= deviations * np.sqrt(planes[3, row, column]) + margin:
                    best, chosen_y, chosen_x = planes[3, row, column], row, column
            by_column, by_row = planes[0, chosen_y, chosen_x], planes[1, chosen_y, chosen_x]
            right, down = by_column * fx, by_row * fy
            away = planes[2, chosen_y, chosen_x] - by_column * (chosen_x - cx) - by_row * (chosen_y - cy)
            # (right, down, away) points from the camera to the plane; the normal points back, and y is up.
            length = np.sqrt(right * right + down * down + away * away)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = -right / length, down / length, away / length
