"""Which examples a batch holds, as a function of seed and iteration alone."""

from collections.abc import Callable
from functools import lru_cache
from threading import Lock

import numpy as np
import torch

SERIAL = 2**15  # elements: torch would start threads for as many, and batches are made on threads already

_ordering = Lock()  # as in `SpreadOrder`


@lru_cache(maxsize=3)
def _order(total: int, seed: int, epoch: int) -> np.ndarray:
    """The epoch's permutation."""
    return np.random.default_rng([seed, 0, epoch]).permutation(total)


def shuffled(iteration: int, *, count: int, total: int, seed: int) -> np.ndarray:
    """Indices (count,) of batch `iteration` when every epoch visits `total` examples in a new order.

    A batch may end one epoch and begin the next, so none is shorter than the others.
    """
    with _ordering:
        return _batch(iteration, count, total, lambda epoch: _order(total, seed, epoch))


class SpreadOrder:
    """As `shuffled`, but each group's examples lie evenly over the epoch, so that a batch holds one of a group.

    Of a group with n of N examples every N / n th one, about, is a member: a batch of B holds two of one group only
    where the group has nearly N / B of all examples or more, or where one epoch ends and the next begins. An epoch's
    order is a function of the groups, the seed and the epoch; of 4M pairs it is made in about half a second.

    Args:
        groups: int (N,), the group of each example, 0 or more.
        seed: of the orders.
    """

    def __init__(self, groups: np.ndarray, seed: int) -> None:
        self._groups, self._seed = groups, seed
        self._epoch = lru_cache(maxsize=2)(self._spread)
        self._ordering = Lock()  # threads that make batches ask for a new epoch at once; one makes it

    def batch(self, iteration: int, *, count: int) -> np.ndarray:
        """Indices (count,) of batch `iteration`."""
        with self._ordering:
            return _batch(iteration, count, len(self._groups), self._epoch)

    def _spread(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self._seed, 0, epoch])
        by_group = np.argsort(self._groups + rng.random(len(self._groups)))  # each group's members in a random order
        sizes = np.bincount(self._groups)
        places = np.arange(len(by_group), dtype=np.float64)
        places -= np.repeat(np.cumsum(sizes) - sizes - rng.random(len(sizes)), sizes)
        places /= np.repeat(sizes, sizes)  # k + u of n members, u the group's own: 0..1
        return by_group[np.argsort(places)]


def _batch(iteration: int, count: int, total: int, order: Callable[[int], np.ndarray]) -> np.ndarray:
    """Indices (count,) of a batch out of the orders of the epochs."""
    epochs, places = np.divmod(np.arange(iteration * count, (iteration + 1) * count), total)
    return np.array([order(int(epoch))[place] for epoch, place in zip(epochs, places, strict=True)])


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
