"""Tracking a query box to its last frame with a kernelised correlation filter (paper §4).

Henriques et al., "High-Speed Tracking with Kernelized Correlation Filters", PAMI 2015, in OpenCV's form: colour names
and grey, no change of scale.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracklearn.errors import UserError
from tracklearn.mining.shard import FRAMES, TRACKS, by_video, each_video, read_table, timeline, write_table
from tracklearn.report import Report, silent
from tracklearn.videos.frames import frame_size, probe, read_frames
from tracklearn.videos.manifest import Row, read_manifest


@dataclass(frozen=True)
class Tracking:
    """How a box is tracked.

    Attributes:
        frames: frames from the query to the tracked patch.
        scale: of the frames that the tracker sees, against the resized frame.
            ASSUME: 1/4, which ends within IoU 0.97 of full scale at a fiftieth of the time.
        sigma: width of the tracker's target against the box. ASSUME: 1/8; OpenCV's 1/16 loses most tracks at 1/4.
        peak: least response of the filter; below, the tracker gives the box up. ASSUME: OpenCV's 0.5.
        visible: least share of the last box that lies inside the frame. ASSUME: 3/4.
        resample_fps: frames a second at which `frames` counts, see `timeline`; None: native frames, whatever the rate.
    """

    frames: int = 30  # PAPER §4
    scale: float = 0.25
    sigma: float = 0.125
    peak: float = 0.5
    visible: float = 0.75
    resample_fps: float | None = None


def track_shard(
    *,
    manifest: str | Path,
    frames_table: str | Path,
    tracks_table: str | Path,
    box: int = 227,
    height: int = 448,
    width: int = 600,
    frames: int = 30,
    scale: float = 0.25,
    sigma: float = 0.125,
    peak: float = 0.5,
    visible: float = 0.75,
    resample_fps: float | None = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Track the query box of each accepted frame of a shard over `frames` frames.

    Writes a CSV with a row an accepted frame: the query box, the last frame and the tracked box (all in the frame of
    `height` x `width`, turned for portrait video; frames by their native indices), a score, and a status, tracked or
    lost, with the reason:

    - "lost": the filter's peak fell below `peak`;
    - "left the frame": the box's centre did on the way, or less than `visible` of the last box is inside (ASSUME: a
      box that sticks out less is shifted inside, so that every patch is whole);
    - "video ended": there are not `frames` further frames, or one of them cannot be decoded;
    - "video failed: ...": it can no longer be read.

    The score is the correlation coefficient of the two patches as the tracker sees them, in grey, -1..1: OpenCV does
    not tell the filter's own response. The other settings are those of `Tracking`.

    Raises:
        UserError: a setting that cannot be, a table of another shard, or a disk that is full.
    """
    tracking = Tracking(frames, scale, sigma, peak, visible, resample_fps)
    _check(tracking, box)
    videos = read_manifest(manifest)
    accepted = [row for row in read_table(frames_table, FRAMES) if row["verdict"] == "accepted"]
    queries = by_video(accepted, videos, frames_table)
    work = partial(_track_video, queries=queries, size=(height, width), box=box, tracking=tracking)
    rows: list[dict[str, Any]] = []
    for step, (_, found) in enumerate(each_video(work, videos, threads=threads), 1):
        rows += found
        report(step, {"tracked": sum(row["status"] == "tracked" for row in rows)})
    write_table(tracks_table, TRACKS, rows)
    tracked = sum(row["status"] == "tracked" for row in rows)
    return {"accepted": len(rows), "tracked": tracked, "lost": len(rows) - tracked}


