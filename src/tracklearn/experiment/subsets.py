"""Which shards of patches a subset (1.5M, 5M, 8M) reads, and in which order."""

from collections.abc import Mapping, Sequence
from itertools import count
from math import inf
from pathlib import Path
from typing import Any

from tracklearn.files import read_json


def position(shard: int) -> float:
    """Place of the shard of this number in [0, 1): the van der Corput sequence 0, 1/2, 1/4, 3/4, 1/8, ...

    Any beginning of the sequence is spread evenly. A subset's share of [0, 1) is therefore close to its share of the
    shards however many there are, and a shard appended later never moves an earlier one into another subset.
    """
    place, scale = 0.0, 0.5
    while shard:
        place += scale * (shard & 1)
        shard, scale = shard >> 1, scale / 2
    return place


def subset_shards(
    subset: Mapping[str, Any], *, expected_patches: Mapping[str, float], packed_patches: Mapping[str, int]
) -> list[str]:
    """Shards that a subset reads: those in its share, in order, until its number of patches is reached.

    Args:
        subset: `share` [low, high) and `patches`, the number wanted; with None the whole share is taken.
        expected_patches: patches that each shard is expected to hold, in the order of the video list.
        packed_patches: patches of the shards that are packed already. Where fewer were mined than expected, further
            shards are taken; where more were mined, no shard is left out, so that what is trained stays up to date.
    """
    low, high = subset["share"]
    inside = [shard for number, shard in enumerate(expected_patches) if low <= position(number) < high]
    if subset["patches"] is None:
        return inside
    planned = found = 0.0
    for taken, shard in enumerate(inside):
        if min(planned, found) >= subset["patches"]:
            return inside[:taken]
        planned += expected_patches[shard]
        found += packed_patches.get(shard, expected_patches[shard])
    return inside


def read_packed_patches(folder: str | Path) -> dict[str, int]:
    """Patches in each packed shard, from the summaries that packing left in `folder`."""
    return {path.stem: read_json(path)["patches"] for path in Path(folder).glob("[0-9]*.json")}


def shards_needed(share: Sequence[float]) -> int:
    """The smallest number of shards of which one lies in the share [low, high)."""
    low, high = share
    return 1 + next(number for number in count() if low <= position(number) < high)


def outermost_subsets(subsets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Subsets that lie in no other one; of subsets with the same share and number of patches, one."""
    different = {(*subset["share"], subset["patches"]): name for name, subset in subsets.items()}.values()
    inner = {inside for name in different for inside in inner_subsets(subsets, name)}
    return [name for name in different if name not in inner]


def inner_subsets(subsets: Mapping[str, Mapping[str, Any]], name: str) -> list[str]:
    """Subsets that lie inside `name`, the smallest first.

    Their shares lie inside its share, and they want fewer patches. Of two subsets that want equally many, the one with
    the smaller share lies inside.
    """

    def extent(name: str) -> tuple[float, float, str]:
        low, high = subsets[name]["share"]
        return high - low, subsets[name]["patches"] or inf, name

    def is_inside(other: str) -> bool:
        (low, high), (start, stop) = subsets[name]["share"], subsets[other]["share"]
        (width, wanted, _), (own_width, own_wanted, _) = extent(other), extent(name)
        return low <= start and stop <= high and (wanted, width) < (own_wanted, own_width)

    return sorted(filter(is_inside, subsets), key=extent)
