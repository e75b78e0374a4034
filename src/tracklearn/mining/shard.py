"""What the three mining stages share: a shard's videos in parallel, in order, and the tables between the stages."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.videos.manifest import Row

Result = TypeVar("Result")


@dataclass(frozen=True)
class Box:
    """A box in the resized frame: left, top, width and height in whole pixels."""

    x: int
    y: int
    w: int
    h: int


def each_video(work: Callable[[Row], Result], videos: Sequence[Row], *, threads: int) -> Iterator[tuple[Row, Result]]:
    """Run `work` on `threads` videos at once; results come in the order of the videos.

    Threads, since decoding, SURF, flow and KCF leave Python's lock; OpenCV's own threads are off meanwhile.
    """
    with _single_threaded_opencv(), ThreadPoolExecutor(threads) as pool:
        yield from zip(videos, pool.map(work, videos), strict=True)


@contextmanager
def _single_threaded_opencv() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


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


def rows_of(rows: Iterable[dict[str, str]], videos: Sequence[Row]) -> dict[str, list[dict[str, str]]]:
    """Rows by video, in order; every video has an entry."""
    grouped: dict[str, list[dict[str, str]]] = {video.video_id: [] for video in videos}
    for row in rows:
        if row["video_id"] in grouped:
            grouped[row["video_id"]].append(row)
    return grouped
