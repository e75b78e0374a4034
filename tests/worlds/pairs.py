"""Pairs of small colour patches."""

import h5py
import numpy as np

from tracklearn.patches.writing import Pair

SIDE = 32


def smooth_patch(seed):
    """A smooth colour image, which JPEG hardly changes."""
    rng = np.random.default_rng([7, seed])
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    mix = rng.uniform(0, 80, (3, 3))
    return np.stack([20 + a + b * x + c * y for a, b, c in mix], -1).astype(np.uint8)


def some_pairs(count, *, videos=("ant", "bee"), start=0):
    """Pairs `start` to `start + count`, dealt to the videos in order."""
    for index in range(start, start + count):
        boxes = np.arange(8).reshape(2, 4) + index
        video = videos[index * len(videos) // (start + count)]
        query, tracked = smooth_patch(2 * index), smooth_patch(2 * index + 1)
        yield Pair(video, (30 * index, 30 * index + 30), boxes, index / 10, query, tracked)


def first_byte(path, patch):
    """Where a patch starts in its file."""
    with h5py.File(path) as file:
        return int(file["jpeg"].id.get_offset() + file["offsets"][patch])
