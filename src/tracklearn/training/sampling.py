"""Which examples a batch holds, as a function of seed and iteration alone."""

from collections.abc import Callable
from functools import lru_cache
from threading import Lock

import cv2
import numpy as np

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
    """As `shuffled`, but the examples of a group are spread over the epoch: a batch holds distinct groups.

    A batch holds two examples of one group only if the group has more examples than the epoch has whole batches, or if
    an epoch ends within the batch and no exchange of examples helps (see `_mend`). Apart from this, the groups of a
    batch are random: in each epoch a group meets other groups. The order of an epoch is a function of the groups, the
    seed, the epoch and the size of the batches; for 4M pairs it takes about a second.

    Args:
        groups: int (N,), the group of each example, 0 or more.
        seed: of the orders.
        count: number of examples in a batch.
    """

    def __init__(self, groups: np.ndarray, seed: int, *, count: int) -> None:
        self._groups, self._seed, self._count = groups, seed, count
        self._epoch_order = lru_cache(maxsize=2)(self._mend)
        self._spread_order = lru_cache(maxsize=2)(self._spread)
        self._lock = Lock()  # several threads need a new epoch at the same time; only one of them computes it

    def batch(self, iteration: int) -> np.ndarray:
        """Indices (count,) of batch `iteration`."""
        with self._lock:
            return _batch(iteration, self._count, len(self._groups), self._epoch_order)

    def _mend(self, epoch: int) -> np.ndarray:
        """The order (N,) of an epoch, of which the first batch may have begun in the previous epoch.

        If an example of this batch has the group of another one, it changes places with an example of a whole batch
        such that both batches hold distinct groups. The examples after the last whole batch stay, so that an order
        depends on no epoch but its own and the previous one.
        """
        order, groups = self._spread_order(epoch).copy(), self._groups
        begun, ended = (each * len(order) % self._count for each in (epoch, epoch + 1))
        if begun == 0:
            return order
        held = groups[self._spread_order(epoch - 1)[-begun:]].tolist()
        head = min(self._count - begun, len(order))
        for place in range(head):
            own = groups[order[place]]
            others = [*held, *groups[np.delete(order[:head], place)]]
            if own not in others:
                continue
            for start in range(head, len(order) - ended, self._count):
                batch = groups[order[start : start + self._count]]
                if own not in batch and not (used := np.isin(batch, others)).all():
                    other = start + int(np.argmin(used))
                    order[[place, other]] = order[[other, place]]
                    break
        return order

    def _spread(self, epoch: int) -> np.ndarray:
        """The order (N,) of an epoch by itself.

        The examples, group by group, are dealt out in rounds. A round gives each batch one example, in a random order
        of the batches. If a round ends within a group, the next examples of this group go to the batches that hold the
        fewest of it.
        """
        rng = np.random.default_rng([self._seed, 0, epoch])
        total = len(self._groups)
        rank_of_group = rng.permutation(int(self._groups.max()) + 1)
        ranks = rank_of_group[self._groups]
        examples = np.argsort(ranks + rng.random(total))  # groups in a random order, and the examples of each
        ranks = ranks[examples]
        # The first batch may have begun in the previous epoch, and the final batch may end in the next epoch.
        starts = np.arange(-(epoch * total % self._count), total, self._count)
        order = np.empty_like(examples)
        held = np.zeros(len(starts), np.int64)  # examples of the group `rank` in each batch
        rank, dealt = -1, 0
        for slot in range(self._count):
            batches = rng.permutation(np.flatnonzero((starts + slot >= 0) & (starts + slot < total)))
            ranks_dealt = ranks[dealt : dealt + len(batches)]
            continued = np.count_nonzero(ranks_dealt == rank)
            first = batches[np.argsort(held[batches], kind="stable")[:continued]]
            batches = np.concatenate([first, batches[~np.isin(batches, first)]])
            order[starts[batches] + slot] = examples[dealt : dealt + len(batches)]
            dealt += len(batches)
            if len(batches) and ranks_dealt[-1] != rank:
                rank = ranks_dealt[-1]
                held[:] = 0
            held[batches[ranks_dealt == rank]] += 1
        return order


def _batch(iteration: int, count: int, total: int, order: Callable[[int], np.ndarray]) -> np.ndarray:
    """Indices (count,) of batch `iteration` when the orders (total,) of all epochs stand one after the other."""
    epochs, places = np.divmod(np.arange(iteration * count, (iteration + 1) * count), total)
    return np.array([order(int(epoch))[place] for epoch, place in zip(epochs, places, strict=True)])


def batch_rng(seed: int, iteration: int) -> np.random.Generator:
    """The random numbers of one batch: mirroring, crops, windows."""
    return np.random.default_rng([seed, 1, iteration])


def coins(rng: np.random.Generator, count: int, probability: float = 0.5) -> np.ndarray:
    """Bool (count,), each true with a probability."""
    return rng.random(count) < probability


def mirrored(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mirror the chosen (N,) of the images (N, H, W, 3) in place, and return them all."""
    for index in np.flatnonzero(chosen).tolist():
        # By OpenCV, which takes an eighth of torch's time. numpy would take as long as decoding the images.
        cv2.flip(images[index], 1, images[index])
    return images
