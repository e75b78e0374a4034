"""Histograms of oriented gradients with 31 channels (Felzenszwalb et al., PAMI 2010, section 6), compiled.

They are the features of the kernelised correlation filter. Each pixel votes for one of 18 signed orientations,
bilinearly in the four cells around it; each cell is then normalised by the energy of the four blocks of 2 x 2 cells
that contain it. Unlike in Felzenszwalb's detector, cells at the border are kept; they stand in for their missing
neighbours.
"""

import numpy as np
from numba import njit

CELL = 4  # pixels
SIGNED, UNSIGNED = 18, 9
CHANNELS = SIGNED + UNSIGNED + 4
CLIP = np.float32(0.2)  # largest normalised value
TEXTURE = np.float32(0.2357)  # weight of the four energies: 1 / sqrt(18)
FLOOR = np.float32(1e-4 * 255**2)  # added to a block's energy, in squared grey levels, so that flat blocks stay small
COSINES = np.cos(np.pi * np.arange(UNSIGNED) / UNSIGNED).astype(np.float32)
SINES = np.sin(np.pi * np.arange(UNSIGNED) / UNSIGNED).astype(np.float32)


def hog(patch: np.ndarray, window: np.ndarray | None = None) -> np.ndarray:
    """Features of a grey patch: 18 signed orientations, 9 unsigned ones, 4 energies.

    Args:
        patch: float32 (H, W), grey levels 0 to 255; both sides are multiples of a cell.
        window: float32 (H / 4, W / 4), weights of the cells; None weighs all cells with 1.

    Returns:
        float32 (31, H / 4, W / 4).
    """
    rows, columns = patch.shape[0] // CELL, patch.shape[1] // CELL
    out = np.empty((CHANNELS, rows, columns), np.float32)
    histograms = cell_histograms(patch)
    normalise(histograms, np.ones((rows, columns), np.float32) if window is None else window, out)
    return out


