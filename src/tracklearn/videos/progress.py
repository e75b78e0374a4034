"""How far a stage is with the videos of its shard."""

import time
from collections.abc import Sequence

from tracklearn.report import Report, progress
from tracklearn.videos.manifest import ManifestRow

LINE_EVERY = 10.0  # seconds between two lines of the log


class ShardProgress:
    """Reports after each video how far a stage is, and logs a line every few seconds.

    The remaining time is estimated from the frames of the videos that are done, or from the number of videos where the
    manifest does not know their frames.

    Args:
        unit: what the stage counts and the name of its curve, for example "pairs".
        videos: rows of the shard's manifest.
        report: called with `videos`, `<unit>`, `<unit>_per_minute` and `minutes_left`.
    """

    def __init__(self, unit: str, videos: Sequence[ManifestRow], report: Report) -> None:
        self._unit, self._report = unit, report
        self._start = self._last_line = time.monotonic()
        self._videos, self._total_videos = 0, len(videos)
        self._frames, self._total_frames = 0, sum(map(_frames, videos))
        self._count = 0

    def add(self, video: ManifestRow, count: int) -> None:
        """Note that a video is done and gave `count` units."""
        self._videos, self._frames, self._count = self._videos + 1, self._frames + _frames(video), self._count + count
        now = time.monotonic()
        minutes = max(now - self._start, 1e-3) / 60
        rate, left = self._count / minutes, minutes * (self._total_frames - self._frames) / self._frames
        values = {"videos": self._videos, self._unit: self._count}
        self._report(self._videos, values | {f"{self._unit}_per_minute": rate, "minutes_left": left})
        if now - self._last_line >= LINE_EVERY:
            self._last_line = now
            figures = (self._videos, self._total_videos, self._count, self._unit, rate, left)
            progress.info("%d of %d videos, %d %s, %.1f a minute, %.1f minutes left", *figures)


def _frames(video: ManifestRow) -> int:
    """Frames of a video, 1 where the manifest does not know them."""
    return max(video.frames, 1)
