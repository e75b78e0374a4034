"""The layout of a patch shard: one HDF5 file with pairs of JPEG patches.

Patch `2 i` of a shard is the query of pair `i`, patch `2 i + 1` is its tracked patch. A shard of N pairs from V videos,
with patches of S x S pixels, holds these datasets, created in this order:

| name        | type, shape        | content                                                            |
|-------------|--------------------|--------------------------------------------------------------------|
| `video_ids` | string (V,)        | the videos, in the order of their first pair                        |
| `video`     | int32 (N,)         | each pair's index into `video_ids`                                  |
| `frames`    | int64 (N, 2)       | frame numbers of the file, of query and tracked patch               |
| `boxes`     | float32 (N, 2, 4)  | x, y, w, h of query and tracked patch in the resized frame, pixels  |
| `scores`    | float32 (N,)       | the tracker's score of the last box                                 |
| `offsets`   | int64 (2 N + 1,)   | patch `p` is `jpeg[offsets[p]:offsets[p + 1]]`                      |
| `crc32`     | uint32 (2 N,)      | checksum of each patch's bytes                                      |
| `jpeg`      | uint8 (bytes,)     | the JPEG files one after the other, contiguous                      |

Attributes: `format_version`, `pairs` (N), `size` (S) and `quality` (of the JPEG files that the writer encoded).
"""

from typing import Any

import h5py
import numpy as np
import simplejpeg

from tracklearn.errors import UserError

VERSION = 1
TABLES: dict[str, tuple[Any, tuple[int, ...]]] = {  # dtype, and shape of one entry
    "video_ids": (h5py.string_dtype(), ()),
    "video": (np.int32, ()),
    "frames": (np.int64, (2,)),
    "boxes": (np.float32, (2, 4)),
    "scores": (np.float32, ()),
    "offsets": (np.int64, ()),
    "crc32": (np.uint32, ()),
}


def table_lengths(pairs: int) -> dict[str, int]:
    """Number of entries of each table of a shard of `pairs` pairs; `video_ids` has one entry for each video."""
    return {"offsets": 2 * pairs + 1, "crc32": 2 * pairs} | dict.fromkeys(("video", "frames", "boxes", "scores"), pairs)


def jpeg_shape(data: np.ndarray | bytes, name: str) -> tuple[int, int]:
    """Height and width of a JPEG file, from its header.

    Raises:
        UserError: starting with `name`, when the bytes are not a JPEG file.
    """
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise UserError(f"{name}: not a JPEG ({error})") from error
    return height, width
