"""Retrieval, ELDA and the statistics of HOG, written as loops from their definitions (numpy, float64)."""

import numpy as np


def loops_mean(maps):
    """Mean of each channel over all cells of all maps (channels, rows, columns)."""
    cells = [each[:, y, x] for each in maps for y in range(each.shape[1]) for x in range(each.shape[2])]
    return sum(cell.astype(float) for cell in cells) / len(cells)


def loops_covariance(maps, dy, dx):
    """Covariance of a cell with the cell dy further down and dx further right, over all pairs inside a map."""
    mean = loops_mean(maps)
    total, pairs = np.zeros((len(mean), len(mean))), 0
    for each in maps:
        _, rows, columns = each.shape
        for y in range(rows):
            for x in range(columns):
                if 0 <= y + dy < rows and 0 <= x + dx < columns:
                    total += np.outer(each[:, y, x] - mean, each[:, y + dy, x + dx] - mean)
                    pairs += 1
    return total / pairs if pairs else total


def loops_template_covariance(covariance, rows, columns, channels):
    """The matrix of a template's features, channel after channel; `covariance(dy, dx)` is that of two cells."""
    cells = [(y, x) for y in range(rows) for x in range(columns)]
    features = [(channel, cell) for channel in range(channels) for cell in cells]
    matrix = np.zeros((len(features), len(features)))
    for i, (a, p) in enumerate(features):
        for j, (b, q) in enumerate(features):
            matrix[i, j] = covariance(q[0] - p[0], q[1] - p[1])[a, b]
    return matrix


def loops_elda_scores(queries, windows, mean, covariance, ridge):
    """w h + b of each query x and window h: w = (S + ridge I)^-1 (x - mean), b = -w (x + mean) / 2."""
    inverse = np.linalg.inv(covariance + ridge * np.eye(len(mean)))
    scores = np.zeros((len(queries), len(windows)))
    for i, x in enumerate(queries):
        w = inverse @ (x - mean)
        for j, h in enumerate(windows):
            scores[i, j] = w @ h - w @ (x + mean) / 2
    return scores


def loops_ranking(scores, k):
    """Indices of the k largest of some scores, by a full sort."""
    return sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:k]


def loops_figures(found, labels, images, weights):
    """Precision and hit rate in percent, over queries and over classes, where each image counts `weights[image]` times.

    `found` holds the labels of each query's nearest windows.
    """
    by_class = {}
    for own, label, image in zip(found, labels, images, strict=True):
        right = sum(other == label for other in own)
        for _ in range(weights[image]):
            by_class.setdefault(label, []).append((100 * right / len(own), 100 * (right > 0)))
    every = [pair for pairs in by_class.values() for pair in pairs]
    means = [np.mean(pairs, axis=0) for pairs in by_class.values()]
    return {
        "precision": np.mean([precision for precision, _ in every]),
        "hit_rate": np.mean([hit for _, hit in every]),
        "precision_class_mean": np.mean([precision for precision, _ in means]),
        "hit_rate_class_mean": np.mean([hit for _, hit in means]),
    }
