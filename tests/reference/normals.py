"""Surface normals, written as loops from their description (numpy, float64)."""

import itertools
import math

import numpy as np


def loops_plane(depth, camera, x, y, *, window, share=0.03, margin=0.04, least=0.1):
    """The plane n . P = 1 whose inverse depths fit those of a pixel's neighbours best: n and the mean squared residual.

    None where there is no depth, or where the neighbours are few or on a line.
    """
    reach, step = loops_reach(camera, window)
    equations, inverse_depths, places, offered = [], [], [], 0
    for v in range(y - reach, y + reach + 1, step):
        for u in range(x - reach, x + reach + 1, step):
            offered += 1
            if not (0 <= u < camera.width and 0 <= v < camera.height) or depth[v, u] <= 0:
                continue
            if abs(depth[v, u] - depth[y, x]) <= share * depth[y, x] + margin:
                # P = depth * ray, so that n . ray = 1 / depth
                equations.append(loops_ray(camera, u, v))
                inverse_depths.append(1 / depth[v, u])
                places.append([u / step, v / step])
    if depth[y, x] <= 0 or len(equations) < least * offered:
        return None
    if np.linalg.eigvalsh(np.cov(np.array(places).T, bias=True))[0] < 0.5:
        return None
    matrix, wanted = np.array(equations), np.array(inverse_depths, np.float64)
    away = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
    return away, np.mean((matrix @ away - wanted) ** 2)


def loops_ray(camera, x, y):
    """The point at depth 1 behind a pixel."""
    return np.array([(x - camera.cx) / camera.fx, -(y - camera.cy) / camera.fy, -1.0])


def loops_reach(camera, window):
    """Pixels from the centre of a window to its side, and between its neighbours."""
    step = max(1, round(window * camera.width / 640 / 18))
    return step * max(1, round(window * camera.width / 640 / 2 / step)), step


def loops_normal(depth, camera, x, y, *, window=36, sharpness=0.3):
    """The normal of a pixel: that of its own plane or of a much better one beside it that passes through the pixel."""
    own = loops_plane(depth, camera, x, y, window=window)
    if own is None:
        return np.zeros(3)
    chosen, least = own[0], sharpness * own[1]
    reach, _ = loops_reach(camera, window)
    for shift in (math.ceil(reach / 2), reach):
        for v, u in itertools.product((y - shift, y, y + shift), (x - shift, x, x + shift)):
            inside = 0 <= u < camera.width and 0 <= v < camera.height
            other = loops_plane(depth, camera, u, v, window=window) if inside else None
            if other is None or other[1] >= least:
                continue
            if abs(other[0] @ loops_ray(camera, x, y) - 1 / depth[y, x]) <= 2 * math.sqrt(other[1]) + 1e-4:
                chosen, least = other
    return -chosen / np.linalg.norm(chosen)


def loops_errors(predicted, truth):
    """Mean, median, and percent within 11.25, 22.5 and 30 degrees of maps (H, W, 3): pooled, and as means of images."""
    by_image = []
    for mine, true in zip(predicted, truth, strict=True):
        angles = []
        for y, x in np.ndindex(true.shape[:2]):
            a, b = [float(value) for value in mine[y, x]], [float(value) for value in true[y, x]]
            if b == [0, 0, 0]:
                continue
            dot = sum(p * q for p, q in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)
            angles.append(math.degrees(math.acos(max(-1, min(1, dot)))))
        by_image.append(angles)
    pooled = _figures([angle for angles in by_image for angle in angles])
    single = [_figures(angles) for angles in by_image]
    return pooled, [sum(column) / len(column) for column in zip(*single, strict=True)]


def _figures(angles):
    ordered, n = sorted(angles), len(angles)
    median = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    within = [100 * sum(angle < limit for angle in angles) / n for limit in (11.25, 22.5, 30)]
    return [sum(angles) / n, median, *within]


def loops_triangles(words):
    """Triples of words with no other word beyond their plane, seen from the centre, that face the camera."""
    found = []
    for triple in itertools.combinations(range(len(words)), 3):
        a, b, c = words[list(triple)]
        normal = np.cross(b - a, c - a)
        sides = [(words[k] - a) @ normal for k in range(len(words)) if k not in triple]
        if all(side < 0 for side in sides) and normal[2] > 0:
            found.append(triple)
        if all(side > 0 for side in sides) and normal[2] < 0:
            found.append(triple)
    return found


def loops_cells_loss(scores, codes):
    """-log of the softmax of the right word, summed over the cells that have one, divided by the images."""
    total = 0.0
    for n, y, x in np.ndindex(codes.shape):
        if codes[n, y, x] >= 0:
            values = [math.exp(score) for score in scores[n, y, x]]
            total -= math.log(values[codes[n, y, x]] / sum(values))
    return total / len(codes)
