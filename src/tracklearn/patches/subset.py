"""The pairs that a training reads: the first ones of some shards."""

import logging
from collections.abc import Sequence
from functools import cached_property
from math import inf
from pathlib import Path

import numpy as np

from tracklearn.errors import UserError
from tracklearn.patches.store import PatchStore

log = logging.getLogger(__name__)


Part = tuple[Sequence[str | Path], int | None]
"""Some shards and how many of their first patches are taken; None takes all."""


class Subset:
    """The first pairs of some shards, in the order given. A patch is read only when `pairs` asks for it.

    Args:
        paths: the shards.
        patches: how many patches to take, two for each pair (ASSUME: the paper's 1.5M, 5M and 8M count patches); None
            takes all patches. If the shards hold fewer, all are taken, and the log says so.
        inner: smaller subsets, of shards among `paths`, that this one shall contain: their pairs are taken first.
        strict: fewer patches than `patches` are an error.

    Raises:
        UserError: `patches` is odd or not positive, the shards hold patches of several sizes, or fewer than `patches`
            though `strict`.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        patches: int | None = None,
        *,
        inner: Sequence[Part] = (),
        strict: bool = False,
    ) -> None:
        if patches is not None and (patches <= 0 or patches % 2):
            raise UserError(
                f"a subset of {patches} patches: expected a positive even number, since a pair has two patches"
            )
        self.stores: list[PatchStore] = []  # a shard whose pairs are taken in two pieces stands here twice
        self._firsts: list[int] = []  # the first pair of each piece within its shard
        taken: list[int] = []  # pairs of each piece
        stores: dict[str | Path, PatchStore] = {}
        ends: dict[str | Path, int] = {}  # how many pairs of a shard the inner subsets have taken
        left = inf if patches is None else patches // 2
        for part, (shards, wanted) in enumerate([*inner, (paths, None)]):
            left_of_part = inf if wanted is None else wanted // 2
            for path in shards:
                if not left or not left_of_part:
                    break
                store = stores[path] = stores.get(path) or PatchStore(path)
                first, end = ends.get(path, 0), int(min(len(store), left_of_part))
                left_of_part -= end
                self.stores.append(store)
                self._firsts.append(first)
                taken.append(int(max(0, min(end - first, left))))
                left -= taken[-1]
                if part < len(inner):
                    ends[path] = max(first, end)
        if patches is not None and (found := 2 * sum(taken)) < patches:
            few = f"a subset of {patches} patches: only {found} were mined in {len(paths)} shards"
            # The plan reads what was mined when it starts. It takes further shards only while no net has weights.
            more = "run again, which takes further shards of the list if there are any, or add videos"
            if strict:
                raise UserError(f"{few}; {more}, lower `patches`, or set `strict: false`")
            log.warning("%s, and these are used; for more, delete the trained weights and %s", few, more)
        self._starts = np.concatenate([[0], np.cumsum(taken, dtype=np.int64)])
        for store in self.stores:
            if store.size != self.size:
                raise UserError(f"{store.path}: patches of {store.size} px, {self.stores[0].path} has {self.size} px")

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def size(self) -> int:
        """Side of a patch in pixels."""
        return self.stores[0].size if self.stores else 0

    def place(self, index: int) -> tuple[PatchStore, int]:
        """The shard of a pair, and the pair's number in it."""
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self.stores[shard], int(index - self._starts[shard]) + self._firsts[shard]

    @cached_property
    def video_ids(self) -> list[str]:
        """Every video of the shards once, in the order of their first pairs."""
        return list(dict.fromkeys(name for store in self.stores for name in store.video_ids))

    @cached_property
    def video_of_pair(self) -> np.ndarray:
        """int64 (N,): each pair's index into `video_ids`; a video in several shards has one label."""
        label = {name: index for index, name in enumerate(self.video_ids)}
        video_of_pair = np.empty(len(self), np.int64)
        for store, first, start, stop in zip(self.stores, self._firsts, self._starts, self._starts[1:], strict=False):
            labels = np.array([label[name] for name in store.video_ids], np.int64)
            video_of_pair[start:stop] = labels[store.video_of_pair[first : first + stop - start]]
        return video_of_pair

    def pairs(self, indices: Sequence[int] | np.ndarray, *, out: np.ndarray | None = None) -> np.ndarray:
        """Decode pairs: uint8 RGB (n, 2, S, S, 3), query first. Several threads may call this at the same time.

        `out`, an array of that shape, is filled and returned: decoding into used memory is up to twice as fast.

        Raises:
            IndexError: an index outside 0..len - 1.
            UserError: a shard was removed, cut short or overwritten since it was opened.
        """
        indices = np.asarray(indices, np.int64)
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(self):
            raise IndexError(f"pairs {indices.min()}..{indices.max()} of a subset of {len(self)}")
        if out is None:
            out = np.empty((len(indices), 2, self.size, self.size, 3), np.uint8)
        chosen = [self.place(index) for index in indices.tolist()]
        for store, place in chosen:
            store.read_ahead(place)
        for (store, place), both in zip(chosen, out, strict=True):
            store.decode(place, both)
        return out
