"""Caffe's layers and solver, written as loops (numpy, float64)."""

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
    """Max-pooling of (H, W); the last window may reach beyond the edge."""
    side = math.ceil((image.shape[0] - kernel) / stride) + 1
    out = np.empty((side, side))
    for y, x in np.ndindex(out.shape):
        out[y, x] = image[y * stride : y * stride + kernel, x * stride : x * stride + kernel].max()
    return out


# The layers of the released deploy file, in its order (rank_scripts/rank_alexnet/unsup_net_deploy.prototxt).
POOL, LRN = {"pool": "MAX", "kernel_size": 3, "stride": 2}, {"local_size": 5, "alpha": 1e-4, "beta": 0.75}
CAFFENET = [
    ("conv1", "Convolution", {"num_output": 96, "kernel_size": 11, "stride": 4, "pad": 0, "group": 1}),
    ("relu1", "ReLU", {}),
    ("pool1", "Pooling", POOL),
    ("norm1", "LRN", LRN),
    ("conv2", "Convolution", {"num_output": 256, "kernel_size": 5, "stride": 1, "pad": 2, "group": 2}),
    ("relu2", "ReLU", {}),
    ("pool2", "Pooling", POOL),
    ("norm2", "LRN", LRN),
    ("conv3", "Convolution", {"num_output": 384, "kernel_size": 3, "stride": 1, "pad": 1, "group": 1}),
    ("relu3", "ReLU", {}),
    ("conv4", "Convolution", {"num_output": 384, "kernel_size": 3, "stride": 1, "pad": 1, "group": 2}),
    ("relu4", "ReLU", {}),
    ("conv5", "Convolution", {"num_output": 256, "kernel_size": 3, "stride": 1, "pad": 1, "group": 2}),
    ("relu5", "ReLU", {}),
    ("pool5", "Pooling", POOL),
    ("fc6", "InnerProduct", {"num_output": 4096}),
    ("relu6", "ReLU", {}),
    ("fc7", "InnerProduct", {"num_output": 1024}),
    ("relu7", "ReLU", {}),
]


def loops_forward(images, blobs):
    """Activations of all layers, by name, for images (N, 3, S, S); `blobs` holds {layer: (weight, bias)} of any width.

    As in Caffe, a ReLU works in place: conv1 holds the output of relu1.
    """
    layers = [*CAFFENET, ("fc8", "InnerProduct", {})] if "fc8" in blobs else CAFFENET
    values, activations = images, {}
    for name, kind, parameters in layers:
        if kind == "Convolution":
            stride, pad, group = (parameters[key] for key in ("stride", "pad", "group"))
            values = loops_conv(values, *blobs[name], stride, pad, group)
        elif kind == "ReLU":
            values = np.where(values > 0, values, 0.0)
            name = name.replace("relu", "fc" if name in ("relu6", "relu7") else "conv")  # noqa: PLW2901
        elif kind == "Pooling":
            values = np.array([[loops_max_pool(channel) for channel in image] for image in values])
        elif kind == "LRN":
            values = loops_lrn(values)
        else:
            values = loops_inner_product(values, *blobs[name])
        activations[name] = values
    return activations


def loops_conv(images, weight, bias, stride, pad, group):
    """Convolution of (N, C, H, W); each output channel reads one of `group` equal parts of the input channels."""
    outputs, inputs, side, _ = weight.shape
    padded = np.pad(images, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    size = (padded.shape[2] - side) // stride + 1
    out = np.empty((len(images), outputs, size, size))
    for n, o, y, x in np.ndindex(out.shape):
        first = o // (outputs // group) * inputs  # first channel of the group
        top, left = y * stride, x * stride
        window = padded[n, first : first + inputs, top : top + side, left : left + side]
        out[n, o, y, x] = bias[o] + sum(np.vdot(w, v) for w, v in zip(weight[o], window, strict=True))
    return out


def loops_inner_product(values, weight, bias):
    """Fully connected layer: each unit reads all values of an image by channel, row and column."""
    out = np.empty((len(values), len(weight)))
    for n, unit in np.ndindex(out.shape):
        flat = [values[n][index] for index in np.ndindex(values[n].shape)]
        out[n, unit] = bias[unit] + np.dot(weight[unit], flat)
    return out


def loops_sgd(weight, gradients, rates, momentum, decay):
    """Updates of Caffe's SGDSolver for one scalar weight."""
    velocity = 0.0
    for gradient, rate in zip(gradients, rates, strict=True):
        velocity = momentum * velocity + rate * (gradient + decay * weight)
        weight -= velocity
    return weight


def loops_solver(weights, gradient, *, base_lr, gamma, stepsize, momentum, weight_decay, iterations):
    """Caffe's SGD with the step policy, on named blobs; `weights` maps a name to (values, lr_mult, decay_mult).

    The history holds the last update: history = local_rate * (gradient + local_decay * weight) + momentum * history.
    """
    values = {name: value.copy() for name, (value, _, _) in weights.items()}
    history = {name: np.zeros_like(value) for name, value in values.items()}
    rate = base_lr
    for iteration in range(iterations):
        if iteration and iteration % stepsize == 0:
            rate *= gamma
        gradients = gradient(values)
        for name, (_, lr_mult, decay_mult) in weights.items():
            for index in np.ndindex(values[name].shape):
                regularised = gradients[name][index] + weight_decay * decay_mult * values[name][index]
                history[name][index] = rate * lr_mult * regularised + momentum * history[name][index]
                values[name][index] -= history[name][index]
    return values
