"""Which examples a batch holds, as a function of seed and iteration alone."""

from functools import lru_cache

import numpy as np
import torch

SERIAL = 2**15  # elements: torch would start threads for as many, and batches are made on threads already


@lru_cache(maxsize=3)
def _order(total: int, seed: int, epoch: int) -> np.ndarray:
    """The epoch's permutation: for the paper's 4M pairs 32 MB, made in about 0.1 s once an epoch, or at a resume."""
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
    rows = max(1, (SERIAL - 1) // max(1, images[:1, :1].size))
    for index in np.flatnonzero(chosen):
        # In numpy this takes as long as decoding the images.
        for strip in torch.from_numpy(images[index]).split(rows):  # (rows, W, 3)
            strip.copy_(strip.flip(1))
    return images
