"""Writing a patch shard (its layout: `format`) and the summary beside it."""

import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import h5py
import numpy as np
import simplejpeg

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.patches.format import TABLES, VERSION, jpeg_shape


class Pair(NamedTuple):
    """One pair to be written; a patch is uint8 RGB (S, S, 3), or the bytes of a JPEG file of S x S pixels."""

    video: str
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
    rows: list[Pair] = []
    for pair in pairs:
        name = f"{path}: pair {len(rows)} of video {pair.video}, frame {pair.frames[0]}"
        patches += [_jpeg_file(patch, size, quality, name) for patch in (pair.query, pair.tracked)]
        rows.append(pair._replace(query=b"", tracked=b""))
    videos = {video: index for index, video in enumerate(dict.fromkeys(row.video for row in rows))}
    offsets = np.cumsum([0, *map(len, patches)])
    tables = {
        "video_ids": list(videos),
        "video": [videos[row.video] for row in rows],
        "frames": [row.frames for row in rows],
        "boxes": [row.boxes for row in rows],
        "scores": [row.score for row in rows],
        "offsets": offsets,
        "crc32": [zlib.crc32(data) for data in patches],
    }
    with atomic(path) as temporary, h5py.File(temporary, "w", libver="latest") as file:
        for name, (dtype, shape) in TABLES.items():
            file[name] = np.array(tables[name], dtype).reshape(-1, *shape)
        jpeg = file.create_dataset("jpeg", (int(offsets[-1]),), np.uint8)
        for data, start, stop in zip(patches, offsets[:-1], offsets[1:], strict=True):
            jpeg[start:stop] = np.frombuffer(data, np.uint8)
        file.attrs.update({"format_version": VERSION, "pairs": len(rows), "size": size, "quality": quality})
    return {"pairs": len(rows), "patches": len(patches), "videos": len(videos)}


def encode(patch: np.ndarray, quality: int) -> bytes:
    """JPEG file of a patch, uint8 RGB (S, S, 3). ASSUME: 4:2:0, the subsampling of colour in the videos themselves."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(patch), quality, "RGB", "420")


def resized(patch: np.ndarray, size: int) -> np.ndarray:
    """A patch, uint8 RGB (H, W, 3), as `size` x `size` pixels."""
    shrinks = max(patch.shape[:2]) > size
    return cv2.resize(patch, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def write_summary(path: str | Path, counts: Mapping[str, int], reasons: Mapping[str, int]) -> None:
    """Write a shard's summary (JSON): the counts of `write_shard`, and how many accepted frames ended for a reason."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps({**counts, "reasons": dict(sorted(reasons.items()))}, indent=1) + "\n")


def _jpeg_file(patch: np.ndarray | bytes, size: int, quality: int, name: str) -> bytes:
    shape = jpeg_shape(patch, name) if isinstance(patch, bytes) else patch.shape[:2]
    if shape != (size, size):
        raise UserError(f"{name}: a patch of {tuple(shape)}, expected {(size, size)}")
    return patch if isinstance(patch, bytes) else encode(patch, quality)
