"""Caffe's layers and solver as loops (numpy, float64)."""

import math

import numpy as np


def loops_lrn(values, size=5, alpha=1e-4, beta=0.75):
    """Across-channel response normalisation of (N, C, H, W)."""
    out = np.empty_like(values)
    channels = values.shape[1]
    for n, c, y, x in np.ndindex(values.shape):
        first, last = max(0, c - size // 2), min(channels, c + size // 2 + 1)
        squares = sum(values[n, k, y, x] ** 2 for k in range(first, last))
        out[n, c, y, x] = values[n, c, y, x] / (1 + alpha / size * squares) ** beta
    return out


def loops_max_pool(image, kernel=3, stride=2):
    """Max-pooling of (H, W) whose last window may hang over the edge."""
    side = math.ceil((image.shape[0] - kernel) / stride) + 1
    out = np.empty((side, side))
    for y, x in np.ndindex(out.shape):
        out[y, x] = image[y * stride : y * stride + kernel, x * stride : x * stride + kernel].max()
    return out


def loops_sgd(weight, gradients, rates, momentum, decay):
    """Scalar updates of Caffe's SGDSolver."""
    velocity = 0.0
    for gradient, rate in zip(gradients, rates, strict=True):
        velocity = momentum * velocity + rate * (gradient + decay * weight)
        weight -= velocity
    return weight
