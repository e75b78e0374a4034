"""Loop transcriptions behind the figures, written from the descriptions alone."""

CAFFENET = (  # kind, kernel, stride, padding: from Krizhevsky et al. 2012 with Caffe's pooling
    *(("conv", 11, 4, 0), ("pool", 3, 2, 0), ("conv", 5, 1, 2), ("pool", 3, 2, 0)),
    *(("conv", 3, 1, 1), ("conv", 3, 1, 1), ("conv", 3, 1, 1), ("pool", 3, 2, 0)),
)


def seen_pixels(size, place):
    """The set of pixels along one axis of `size` pixels that the unit at `place` of pool5 depends on."""
    sides = [size]
    for kind, kernel, stride, padding in CAFFENET:
        positions = sides[-1] + 2 * padding - kernel
        steps = positions // stride if kind == "conv" else -(-positions // stride)  # pooling keeps an incomplete window
        sides.append(steps + 1)
    units = {place}
    for (_, kernel, stride, padding), side in zip(reversed(CAFFENET), reversed(sides[:-1]), strict=True):
        inputs = set()
        for unit in units:
            for tap in range(kernel):
                position = unit * stride - padding + tap
                if 0 <= position < side:
                    inputs.add(position)
        units = inputs
    return units


def strongest_images(images, k):
    """For each unit, the k images with the largest activations: (activation, image, window), by sorting everything.

    Args:
        images: arrays (windows, units), one an image.
    """
    found = []
    for unit in range(images[0].shape[1]):
        best = []
        for image, features in enumerate(images):
            windows = features[:, unit].tolist()
            best.append((max(windows), image, windows.index(max(windows))))
        found.append(sorted(best, key=lambda one: (-one[0], one[1]))[:k])
    return found
