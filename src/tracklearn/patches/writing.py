"""Writing a patch shard (its layout: `format`) and the summary beside it."""

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import simplejpeg

from tracklearn.errors import UserError
from tracklearn.files import write_json
from tracklearn.hdf5 import new_hdf5
from tracklearn.patches.format import TABLES, VERSION, jpeg_shape

ID_BYTES = 100  # of a video's id in HDF5, at most


class Pair(NamedTuple):
    """One pair to be written; a patch is uint8 RGB (S, S, 3), or the bytes of a JPEG file of S x S pixels."""

    video_id: str
    frames: tuple[int, int]
    boxes: Any  # (2, 4): x, y, w, h of query and tracked box
    score: float
    query: np.ndarray | bytes
    tracked: np.ndarray | bytes


def write_shard(path: str | Path, pairs: Iterable[Pair], *, size: int, quality: int) -> dict[str, int]:
    """Write pairs of `size` x `size` patches to a shard, which replaces an old one only when it is complete.

    Arrays are encoded as JPEG files of `quality`; the bytes of JPEG files are stored unchanged.

    Returns:
        The numbers of `pairs`, `patches` and `videos` that were written.

    Raises:
        UserError: a patch has another size or is not a JPEG file (the message names its video and frame), or the disk
            is full.
    """
    patches: list[bytes] = []
    pairs_without_patches: list[Pair] = []
    for pair in pairs:
        place = f"{path}: pair {len(pairs_without_patches)} of video {pair.video_id}, frame {pair.frames[0]}"
        patches += [_jpeg_file(patch, size, quality, place) for patch in (pair.query, pair.tracked)]
        pairs_without_patches.append(pair._replace(query=b"", tracked=b""))
    video_ids = list(dict.fromkeys(pair.video_id for pair in pairs_without_patches))
    videos = {video_id: index for index, video_id in enumerate(video_ids)}
    offsets = np.cumsum([0, *map(len, patches)])
    tables = {
        "video_ids": video_ids,
        "video": [videos[pair.video_id] for pair in pairs_without_patches],
        "frames": [pair.frames for pair in pairs_without_patches],
        "boxes": [pair.boxes for pair in pairs_without_patches],
        "scores": [pair.score for pair in pairs_without_patches],
        "offsets": offsets,
        "crc32": [zlib.crc32(data) for data in patches],
    }
    arrays = {name: np.array(tables[name], dtype).reshape(-1, *shape) for name, (dtype, shape) in TABLES.items()}
    file_bytes = int(offsets[-1]) + sum(array.nbytes for array in arrays.values()) + ID_BYTES * len(video_ids)
    with new_hdf5(path, file_bytes, libver="latest") as file:
        for name, array in arrays.items():
            file[name] = array
        jpeg = file.create_dataset("jpeg", (int(offsets[-1]),), np.uint8)
        for data, start, stop in zip(patches, offsets[:-1], offsets[1:], strict=True):
            jpeg[start:stop] = np.frombuffer(data, np.uint8)
        file.attrs.update(
            {"format_version": VERSION, "pairs": len(pairs_without_patches), "size": size, "quality": quality}
        )
    return {"pairs": len(pairs_without_patches), "patches": len(patches), "videos": len(videos)}


def encode(patch: np.ndarray, quality: int) -> bytes:
    """JPEG file of a patch, uint8 RGB (S, S, 3).

    ASSUME: the JPEG files subsample colour by 4:2:0, as the videos do.
    """
    return simplejpeg.encode_jpeg(np.ascontiguousarray(patch), quality, "RGB", "420")


def resized(patch: np.ndarray, size: int) -> np.ndarray:
    """A patch, uint8 RGB (H, W, 3), as `size` x `size` pixels."""
    shrinks = max(patch.shape[:2]) > size
    return cv2.resize(patch, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def write_summary(path: str | Path, counts: Mapping[str, int], reasons: Mapping[str, int]) -> None:
    """Write a shard's summary (JSON).

    It holds the counts of `write_shard` and, for each reason, the number of accepted frames that gave no pair.
    """
    write_json(path, {**counts, "reasons": dict(sorted(reasons.items()))})


def _jpeg_file(patch: np.ndarray | bytes, size: int, quality: int, place: str) -> bytes:
    shape = jpeg_shape(patch, place) if isinstance(patch, bytes) else patch.shape[:2]
    if shape != (size, size):
        raise UserError(f"{place}: the patch has {shape[0]} x {shape[1]} pixels, expected {size} x {size}")
    return patch if isinstance(patch, bytes) else encode(patch, quality)