@njit(cache=True, nogil=True, fastmath=True)
def cell_histograms(patch: np.ndarray) -> np.ndarray:
    """Gradient magnitudes by cell and signed orientation, float32 (rows, 18, columns)."""
    height, width = patch.shape
    rows, columns = height // CELL, width // CELL
    # A margin of one cell takes the votes that fall outside.
    votes = np.zeros((rows + 2, SIGNED * (columns + 2)), np.float32)
    line = np.empty(SIGNED * (columns + 2), np.float32)
    magnitude, place = np.empty(width, np.float32), np.empty(width, np.int32)
    for y in range(height):
        above, below = patch[max(y - 1, 0)], patch[min(y + 1, height - 1)]
        _gradients(above, patch[y], below, magnitude, place)
        _vote(magnitude, place, columns + 2, line)
        top = (y + CELL // 2) // CELL
        share = np.float32(((y + CELL // 2) % CELL + 0.5) / CELL)
        _share(line, share, votes[top], votes[top + 1])
    return votes.reshape(rows + 2, SIGNED, columns + 2)[1:-1, :, 1:-1].copy()


@njit(cache=True, nogil=True, fastmath=True)
def _gradients(
    above: np.ndarray, middle: np.ndarray, below: np.ndarray, magnitude: np.ndarray, orientation: np.ndarray
) -> None:
    """Magnitudes of a row's central differences, and the nearest of 18 orientations."""
    width = len(middle)
    dx, dy, best = np.empty(width, np.float32), np.empty(width, np.float32), np.zeros(width, np.float32)
    dx[0], dx[-1] = middle[1] - middle[0], middle[-1] - middle[-2]
    dx[1:-1] = middle[2:] - middle[:-2]
    for x in range(width):
        dy[x] = below[x] - above[x]
        magnitude[x] = np.sqrt(dx[x] * dx[x] + dy[x] * dy[x])
        orientation[x] = 0
    for angle in range(UNSIGNED):
        cosine, sine = COSINES[angle], SINES[angle]
        for x in range(width):
            along = cosine * dx[x] + sine * dy[x]
            size = abs(along)
            turned = np.int32(angle) if along > 0 else np.int32(angle + UNSIGNED)
            orientation[x] = turned if size > best[x] else orientation[x]
            best[x] = max(size, best[x])


@njit(cache=True, nogil=True, fastmath=True)
def _vote(magnitude: np.ndarray, orientation: np.ndarray, columns: int, line: np.ndarray) -> None:
    """A row's magnitudes by orientation and column of cells, each divided between the two nearest columns."""
    line[:] = 0
    for x in range(len(magnitude)):
        left = orientation[x] * columns + (x + CELL // 2) // CELL
        right = magnitude[x] * np.float32(((x + CELL // 2) % CELL + 0.5) / CELL)
        line[left] += magnitude[x] - right
        line[left + 1] += right


@njit(cache=True, nogil=True, fastmath=True)
def _share(line: np.ndarray, share: np.float32, top: np.ndarray, bottom: np.ndarray) -> None:
    for i in range(len(line)):
        lower = line[i] * share
        top[i] += line[i] - lower
        bottom[i] += lower


@njit(cache=True, nogil=True, fastmath=True)
def normalise(histograms: np.ndarray, window: np.ndarray, out: np.ndarray) -> None:
    """Fill `out`, float32 (31, rows, columns), with the features of `cell_histograms`, weighted by `window`."""
    rows, _, columns = histograms.shape
    scales = _block_scales(histograms)
    half = np.float32(0.5)
    energies = np.empty((4, columns), np.float32)
    for row in range(rows):
        weight = window[row]
        nw, ne = scales[row, :-1], scales[row, 1:]
        sw, se = scales[row + 1, :-1], scales[row + 1, 1:]
        energies[:] = 0
        for channel in range(SIGNED):
            values, filled = histograms[row, channel], out[channel, row]
            for x in range(columns):
                a, b = min(values[x] * nw[x], CLIP), min(values[x] * ne[x], CLIP)
                c, d = min(values[x] * sw[x], CLIP), min(values[x] * se[x], CLIP)
                energies[0, x] += a
                energies[1, x] += b
                energies[2, x] += c
                energies[3, x] += d
                filled[x] = half * (a + b + c + d) * weight[x]
        for channel in range(UNSIGNED):
            values, opposite = histograms[row, channel], histograms[row, channel + UNSIGNED]
            filled = out[SIGNED + channel, row]
            for x in range(columns):
                value = values[x] + opposite[x]
                a, b = min(value * nw[x], CLIP), min(value * ne[x], CLIP)
                c, d = min(value * sw[x], CLIP), min(value * se[x], CLIP)
                filled[x] = half * (a + b + c + d) * weight[x]
        for block in range(4):
            for x in range(columns):
                out[SIGNED + UNSIGNED + block, row, x] = TEXTURE * energies[block, x] * weight[x]


@njit(cache=True, nogil=True, fastmath=True)
def _block_scales(histograms: np.ndarray) -> np.ndarray:
    """One over the norm of each block of 2 x 2 cells, float32 (rows + 1, columns + 1); border cells are repeated."""
    rows, _, columns = histograms.shape
    energy = np.zeros((rows + 2, columns + 2), np.float32)
    for row in range(rows):
        inner = energy[row + 1, 1:-1]
        for channel in range(UNSIGNED):
            values, opposite = histograms[row, channel], histograms[row, channel + UNSIGNED]
            for x in range(columns):
                value = values[x] + opposite[x]
                inner[x] += value * value
        energy[row + 1, 0], energy[row + 1, -1] = inner[0], inner[-1]
    energy[0], energy[-1] = energy[1], energy[-2]
    scales = np.empty((rows + 1, columns + 1), np.float32)
    one = np.float32(1)
    for row in range(rows + 1):
        top, bottom, filled = energy[row], energy[row + 1], scales[row]
        for x in range(columns + 1):
            filled[x] = one / np.sqrt(top[x] + top[x + 1] + bottom[x] + bottom[x + 1] + FLOOR)
    return scales
