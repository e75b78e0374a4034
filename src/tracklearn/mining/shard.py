"""What the three mining stages share: a shard's videos in parallel, in order, and the tables between the stages."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.opencv import one_opencv_thread
from tracklearn.videos.frames import Probe
from tracklearn.videos.manifest import Row

Result = TypeVar("Result")


FRAMES = ("video_id", "frame", "points", "moving", "fraction", "verdict", "reason", "x", "y", "inside", "surf")
TRACKS = (
    *("video_id", "frame", "x", "y", "w", "h"),
    *("last_frame", "tracked_x", "tracked_y", "tracked_w", "tracked_h", "score", "status", "reason"),
)


def each_video(work: Callable[[Row], Result], videos: Sequence[Row], *, threads: int) -> Iterator[tuple[Row, Result]]:
    """Run `work` on `threads` videos at once; results come in the order of the videos.

    Threads, since decoding, SURF, flow and KCF leave Python's lock; OpenCV's own threads are off meanwhile.
    """
    with one_opencv_thread(), ThreadPoolExecutor(threads) as pool:
        yield from zip(videos, pool.map(work, videos), strict=True)


def timeline(found: Probe, resample_fps: float | None) -> list[int]:
    """Native indices, ascending, of a video's frames at `resample_fps` frames a second: the nearest ones.

    None takes the native frames. So does a video that has fewer frames a second: repeated ones would stand still.
    """
    step = max(1.0, found.fps / resample_fps) if resample_fps else 1.0  # native frames
    # Floor of the half above: Python's own rounding to even would make the steps uneven.
    indices = (int(number * step + 0.5) for number in range(found.frames))
    return list(takewhile(lambda index: index < found.frames, indices))


def write_table(path: str | Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write a CSV whole or not at all; a column that a row has no value for is empty."""
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_table(path: str | Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a table that `write_table` wrote.

    Raises:
        UserError: the columns are others.
    """
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise UserError(f"{path}: columns {reader.fieldnames}, expected {list(columns)}; delete it and run again")
        return list(reader)


def by_video(
    rows: Iterable[dict[str, str]], videos: Iterable[Row], table: str | Path
) -> dict[str, list[dict[str, str]]]:
    """Rows of each video, in order; every video has an entry.

    Raises:
        UserError: a row of a video that the manifest does not hold.
    """
    grouped: dict[str, list[dict[str, str]]] = {video.video_id: [] for video in videos}
    for row in rows:
        if row["video_id"] not in grouped:
            raise UserError(f"{table}: video {row['video_id']} is not in the manifest; delete it and run again")
        grouped[row["video_id"]].append(row)
    return grouped
