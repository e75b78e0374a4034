"""Proposals on disk: npz of ids (I,), offsets (I + 1,) and boxes (M, 4) float32, 0-based inclusive corners.

Boxes of image i are `boxes[offsets[i]:offsets[i + 1]]`.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import atomic


def write_proposals(out: str | Path, image_ids: Sequence[str], found: Sequence[np.ndarray]) -> None:
    """Write the boxes of each image, which may have none."""
    offsets = np.cumsum([0, *map(len, found)])
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *found])
    with atomic(out) as path:
        np.savez(path, ids=np.array(image_ids, dtype=str), offsets=offsets, boxes=boxes)


def read_proposals(paths: Iterable[str | Path]) -> dict[str, np.ndarray]:
    """Boxes (N, 4) of each image over several shards.

    Raises:
        UserError: an image is in two shards.
    """
    found: dict[str, np.ndarray] = {}
    for path in paths:
        for image_id, boxes in _shard(path):
            if image_id in found:
                raise UserError(f"{path}: image {image_id} has proposals in an earlier shard already")
            found[image_id] = boxes
    return found


def _shard(path: str | Path) -> Iterator[tuple[str, np.ndarray]]:
    with np.load(path) as shard:
        ids, offsets, boxes = shard["ids"], shard["offsets"], shard["boxes"]
    for image_id, start, stop in zip(ids, offsets, offsets[1:], strict=False):
        yield str(image_id), boxes[start:stop]
