"""Tracking a query box to its last frame with a kernelised correlation filter (paper §4).

Henriques et al., "High-Speed Tracking with Kernelized Correlation Filters", PAMI 2015, without a change of scale: on
HOG, the feature it is published with, or OpenCV's on colour names.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tracklearn.errors import UserError
from tracklearn.mining.overlays import Rectangle
from tracklearn.mining.tables import (
    FRAMES,
    TIMEOUT,
    TRACKS,
    Progress,
    by_video,
    each_row,
    each_video,
    timeline,
    write_table,
)
from tracklearn.mining.tracking.correlation_filter import CorrelationFilter
from tracklearn.mining.tracking.opencv_kcf import OpenCVFilter
from tracklearn.report import Report, silent
from tracklearn.videos.frames import frame_size, probe, read_frames
from tracklearn.videos.manifest import Row, read_manifest

TRACKERS = ("hog", "opencv")
LEAST_SIDE = 16  # pixels: four cells of HOG


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """How a box is tracked.

    Attributes:
        frames: frames from the query to the tracked patch.
        tracker: "hog" (own, sees luma) or "opencv" (colour names, sees colour).
        side: of the box in the frames that the tracker sees, pixels; they are never larger than the resized frame.
            ASSUME: 64, where boxes that are kept end about where full scale's do, see benchmarks/tracking.py.
        padding: the tracker sees 1 + `padding` boxes across; "hog" only.
        rate: at which the tracker takes in what it sees, a share a frame; "hog" only.
        peak: least response of the filter; below, the box is lost. ASSUME: 0.3: cuts to another clip fall
            below it, and most of what is kept leads back to the query; benchmarks/tracking.py counts both.
        visible: least share of the last box that lies inside the frame, between its bars. ASSUME: 3/4.
        resample_fps: frames a second at which `frames` counts, see `timeline`; None: native frames, whatever the rate.
    """

    frames: int = 30  # PAPER §4
    tracker: str = "hog"
    side: int = 64
    padding: float = 1.5
    rate: float = 0.02
    peak: float = 0.3
    visible: float = 0.75
    resample_fps: float | None = None


class Filter(Protocol):
    """What follows a box; see `CorrelationFilter`."""

    @property
    def centre(self) -> tuple[float, float]: ...

    @property
    def score(self) -> float: ...

    def update(self, frame: np.ndarray) -> bool: ...


def track_shard(
    *,
    manifest: str | Path,
    frames_table: str | Path,
    tracks_table: str | Path,
    box: int = 227,
    height: int = 448,
    width: int = 600,
    timeout: float | None = TIMEOUT,
    threads: int = 1,
    report: Report = silent,
    **settings: Any,
) -> dict[str, float]:
    """Track the query box of each accepted frame of a shard over `Tracking.frames` frames.

    Writes a CSV with a row an accepted frame: the query box, the last frame and the tracked box (all in the frame of
    `height` x `width`, turned for portrait video; frames by their native indices), a score, and a status, tracked or
    lost, with the reason:

    - "lost": the filter's peak fell below `peak`, or from one frame to the next by more than two fifths, as at a cut;
    - "left the frame": the box's centre did on the way, or less than `visible` of the last box is inside, that is
      between the black bars that filtering found (ASSUME: a box that sticks out less is shifted inside, so that every
      patch is whole and holds no bar);
    - "video ended": there are not `frames` further frames, or one of them cannot be decoded;
    - "video failed: ...": it can no longer be read, or took longer than `timeout` seconds; boxes that had arrived
      before are tracked all the same.

    The last frame of a box that was lost or left the frame is the one where it did. The score is the peak of the
    filter's response at the last frame, about 1 where nothing has changed; OpenCV does not tell its own, there it is
    the correlation coefficient of the two patches as the tracker sees them, in grey, -1..1.

    Args:
        manifest: of the shard's videos.
        frames_table: as `query_patch.filter_shard` wrote it.
        tracks_table: the CSV to write.
        box: side of the query boxes in pixels.
        height: of the resized frames in pixels.
        width: likewise.
        timeout: seconds a video may take.
        threads: videos at once.
        report: told after each video, see `Progress`.
        settings: those of `Tracking`, by their names.

    Raises:
        UserError: a setting that cannot be, a table of another shard, or a disk that is full.
    """
    tracking = Tracking(**settings)
    _check(tracking)
    videos = read_manifest(manifest)
    accepted = (row for row in each_row(frames_table, FRAMES) if row["verdict"] == "accepted")
    queries = by_video(accepted, videos, frames_table)
    work = partial(_track_video, queries=queries, size=(height, width), box=box, tracking=tracking)
    counts = Counter(accepted=0, tracked=0, lost=0)
    progress = Progress("tracked", videos, report)

    def rows() -> Iterator[dict[str, Any]]:
        for video, found in each_video(work, videos, threads=threads, timeout=timeout):
            ends = Counter(row["status"] for row in found)
            counts.update(ends, accepted=len(found))
            progress.add(video, ends["tracked"])
            yield from found

    write_table(tracks_table, TRACKS, rows())
    return dict(counts)


class Track:
    """One query box on its way: a filter on small frames, and the box it has arrived at.

    Args:
        small: the query's frame as the tracker sees it: luma (h, w), RGB (h, w, 3) for OpenCV's.
        corner: left and top of the query box in the resized frame.
        box: its side there.
        frame_size: (height, width) of the resized frame.
        tracking: the settings.
    """

    def __init__(
        self,
        small: np.ndarray,
        corner: tuple[int, int],
        box: int,
        *,
        frame_size: tuple[int, int],
        tracking: Tracking,
    ) -> None:
        self.box, self.frame_size = box, frame_size
        self.scales = (small.shape[1] / frame_size[1], small.shape[0] / frame_size[0])
        self.reason = ""  # why the box was given up
        x, y = ((at + box / 2) * scale for at, scale in zip(corner, self.scales, strict=True))
        self.filter = _filter(small, (x, y), box * self.scales[0], tracking)

    def update(self, small: np.ndarray) -> None:
        """Follow the box into the next frame, until it is lost or its centre leaves the frame."""
        if self.reason:
            return
        found = self.filter.update(small)
        x, y = self.filter.centre
        if not found:
            self.reason = "lost"
        elif not (0 <= x < small.shape[1] and 0 <= y < small.shape[0]):
            self.reason = "left the frame"

    @property
    def tracked(self) -> tuple[int, int]:
        """Left and top of the box in the resized frame, unbounded."""
        x, y = (round(at / scale - self.box / 2) for at, scale in zip(self.filter.centre, self.scales, strict=True))
        return x, y

    @property
    def score(self) -> float:
        return self.filter.score


def _filter(small: np.ndarray, centre: tuple[float, float], side: float, tracking: Tracking) -> Filter:
    if tracking.tracker == "opencv":
        return OpenCVFilter(small, centre, side, least=tracking.peak)
    return CorrelationFilter(small, centre, side, least=tracking.peak, padding=tracking.padding, rate=tracking.rate)


def bounded(corner: tuple[int, int], box: int, picture: Rectangle, *, visible: float) -> tuple[int, int] | None:
    """The box shifted inside the picture, or None where less than `visible` of it is inside."""
    spans = tuple(zip(corner, picture[:2], picture[2:], strict=True))
    width, height = (max(0, min(at + box, end) - max(at, start)) for at, start, end in spans)
    if width * height < visible * box * box:
        return None
    x, y = (min(max(at, start), end - box) for at, start, end in spans)
    return x, y


def _track_video(
    video: Row,
    *,
    queries: dict[str, list[dict[str, str]]],
    size: tuple[int, int],
    box: int,
    tracking: Tracking,
) -> list[dict[str, Any]]:
    """Rows of one video, see `track_shard`; its frames are read once, those between the tracks are skipped."""
    rows = [_row(query, box) for query in queries[video.video_id]]
    if not rows:
        return []
    pictures = {int(query["frame"]): _picture(query) for query in queries[video.video_id] if query["right"]}
    outcomes: dict[int, dict[str, Any]] = {}
    missing = "video ended"
    try:
        for frame, outcome in _outcomes(video, rows, pictures, size=size, box=box, tracking=tracking):
            outcomes[frame] = outcome
    except UserError as error:
        missing = f"video failed: {error}"
    return [row | outcomes.get(row["frame"], {"reason": missing}) for row in rows]


def _row(query: dict[str, str], box: int) -> dict[str, Any]:
    start = {"x": int(query["x"]), "y": int(query["y"]), "w": box, "h": box}
    return {"video_id": query["video_id"], "frame": int(query["frame"]), **start, "status": "lost"}


def _picture(query: dict[str, str]) -> Rectangle:
    return int(query["left"]), int(query["top"]), int(query["right"]), int(query["bottom"])


def _outcomes(
    video: Row,
    rows: Sequence[dict[str, Any]],
    pictures: Mapping[int, Rectangle],
    *,
    size: tuple[int, int],
    box: int,
    tracking: Tracking,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """What became of the box of each query frame that could be read. Frames that no box needs any more are skipped."""
    corners = {row["frame"]: (row["x"], row["y"]) for row in rows}
    found = probe(video.path)
    times = timeline(video.path, tracking.resample_fps)
    starts = {frame: bisect_left(times, frame) for frame in corners}
    paths = {frame: times[start : start + tracking.frames + 1] for frame, start in starts.items()}
    yield from ((frame, {"reason": "video ended"}) for frame, path in paths.items() if len(path) <= tracking.frames)
    paths = {frame: path for frame, path in paths.items() if len(path) > tracking.frames}
    waiting = Counter(index for path in paths.values() for index in path)  # boxes that need a frame
    dropped: set[int] = set()
    scale = min(1.0, tracking.side / box)
    small, colour = (round(size[0] * scale), round(size[1] * scale)), tracking.tracker == "opencv"
    shown = frame_size(found, size)
    tracks: dict[int, Track] = {}  # on their way
    for index, image in read_frames(video.path, size=small, indices=sorted(waiting), dropped=dropped, colour=colour):
        for frame, track in list(tracks.items()):
            if paths[frame][0] == index:
                track.update(image)
                waiting[paths[frame].pop(0)] -= 1
            missing = paths[frame] and paths[frame][0] <= index
            if track.reason or missing or not paths[frame]:
                picture = pictures.get(frame, (0, 0, *shown[::-1]))
                yield frame, _outcome(tracks.pop(frame), index, picture, whole=not paths[frame], tracking=tracking)
                waiting.subtract(paths[frame])
                dropped |= {later for later in paths[frame] if not waiting[later]}
        if index in paths:
            tracks[index] = Track(image, corners[index], box, frame_size=shown, tracking=tracking)
            waiting[paths[index].pop(0)] -= 1


def _outcome(track: Track, index: int, picture: Rectangle, *, whole: bool, tracking: Tracking) -> dict[str, Any]:
    """What became of one query box that was followed up to frame `index`, the `whole` way or not."""
    if track.reason:
        return {"last_frame": index, "reason": track.reason}
    if not whole:
        return {"reason": "video ended"}
    box = track.box
    corner = bounded(track.tracked, box, picture, visible=tracking.visible)
    if corner is None:
        return {"last_frame": index, "reason": "left the frame"}
    place = {"tracked_x": corner[0], "tracked_y": corner[1], "tracked_w": box, "tracked_h": box}
    return {"last_frame": index, **place, "score": f"{track.score:.4f}", "status": "tracked", "reason": ""}


def _check(tracking: Tracking) -> None:
    if tracking.frames < 1:
        raise UserError(f"tracking frames: {tracking.frames}, expected at least 1")
    if tracking.tracker not in TRACKERS:
        raise UserError(f"tracking tracker: {tracking.tracker}, expected one of {', '.join(TRACKERS)}")
    if tracking.side < LEAST_SIDE:
        raise UserError(f"tracking side: {tracking.side}, expected at least {LEAST_SIDE} px")
    if tracking.padding < 0:
        raise UserError(f"tracking padding: {tracking.padding}, expected at least 0")
    if not 0 <= tracking.rate <= 1:
        raise UserError(f"tracking rate: {tracking.rate}, expected a share, 0..1")
    if not 0 <= tracking.visible <= 1:
        raise UserError(f"tracking visible: {tracking.visible}, expected a share, 0..1")
