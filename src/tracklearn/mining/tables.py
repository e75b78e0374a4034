"""What the three mining stages share: a shard's videos in parallel, in order, and the tables between the stages."""

import csv
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.machine.threads import one_opencv_thread
from tracklearn.report import Report, progress
from tracklearn.videos.deadline import time_limit
from tracklearn.videos.frames import probe
from tracklearn.videos.manifest import Row
from tracklearn.videos.packets import packet_table

Item = TypeVar("Item")
Result = TypeVar("Result")

TIMEOUT = 3600.0  # seconds a video may take in one stage. ASSUME: three hours of 1080p take less
AHEAD = 4  # videos a thread; the pairs of a video are some 4 MB
TELL_EVERY = 10.0  # seconds

FRAMES = (
    *("video_id", "frame", "points", "overlaid", "moving", "fraction", "verdict", "reason"),
    *("x", "y", "inside", "left", "top", "right", "bottom", "surf"),
)
TRACKS = (
    *("video_id", "frame", "x", "y", "w", "h"),
    *("last_frame", "tracked_x", "tracked_y", "tracked_w", "tracked_h", "score", "status", "reason"),
)


def each_video(
    work: Callable[[Row], Result], videos: Sequence[Row], *, threads: int, timeout: float | None = TIMEOUT
) -> Iterator[tuple[Row, Result]]:
    """Run `work` on `threads` videos at once; results come in the order of the videos.

    Threads, since decoding, SURF, flow and KCF leave Python's lock; OpenCV's own threads are off meanwhile. A video
    that takes more than `timeout` seconds meets a `TimeLimitError`, a `UserError`, at the next packet it reads.
    At most `AHEAD` videos a thread are begun before the first of them is fetched, so that the results that wait for
    a slow video do not grow with the shard.
    """

    def limited(video: Row) -> Result:
        with time_limit(timeout):
            return work(video)

    waiting: deque[tuple[Row, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(threads)
    with one_opencv_thread():
        try:
            for video in videos:
                waiting.append((video, pool.submit(limited, video)))
                if len(waiting) >= AHEAD * threads:
                    yield _fetched(waiting)
            while waiting:
                yield _fetched(waiting)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _fetched(waiting: deque[tuple[Row, "Future[Result]"]]) -> tuple[Row, Result]:
    video, job = waiting.popleft()
    return video, job.result()


class Progress:
    """Tells after each video how far a stage is: to its `report`, and in a line for people every few seconds.

    The time left goes by the frames of the videos that are done; where a manifest knows none, by their number.

    Args:
        counted: what the stage makes, "accepted" frames or "tracked" or "pairs": the name of its curve.
        videos: of the shard.
        report: gets `videos`, the count, `<counted>_per_minute` and `minutes_left`.
    """

    def __init__(self, counted: str, videos: Sequence[Row], report: Report) -> None:
        self._counted, self._report = counted, report
        self._began = self._told = time.monotonic()
        self._total, self._whole = len(videos), sum(map(_work, videos))
        self._videos, self._done, self._count = 0, 0, 0

    def add(self, video: Row, count: int) -> None:
        """One more video is done and gave `count`."""
        self._videos, self._done, self._count = self._videos + 1, self._done + _work(video), self._count + count
        now = time.monotonic()
        minutes = max(now - self._began, 1e-3) / 60
        rate, left = self._count / minutes, minutes * (self._whole - self._done) / self._done
        values = {"videos": self._videos, self._counted: self._count}
        self._report(self._videos, values | {f"{self._counted}_per_minute": rate, "minutes_left": left})
        if now - self._told >= TELL_EVERY:
            self._told = now
            words = (self._videos, self._total, self._count, self._counted, rate, left)
            progress.info("%d of %d videos, %d %s, %.1f a minute, %.1f minutes left", *words)


def _work(video: Row) -> int:
    """The frames of a video; a little for one of which nothing is known."""
    return max(video.frames, 1)


def timeline(path: str | Path, resample_fps: float | None) -> list[int]:
    """Native indices, ascending, of a video's frames at `resample_fps` frames a second: the nearest ones in time.

    Where the container gives no times, every frame lasts equally long. None takes the native frames. No frame is taken
    twice, since it would stand still: where a video has fewer frames a second than asked for, all of them are taken.

    Raises:
        UserError: as `probe`.
    """
    found = probe(path)
    if resample_fps is None:
        return list(range(found.frames))
    times = packet_table(path).times
    return sampled(times if len(times) else np.arange(found.frames), found.fps / resample_fps)


def sampled(times: np.ndarray, step: float) -> list[int]:
    """Indices of the frames that are nearest to 0, `step`, 2 `step` ..., each once; of two equally near the later.

    Args:
        times: int64 (N,), ascending times of the frames in any unit.
        step: between two samples, in mean distances of two frames.
    """
    since, last = times - times[0], len(times) - 1
    # In mean distances; by this order exactly 0, 1, 2 ... where the rate is constant.
    places = since * float(last) / max(since[-1], 1)
    # Frame n is the nearest from bounds[n] up to bounds[n + 1]; the last one until half a distance after it.
    bounds = np.concatenate([[0], (places[:-1] + places[1:]) / 2, [last + 0.5]])
    return np.flatnonzero(np.diff(np.ceil(bounds / step))).tolist()


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of the items, evenly chosen, in order; the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[place] for place in np.linspace(0, len(items) - 1, count).round().astype(int)]


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
    return list(each_row(path, columns))


def each_row(path: str | Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """As `read_table`, one row after the other: a shard has many more candidates than accepted frames."""
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise UserError(f"{path}: columns {reader.fieldnames}, expected {list(columns)}; delete it and run again")
        yield from reader


def short_reason(reason: str) -> str:
    """A reason of a table without what is particular to a video."""
    return reason.split(":", maxsplit=1)[0]


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
