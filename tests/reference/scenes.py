"""Classification of scenes, written as loops from its definitions."""

import math


def loops_softmax_objective(weights, biases, features, labels, c):
    """Half the sum of squared weights plus c times the sum of cross entropies."""
    total = 0.5 * sum(value**2 for row in weights for value in row)
    for values, label in zip(features, labels, strict=True):
        scores = [
            sum(w * v for w, v in zip(row, values, strict=True)) + bias
            for row, bias in zip(weights, biases, strict=True)
        ]
        total += c * (math.log(sum(math.exp(score) for score in scores)) - scores[label])
    return total


def loops_neighbours(features, labels, test, *, k, temperature, classes):
    """The class with the largest sum of exp(cosine / temperature) over the k nearest training images."""
    predicted = []
    for image in test:
        cosines = []
        for values, label in zip(features, labels, strict=True):
            product = sum(a * b for a, b in zip(image, values, strict=True))
            lengths = math.sqrt(sum(a * a for a in image)) * math.sqrt(sum(b * b for b in values))
            cosines.append((product / lengths, label))
        votes = [0.0] * classes
        for cosine, label in sorted(cosines, reverse=True)[:k]:
            votes[label] += math.exp(cosine / temperature)
        predicted.append(votes.index(max(votes)))
    return predicted


def loops_accuracies(correct, labels, counts):
    """Accuracy in percent over the images of a draw, and its mean over the classes that the draw holds."""
    right = sum(count for hit, count in zip(correct, counts, strict=True) if hit)
    by_class = []
    for label in sorted(set(labels)):
        own = [(hit, count) for hit, of, count in zip(correct, labels, counts, strict=True) if of == label]
        total = sum(count for _, count in own)
        if total:
            by_class.append(100 * sum(count for hit, count in own if hit) / total)
    return 100 * right / sum(counts), sum(by_class) / len(by_class)
