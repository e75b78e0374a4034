"""The index of all pairs: one Parquet file over the patch shards."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tracklearn.files import atomic
from tracklearn.patches.store import PatchStore
from tracklearn.settings.base import Block
from tracklearn.settings.mining import Frame
from tracklearn.videos.frames import frame_size
from tracklearn.videos.manifest import ManifestRow, read_manifest

BOXES = [f"{patch}_{side}" for patch in ("query", "tracked") for side in "xywh"]
SCHEMA = pa.schema(
    [
        ("pair", pa.int64()),
        ("shard", pa.string()),
        ("row", pa.int32()),
        ("video", pa.string()),
        ("source", pa.string()),
        ("first_frame", pa.int64()),
        ("last_frame", pa.int64()),
        ("first_time", pa.float64()),
        ("last_time", pa.float64()),
        *((name, pa.float32()) for name in BOXES),
        ("score", pa.float32()),
    ]
)


def write_index(
    *,
    stores: Sequence[str | Path],
    manifests: Sequence[str | Path],
    index: str | Path,
    frame: Block = None,
) -> dict[str, float]:
    """Write one row for each pair of some shards, in the order of the shards.

    | column                         | content                                                                      |
    |--------------------------------|------------------------------------------------------------------------------|
    | `pair`                         | number of the pair in all shards, its index in `tracklearn.pairs`              |
    | `shard`, `row`                 | name of the shard, and number of the pair in it                              |
    | `video`, `source`              | id of the video, and its file or address                                     |
    | `first_frame`, `last_frame`    | frame numbers of the file, of query and tracked patch                        |
    | `first_time`, `last_time`      | their times in seconds, by the video's mean frame rate                       |
    | `query_x`, ..., `tracked_h`    | boxes in pixels of the upright video as it is shown: left, top, width, height |
    | `score`                        | the tracker's score of the tracked box                                       |

    Args:
        stores: the patch shards.
        manifests: the manifest of each shard's videos; none for imported pairs. What only the manifest or the video
            knows is null for imported pairs.
        index: the Parquet file to write, with one row group for each shard.
        frame: block `settings.mining.Frame`, the size of the frames in which the shards have their boxes.

    Returns:
        The number of `pairs`.

    Raises:
        UserError: a file is not a patch shard or not a manifest, or the disk is full.
    """
    settings, pairs = Frame.read(frame), 0
    with atomic(index) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
        for number, path in enumerate(stores):
            store = PatchStore(path)
            rows = {row.video_id: row for row in read_manifest(manifests[number])} if manifests else {}
            videos = [rows.get(video_id, ManifestRow(video_id, "")) for video_id in store.video_ids]
            writer.write_table(_table(store, videos, (settings.height, settings.width), pairs))
            pairs += len(store)
    return {"pairs": float(pairs)}


def _table(store: PatchStore, videos: Sequence[ManifestRow], size: tuple[int, int], first: int) -> pa.Table:
    """The rows of a shard whose first pair has the number `first`."""
    video = store.video_of_pair
    of_pair = {
        "video": np.array([row.video_id for row in videos], object)[video],
        "source": np.array([row.source or None for row in videos], object)[video],
    }
    fps = np.array([row.fps or np.nan for row in videos])[video]
    times = np.where(store.frames < 0, np.nan, store.frames) / fps[:, None]
    boxes = (store.boxes * _scales(videos, size)[video][:, None]).reshape(-1, len(BOXES))
    columns = of_pair | {
        "pair": np.arange(first, first + len(store)),
        "shard": [store.path.stem] * len(store),
        "row": np.arange(len(store), dtype=np.int32),
        "first_frame": store.frames[:, 0],
        "last_frame": store.frames[:, 1],
        "first_time": times[:, 0],
        "last_time": times[:, 1],
        **dict(zip(BOXES, boxes.T.astype(np.float32), strict=True)),
        "score": store.scores,
    }
    # NaN becomes null, and so does a frame number that is unknown.
    unknown = {"first_frame": store.frames[:, 0] < 0, "last_frame": store.frames[:, 1] < 0}
    arrays = [
        pa.array(columns[field.name], field.type, from_pandas=True, mask=unknown.get(field.name)) for field in SCHEMA
    ]
    return pa.table(arrays, SCHEMA)


def _scales(videos: Sequence[ManifestRow], size: tuple[int, int]) -> np.ndarray:
    """float64 (V, 4): factors of x, y, w and h from the resized frame to each video; NaN where its size is unknown."""
    sizes = np.array([(row.width or np.nan, row.height or np.nan) for row in videos]).reshape(-1, 2)
    resized = np.array([frame_size(row, size)[::-1] for row in videos]).reshape(-1, 2)
    return np.tile(sizes / resized, 2)
