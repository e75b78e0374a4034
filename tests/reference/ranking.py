"""The ranking loss and its negatives, written as loops over pairs and patches (numpy, float64)."""

import numpy as np


def cosine_distance(a, b):
    return 1 - float(np.dot(a, b)) / (np.linalg.norm(a) * np.linalg.norm(b))


def loops_paper_loss(features, negatives, margin):
    """Mean of equation 2 over the chosen triplets; `negatives` is a list of (pair, row)."""
    losses = []
    for pair, row in negatives:
        query, tracked, negative = features[2 * pair], features[2 * pair + 1], features[row]
        losses.append(max(0.0, cosine_distance(query, tracked) - cosine_distance(query, negative) + margin))
    return sum(losses) / len(losses)


def distance_gradient(a, b):
    """dD(a, b) / da, derived by hand."""
    length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
    cosine = np.dot(a, b) / (length_a * length_b)
    return (cosine * a / length_a - b / length_b) / length_a


def loops_gradient(features, negatives, margin, *, symmetric, normaliser):
    """Gradient by the features of the sum of hinges over the triplets (pair, row), divided by `normaliser`.

    A triplet has the hinge max(0, D(q, t) - D(x, n) + M) with x = q; the symmetric form adds the hinge with x = t.
    """
    gradient = np.zeros_like(features)
    for pair, n in negatives:
        q, t = 2 * pair, 2 * pair + 1
        for x in (q, t) if symmetric else (q,):
            positive = cosine_distance(features[q], features[t])
            if positive - cosine_distance(features[x], features[n]) + margin > 0:
                gradient[q] += distance_gradient(features[q], features[t])
                gradient[t] += distance_gradient(features[t], features[q])
                gradient[x] -= distance_gradient(features[x], features[n])
                gradient[n] -= distance_gradient(features[n], features[x])
    return gradient / normaliser


def loops_hardest(features, videos, count):
    """The `count` rows of other videos that are nearest to the query of each pair: a list of (pair, row)."""
    chosen = []
    for pair, video in enumerate(videos):
        rows = [row for row in range(len(features)) if videos[row // 2] != video]
        rows.sort(key=lambda row: cosine_distance(features[2 * pair], features[row]))
        chosen += [(pair, row) for row in rows[:count]]
    return chosen


def fork_layer(features, labels, margin, count, shuffle):
    """The loss layer of the fork and its negatives; `labels` has a label for each row.

    The candidates of a pair are the rows of another label that violate the margin for the query. If there are at most
    `count` candidates, all are taken. If there are more, half of `count` are drawn at random among the `count` nearest
    candidates. The other half are drawn at random among all candidates that are left, those of the nearest that the
    first draw did not take among them. Query and tracked patch are then ranked against each taken row, and the sum is
    divided by count x pairs x 2. `shuffle(pair, candidates)` reorders a list of (distance, row) in place.
    """
    total, chosen = 0.0, []
    for query in range(0, len(features), 2):
        positive = cosine_distance(features[query], features[query + 1])
        violators = []
        for row in range(len(features)):
            distance = cosine_distance(features[query], features[row])
            if labels[row] != labels[query] and positive - distance + margin > 0:
                violators.append((distance, row))
        violators.sort()
        taken = violators
        if len(violators) > count:
            nearest = violators[:count]
            shuffle(query // 2, nearest)
            taken = nearest[: count // 2]
            left = [violator for violator in violators if violator not in taken]
            shuffle(query // 2, left)
            taken += left[: count - count // 2]
        for distance, row in taken:
            chosen.append((query // 2, row))
            total += max(0.0, positive - distance + margin)
            total += max(0.0, positive - cosine_distance(features[query + 1], features[row]) + margin)
    return total / (count * (len(features) // 2) * 2), chosen


def loops_infonce(features, videos, temperature, *, symmetric):
    """Mean cross-entropy of the tracked patch among itself and the rows of other videos, by cosine similarity.

    The symmetric form is the mean of this loss and the loss of the query, which the tracked patch has to find.
    """
    losses = []
    for pair, video in enumerate(videos):
        q, t = 2 * pair, 2 * pair + 1
        others = [row for row in range(len(features)) if videos[row // 2] != video]
        for anchor, found in ((q, t), (t, q)) if symmetric else ((q, t),):
            scores = [(1 - cosine_distance(features[anchor], features[row])) / temperature for row in (found, *others)]
            losses.append(-np.log(np.exp(scores[0]) / np.exp(scores).sum()))
    return float(np.mean(losses))
