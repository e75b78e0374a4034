"""Which examples a batch holds, as a function of seed and iteration alone."""

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=3)
def _order(total: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, 0, epoch]).permutation(total)


def shuffled(iteration: int, *, count: int, total: int, seed: int) -> np.ndarray:
    """Indices (count,) of batch `iteration` when every epoch visits `total` examples in a new order.

    A batch may end one epoch and begin the next, so none is shorter than the others.
    """
    positions = np.arange(iteration * count, (iteration + 1) * count)
    epochs, places = np.divmod(positions, total)
    return np.array([_order(total, seed, int(epoch))[place] for epoch, place in zip(epochs, places, strict=True)])


def batch_rng(seed: int, iteration: int) -> np.random.Generator:
    """Randomness of one batch: mirrors, crops, windows."""
    return np.random.default_rng([seed, 1, iteration])


def coins(rng: np.random.Generator, count: int) -> np.ndarray:
    """Heads or tails, bool (count,)."""
    return rng.random(count) < 0.5


def mirrored(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Images (N, H, W, 3), those of `chosen` (N,) mirrored; changes `images`."""
    images[chosen] = images[chosen, :, ::-1]
    return images