class Track:
    """One query box on its way: OpenCV's filter on small frames, and the box it has arrived at.

    Args:
        small: the query's frame as the tracker sees it, RGB (h, w, 3).
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
        self.corner, self.box, self.frame_size = corner, box, frame_size
        self.scales = scales = (small.shape[1] / frame_size[1], small.shape[0] / frame_size[0])
        self.reason = ""  # why the box was given up
        side = fast_side(box * scales[0])
        self.start = [round((at + box / 2) * scale - side / 2) for at, scale in zip(corner, scales, strict=True)]
        self.query = _grey(small, self.start, side)
        self.last = small
        self.seen: Sequence[int] = (*self.start, side, side)
        params = cv2.TrackerKCF.Params()
        params.output_sigma_factor = tracking.sigma
        params.detect_thresh = tracking.peak
        self.filter = cv2.TrackerKCF.create(params)
        # Grey frames would crash it: opencv/opencv#22203.
        self.filter.init(_bgr(small), self.seen)
        # OpenCV's first update only learns, it looks for nothing: let it learn the query, not the frame after it.
        self.filter.update(_bgr(small))

    def update(self, small: np.ndarray) -> None:
        """Follow the box into the next frame, until it is lost or its centre leaves the frame."""
        if self.reason:
            return
        found, self.seen = self.filter.update(_bgr(small))
        self.last = small
        x, y, side, _ = self.seen
        height, width = small.shape[:2]
        if not found:
            self.reason = "lost"
        elif not (0 <= x + side / 2 < width and 0 <= y + side / 2 < height):
            self.reason = "left the frame"

    @property
    def tracked(self) -> tuple[int, int]:
        """Left and top of the box in the resized frame, unbounded."""
        x, y = (
            round(at + (now - start) / scale)
            for at, now, start, scale in zip(self.corner, self.seen, self.start, self.scales, strict=False)
        )
        return x, y

    @property
    def score(self) -> float:
        """Correlation coefficient of the query with the patch at the box, -1..1."""
        x, y, side, _ = self.seen
        now = _grey(self.last, (x, y), side)
        return float(cv2.matchTemplate(now, self.query, cv2.TM_CCOEFF_NORMED)[0, 0])


def fast_side(side: float) -> int:
    """The whole side nearest to `side` whose doubled length, the filter's window, has a fast DFT (factors <= 7).

    At the paper's 227 the window is a prime and an update takes ten times as long.
    """
    sides = range(4, 2 * round(side) + 8)
    return min((n for n in sides if _smooth(2 * n)), key=lambda n: (abs(n - side), n))


def bounded(corner: tuple[int, int], box: int, size: tuple[int, int], *, visible: float) -> tuple[int, int] | None:
    """The box shifted inside a frame of `size` (height, width), or None where less than `visible` of it is inside."""
    spans = [max(0, min(at + box, length) - max(at, 0)) for at, length in zip(corner, size[::-1], strict=True)]
    if spans[0] * spans[1] < visible * box * box:
        return None
    x, y = (min(max(at, 0), length - box) for at, length in zip(corner, size[::-1], strict=True))
    return x, y


def _smooth(number: int) -> bool:
    for factor in (2, 3, 5, 7):
        while number % factor == 0:
            number //= factor
    return number == 1


def _bgr(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR)


def _grey(image: np.ndarray, corner: Sequence[int], side: int) -> np.ndarray:
    """The grey patch at a box, edge pixels repeated where it sticks out."""
    x, y = corner
    centre = (x + (side - 1) / 2, y + (side - 1) / 2)
    return cv2.getRectSubPix(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (side, side), centre)


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
    try:
        tracks = _tracks(video, rows, size=size, box=box, tracking=tracking)
    except UserError as error:
        return [row | {"reason": f"video failed: {error}"} for row in rows]
    return [row | _outcome(tracks.get(row["frame"]), tracking) for row in rows]


def _row(query: dict[str, str], box: int) -> dict[str, Any]:
    start = {"x": int(query["x"]), "y": int(query["y"]), "w": box, "h": box}
    return {"video_id": query["video_id"], "frame": int(query["frame"]), **start, "status": "lost"}


def _tracks(
    video: Row, rows: Sequence[dict[str, Any]], *, size: tuple[int, int], box: int, tracking: Tracking
) -> dict[int, tuple[list[int], Track]]:
    """(Frames seen without a gap, track) of each query frame that could be read."""
    corners = {row["frame"]: (row["x"], row["y"]) for row in rows}
    found = probe(video.path)
    times = timeline(found, tracking.resample_fps)
    starts = {frame: bisect_left(times, frame) for frame in corners}
    paths = {frame: times[start : start + tracking.frames + 1] for frame, start in starts.items()}
    wanted = sorted({index for path in paths.values() for index in path})
    small = (round(size[0] * tracking.scale), round(size[1] * tracking.scale))
    tracks: dict[int, tuple[list[int], Track]] = {}
    for index, image in read_frames(video.path, size=small, indices=wanted, colour=True):
        for frame, (seen, track) in tracks.items():
            if paths[frame][len(seen) :][:1] == [index]:
                track.update(image)
                seen.append(index)
        if index in corners:
            track = Track(image, corners[index], box, frame_size=frame_size(found, size), tracking=tracking)
            tracks[index] = ([index], track)
    return tracks


def _outcome(followed: tuple[list[int], Track] | None, tracking: Tracking) -> dict[str, Any]:
    """What became of one query box."""
    if followed is not None and followed[1].reason:
        return {"reason": followed[1].reason}
    if followed is None or len(followed[0]) <= tracking.frames:
        return {"reason": "video ended"}
    (*_, last), track = followed
    box = track.box
    corner = bounded(track.tracked, box, track.frame_size, visible=tracking.visible)
    if corner is None:
        return {"last_frame": last, "reason": "left the frame"}
    place = {"tracked_x": corner[0], "tracked_y": corner[1], "tracked_w": box, "tracked_h": box}
    return {"last_frame": last, **place, "score": f"{track.score:.4f}", "status": "tracked", "reason": ""}


def _check(tracking: Tracking, box: int) -> None:
    if tracking.frames < 1:
        raise UserError(f"tracking frames: {tracking.frames}, expected at least 1")
    if not 0 < tracking.scale <= 1 or box * tracking.scale < 8:
        side = box * tracking.scale
        raise UserError(
            f"tracking scale: {tracking.scale}, expected at most 1 and a box of at least 8 px, not {side:g}"
        )
    if not 0 <= tracking.visible <= 1:
        raise UserError(f"tracking visible: {tracking.visible}, expected a share, 0..1")
