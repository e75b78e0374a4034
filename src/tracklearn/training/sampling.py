"""Which examples a batch holds, as a function of seed and iteration alone."""

from collections.abc import Callable
from functools import lru_cache
from threading import Lock

import numpy as np
import torch

SERIAL = 2**15  # elements; for as many or more, torch would start threads, and batches are made on threads already

_lock = Lock()  # as in `SpreadOrder`


@lru_cache(maxsize=3)
def _order(total: int, seed: int, epoch: int) -> np.ndarray:
    """The permutation (total,) of an epoch."""
    return np.random.default_rng([seed, 0, epoch]).permutation(total)


def shuffled(iteration: int, *, count: int, total: int, seed: int) -> np.ndarray:
    """Indices (count,) of batch `iteration` when every epoch visits `total` examples in a new order.

    All batches have the same size: where an epoch ends within a batch, the batch continues with the next epoch.
    """
    with _lock:
        return _batch(iteration, count, total, lambda epoch: _order(total, seed, epoch))


class SpreadOrder:
    """As `shuffled`, but the examples of a group are spread evenly over the epoch: a batch holds distinct groups.

    If a group has n of the N examples, about every (N / n)-th example belongs to it. A batch of B examples therefore
    holds two of one group only if the group has nearly N / B examples or more, or if an epoch ends within the batch.
    The order of an epoch is a function of the groups, the seed and the epoch; for 4M pairs it takes about half a
    second.

    Args:
        groups: int (N,), the group of each example, 0 or more.
        seed: of the orders.
    """

    def __init__(self, groups: np.ndarray, seed: int) -> None:
        self._groups, self._seed = groups, seed
        self._epoch_order = lru_cache(maxsize=2)(self._spread)
        self._lock = Lock()  # several threads need a new epoch at the same time; only one of them computes it

    def batch(self, iteration: int, *, count: int) -> np.ndarray:
        """Indices (count,) of batch `iteration`."""
        with self._lock:
            return _batch(iteration, count, len(self._groups), self._epoch_order)

    def _spread(self, epoch: int) -> np.ndarray:
        """The order (N,) of an epoch."""
        rng = np.random.default_rng([self._seed, 0, epoch])
        by_group = np.argsort(self._groups + rng.random(len(self._groups)))  # each group's members in a random order
        sizes = np.bincount(self._groups)
        places = np.arange(len(by_group), dtype=np.float64)
        places -= np.repeat(np.cumsum(sizes) - sizes - rng.random(len(sizes)), sizes)
        places /= np.repeat(sizes, sizes)  # (k + u) / n for member k of n, with one random u for each group: 0..1
        return by_group[np.argsort(places)]


def _batch(iteration: int, count: int, total: int, order: Callable[[int], np.ndarray]) -> np.ndarray:
    """Indices (count,) of batch `iteration` when the orders (total,) of all epochs stand one after the other."""
    epochs, places = np.divmod(np.arange(iteration * count, (iteration + 1) * count), total)
    return np.array([order(int(epoch))[place] for epoch, place in zip(epochs, places, strict=True)])


def batch_rng(seed: int, iteration: int) -> np.random.Generator:
    """The random numbers of one batch: mirroring, crops, windows."""
    return np.random.default_rng([seed, 1, iteration])


def coins(rng: np.random.Generator, count: int) -> np.ndarray:
    """Bool (count,), each true with a probability of one half."""
    return rng.random(count) < 0.5


def mirrored(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mirror the chosen (N,) of the images (N, H, W, 3) in place, and return them all."""
    rows = max(1, (SERIAL - 1) // max(1, images[:1, :1].size))
    for index in np.flatnonzero(chosen):
        # By torch, since numpy would take as long for this as decoding the images takes.
        for strip in torch.from_numpy(images[index]).split(rows):  # (rows, W, 3)
            strip.copy_(strip.flip(1))
    return images
