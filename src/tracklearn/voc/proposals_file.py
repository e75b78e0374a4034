"""Files of proposals: npz of ids (I,), offsets (I + 1,) and boxes (M, 4) float32, 0-based inclusive corners.

The boxes of image i are `boxes[offsets[i]:offsets[i + 1]]`.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tracklearn.errors import UserError
from tracklearn.npz import read_arrays, write_arrays


def write_proposals(out: str | Path, image_ids: Sequence[str], boxes_by_image: Sequence[np.ndarray]) -> None:
    """Write the boxes (N, 4) of each image; N may be 0."""
    offsets = np.cumsum([0, *map(len, boxes_by_image)])
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *boxes_by_image])
    write_arrays(out, ids=np.array(image_ids, dtype=str), offsets=offsets, boxes=boxes)


def read_proposals(paths: Iterable[str | Path]) -> dict[str, np.ndarray]:
    """Boxes (N, 4) of each image, by image id, from several files.

    Raises:
        UserError: an image is in two files, or a file is damaged.
    """
    boxes_by_image: dict[str, np.ndarray] = {}
    for path in paths:
        for image_id, boxes in _read_file(path):
            if image_id in boxes_by_image:
                raise UserError(f"{path}: image {image_id} already has proposals in an earlier file")
            boxes_by_image[image_id] = boxes
    return boxes_by_image


def _read_file(path: str | Path) -> Iterator[tuple[str, np.ndarray]]:
    ids, offsets, boxes = read_arrays(path, "ids", "offsets", "boxes").values()
    for image_id, start, stop in zip(ids, offsets, offsets[1:], strict=False):
        yield str(image_id), boxes[start:stop]
