"""Mining, written as loops: the query box, SURF's filters, HOG and the correlation filter (paper, §4)."""

import math

import numpy as np


def loops_best_box(points, size, box):
    """Left, top and count of the window with the most points.

    Of several such windows, the least sum of squared distances to the centre decides, then the top, then the left.
    """
    height, width = size
    pixels = [(min(max(int(x // 1), 0), width - 1), min(max(int(y // 1), 0), height - 1)) for x, y in points]
    best = None
    for top in range(height - box + 1):
        for left in range(width - box + 1):
            inside = [(x, y) for x, y in pixels if left <= x < left + box and top <= y < top + box]
            centre_x, centre_y = left + (box - 1) / 2, top + (box - 1) / 2
            spread = sum((x - centre_x) ** 2 + (y - centre_y) ** 2 for x, y in inside)
            key = (-len(inside), spread, top, left)
            if best is None or key < best:
                best = key
    return best[3], best[2], -best[0]


def hessian_determinant(grey, x, y, lobe):
    """SURF's determinant at a pixel; box filters are means over their areas (Bay et al., ECCV 2006, section 3.2)."""
    half, reach = lobe // 2, 3 * lobe // 2
    xx = yy = xy = 0
    for v in range(-reach, reach + 1):
        for u in range(-reach, reach + 1):
            value = int(grey[y + v, x + u])
            if abs(v) < lobe:
                xx += -2 * value if abs(u) <= half else value
            if abs(u) < lobe:
                yy += -2 * value if abs(v) <= half else value
            if 1 <= abs(u) <= lobe and 1 <= abs(v) <= lobe:
                xy += value if u * v > 0 else -value
    area = (3 * lobe) ** 2
    return (xx * yy - 0.36 * xy * xy) / area**2


def loops_hog(patch):
    """HOG with 31 channels and cells of 4 pixels; returns a list of rows of cells, each a list of values."""
    height, width = len(patch), len(patch[0])
    rows, columns = height // 4, width // 4
    votes = [[[0.0] * 18 for _ in range(columns)] for _ in range(rows)]
    for y in range(height):
        for x in range(width):
            dx = float(patch[y][min(x + 1, width - 1)]) - float(patch[y][max(x - 1, 0)])
            dy = float(patch[min(y + 1, height - 1)][x]) - float(patch[max(y - 1, 0)][x])
            along = [dx * math.cos(math.pi * o / 9) + dy * math.sin(math.pi * o / 9) for o in range(18)]
            orientation = along.index(max(along))
            cell_x, cell_y = (x + 0.5) / 4 - 0.5, (y + 0.5) / 4 - 0.5
            for row in range(rows):
                for column in range(columns):
                    share = max(0, 1 - abs(row - cell_y)) * max(0, 1 - abs(column - cell_x))
                    votes[row][column][orientation] += share * math.hypot(dx, dy)

    def energy(row, column):
        cell = votes[min(max(row, 0), rows - 1)][min(max(column, 0), columns - 1)]
        return sum((cell[o] + cell[o + 9]) ** 2 for o in range(9))

    def features(row, column):
        cell, norms = votes[row][column], []
        for top in (row - 1, row):
            for left in (column - 1, column):
                block = sum(energy(top + i, left + j) for i in range(2) for j in range(2))
                norms.append(math.sqrt(block + 1e-4 * 255**2))
        signed = [sum(min(value / norm, 0.2) for norm in norms) / 2 for value in cell]
        unsigned_votes = [cell[o] + cell[o + 9] for o in range(9)]
        unsigned = [sum(min(value / norm, 0.2) for norm in norms) / 2 for value in unsigned_votes]
        texture = [0.2357 * sum(min(value / norm, 0.2) for value in cell) for norm in norms]
        return signed + unsigned + texture

    return [[features(row, column) for column in range(columns)] for row in range(rows)]


def loops_filter(x, y, z, ridge):
    """Responses of the linear correlation filter that is learnt from x and y, to all cyclic shifts of z.

    The filter is the ridge regression over all cyclic shifts of x in its dual form, (K + ridge I) alpha = y, solved as
    a plain linear system (Henriques et al., §4). x and z are (channels, n, n), y is (n, n). Row i of K holds the inner
    products with x shifted by i, divided by the number of values of x.
    """
    channels, n, _ = x.shape
    shifts = [(i, j) for i in range(n) for j in range(n)]

    def inner(a, b, by):
        """Mean product of a and b, after b is moved back by `by`."""
        return sum(
            a[c, i, j] * b[c, (i + by[0]) % n, (j + by[1]) % n]
            for c in range(channels)
            for i in range(n)
            for j in range(n)
        ) / (channels * n * n)

    with_x = {shift: inner(x, x, shift) for shift in shifts}
    with_z = {shift: inner(x, z, shift) for shift in shifts}
    gram = np.array([[with_x[(i - k) % n, (j - m) % n] for k, m in shifts] for i, j in shifts])
    alpha = np.linalg.solve(gram + ridge * np.eye(n * n), y.ravel())
    responses = [
        sum(weight * with_z[(i - k) % n, (j - m) % n] for weight, (k, m) in zip(alpha, shifts, strict=True))
        for i, j in shifts
    ]
    return np.array(responses).reshape(n, n)
