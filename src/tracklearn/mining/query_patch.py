"""Which frames to take a query patch from, and where in them (paper §4)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracklearn.errors import UserError
from tracklearn.mining import surf as surf_points
from tracklearn.mining.motion import FLOWS, compensated_flow
from tracklearn.mining.overlay import Overlay, find_overlay, read_key_frames, stuck_points
from tracklearn.mining.shard import FRAMES, TIMEOUT, Progress, each_video, timeline, write_table
from tracklearn.report import Report, silent
from tracklearn.videos.frames import probe, read_frames
from tracklearn.videos.manifest import Row, read_manifest


@dataclass(frozen=True)
class Rule:
    """How a frame is judged.

    Attributes:
        box: side of the query box in pixels.
        detector: SURF implementation.
        threshold: of the SURF points.
        max_points: at most that many SURF points a frame.
        min_points: a frame with fewer is rejected.
            ASSUME: a share of fewer points says little, and improved dense trajectories ask for as many matches.
        flow: lucas-kanade or farneback.
        moving_px: a point moves if its compensated flow is longer.
        noise: least share of moving points; below, the motion is noise.
        camera: largest share of moving points; above, the camera moves.
        overlays: leave out points of logos and subtitles, and keep the query box off black bars.
    """

    box: int = 227  # PAPER §4
    detector: str = "fast-hessian"
    threshold: float = 5.0
    max_points: int = 1024
    min_points: int = 50
    flow: str = "lucas-kanade"
    moving_px: float = 0.5  # PAPER §4
    noise: float = 0.25  # PAPER §4
    camera: float = 0.75  # PAPER §4
    overlays: bool = True


def filter_shard(
    *,
    manifest: str | Path,
    frames_table: str | Path,
    height: int = 448,
    width: int = 600,
    resample_fps: float | None = None,
    every: int = 30,
    box: int = 227,
    surf: str = "fast-hessian",
    surf_threshold: float = 5.0,
    max_points: int = 1024,
    min_points: int = 50,
    flow: str = "lucas-kanade",
    moving_px: float = 0.5,
    noise: float = 0.25,
    camera: float = 0.75,
    overlays: bool = True,
    max_pairs_per_video: int = 100,
    timeout: float | None = TIMEOUT,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Judge one frame in `every` of a shard's videos and find the query box of those that are accepted.

    Writes a CSV with a row a candidate: SURF points found, those left out as overlaid, those moving, their share (of
    the others, where they were found again in the next frame), the verdict with its reason, the query box's corner in
    the frame of `height` x `width` (turned for portrait video), the moving points inside it, and the SURF
    implementation. A video that cannot be read is a row without a frame.

    Frames are counted and followed at `resample_fps`, see `timeline`; the table holds their native indices. The other
    settings are those of `Rule`. `max_pairs_per_video`: PAPER §4, 8M patches of 100K videos are 40 pairs a video;
    ASSUME: 2.5 times as many at most, and of more accepted frames those that spread evenly over the video. `timeout`:
    seconds a video may take.

    Raises:
        UserError: a setting that cannot be, or a disk that is full.
    """
    rule = Rule(box, surf, surf_threshold, max_points, min_points, flow, moving_px, noise, camera, overlays)
    _check(rule, (height, width), every)
    sampling = {"resample_fps": resample_fps, "every": every}
    work = partial(judge_video, size=(height, width), sampling=sampling, rule=rule, limit=max_pairs_per_video)
    videos = read_manifest(manifest)
    rows: list[dict[str, Any]] = []
    progress = Progress("accepted", videos, report)
    for video, found in each_video(work, videos, threads=threads, timeout=timeout):
        rows += found
        progress.add(video, sum(row["verdict"] == "accepted" for row in found))
    write_table(frames_table, FRAMES, rows)
    candidates = [row for row in rows if "frame" in row]
    reasons = Counter(row["reason"] for row in candidates if row["verdict"] == "rejected")
    return {
        "candidates": len(candidates),
        "accepted": len(candidates) - reasons.total(),
        "unreadable_videos": len(rows) - len(candidates),
        "overlaid_points": sum(row["overlaid"] for row in candidates),
        **{f"rejected/{reason}": count for reason, count in reasons.items()},
    }


def judge_video(
    video: Row, *, size: tuple[int, int], sampling: dict[str, Any], rule: Rule, limit: int
) -> list[dict[str, Any]]:
    """Rows of one video, see `filter_shard`."""
    rejected = {"video_id": video.video_id, "verdict": "rejected", "surf": rule.detector}
    if not video.ok:
        return [rejected | {"reason": f"video failed: {video.reason}"}]
    try:
        overlay = find_overlay(read_key_frames(video.path, size=size)) if rule.overlays else None
        rows = [
            {
                "video_id": video.video_id,
                "frame": frame,
                **judge(previous, current, rule, overlay),
                "surf": rule.detector,
            }
            for frame, previous, current in _candidates(video.path, size, **sampling)
        ]
    except UserError as error:
        return [rejected | {"reason": f"video failed: {error}"}]
    if not rows:
        return [rejected | {"reason": "video failed: no two frames in a row can be decoded"}]
    return _spread(rows, limit)


def judge(previous: np.ndarray, current: np.ndarray, rule: Rule, overlay: Overlay | None = None) -> dict[str, Any]:
    """Accept or reject one frame (uint8 (H, W)) by its motion towards the next; see `filter_shard` for the keys."""
    found = surf_points.interest_points(
        previous, detector=rule.detector, threshold=rule.threshold, max_points=rule.max_points
    )
    points = found[overlay.free(found)] if overlay else found
    row: dict[str, Any] = {"points": len(found), "overlaid": len(found) - len(points), "verdict": "rejected"}
    if len(points) < rule.min_points:
        return row | {"reason": "too few points"}
    lengths, homography = compensated_flow(previous, current, points, flow=rule.flow)
    if homography is None:
        return row | {"reason": "no homography"}
    if overlay:
        stuck = stuck_points(previous, current, points, homography)
        lengths[stuck] = np.nan
        row["overlaid"] += int(stuck.sum())
    moving = points[lengths > rule.moving_px]  # NaN is not
    fraction = len(moving) / max(1, np.isfinite(lengths).sum())
    row |= {"moving": len(moving), "fraction": f"{fraction:.4f}"}
    if not rule.noise <= fraction <= rule.camera:
        return row | {"reason": "noise" if fraction < rule.noise else "camera"}
    return row | _query_box(moving, overlay.picture if overlay else (0, 0, *previous.shape[::-1]), rule.box)


def _query_box(moving: np.ndarray, picture: tuple[int, int, int, int], box: int) -> dict[str, Any]:
    """Where the box with most moving points lies between the bars, the picture's left, top, right and bottom."""
    left, top, right, bottom = picture
    if box > min(right - left, bottom - top):
        return {"reason": "black bars leave no room for the box"}
    x, y, inside = best_box(moving - (left, top), (bottom - top, right - left), box)
    return {"verdict": "accepted", "reason": "motion", "x": left + x, "y": top + y, "inside": inside}


def best_box(points: np.ndarray, size: Sequence[int], box: int) -> tuple[int, int, int]:
    """The `box` x `box` window inside a frame that holds most points: left, top and the number of points in it.

    Every whole-pixel position is looked at, by integral images; a point lies in the pixel that it is rounded down to.
    ASSUME: of windows with equally many points the one whose points lie closest to its centre (least sum of squared
    distances), and of those the first from the top, then from the left.

    Args:
        points: (N, 2), x and y in pixels; points outside the frame count for the pixel nearest to them.
        size: (height, width) of the frame, at least `box` each.
        box: side in pixels.
    """
    height, width = size
    x = np.clip(np.floor(points[:, 0]), 0, width - 1).astype(np.int64)
    y = np.clip(np.floor(points[:, 1]), 0, height - 1).astype(np.int64)
    count = _window_sums(x, y, np.ones_like(x), size, box)
    tied = count == count.max()
    top, left = np.nonzero(tied)
    sum_x, sum_y, squares = (_window_sums(x, y, value, size, box)[tied] for value in (x, y, x * x + y * y))
    # Twice the centre, so that all is whole: 4 sum |p - c|^2 = 4 sum |p|^2 - 4 (2c) sum p + n |2c|^2
    centre_x, centre_y = 2 * left + box - 1, 2 * top + box - 1
    spread = 4 * squares - 4 * (centre_x * sum_x + centre_y * sum_y) + count.max() * (centre_x**2 + centre_y**2)
    best = int(np.argmin(spread))
    return int(left[best]), int(top[best]), int(count.max())


def _window_sums(x: np.ndarray, y: np.ndarray, values: np.ndarray, size: Sequence[int], box: int) -> np.ndarray:
    """Sum of the values in each window: int64 (height - box + 1, width - box + 1)."""
    image = np.zeros(size, np.float64)
    np.add.at(image, (y, x), values)
    sums = cv2.integral(image, sdepth=cv2.CV_64F)  # whole numbers below 2^53 are exact
    windows = sums[box:, box:] - sums[:-box, box:] - sums[box:, :-box] + sums[:-box, :-box]
    return windows.astype(np.int64)


def _candidates(
    path: str, size: tuple[int, int], *, resample_fps: float | None, every: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Every `every`-th frame of a video's timeline that has a next one, with that next one."""
    times = timeline(probe(path), resample_fps)
    following = dict(zip(times[:-1:every], times[1::every], strict=True))
    wanted = sorted({*following, *following.values()})
    before: tuple[int, np.ndarray] | None = None
    for index, image in read_frames(path, size=size, indices=wanted):
        if before is not None and following.get(before[0]) == index:
            yield before[0], before[1], image
        before = index, image


def _spread(rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Keep `limit` of the accepted rows, evenly spread, and reject the others."""
    accepted = [row for row in rows if row["verdict"] == "accepted"]
    if len(accepted) > limit:
        kept = set(np.linspace(0, len(accepted) - 1, limit).round().astype(int).tolist())
        for place, row in enumerate(accepted):
            if place not in kept:
                row.update(verdict="rejected", reason="more than max_pairs_per_video")
    return rows


def _check(rule: Rule, size: tuple[int, int], every: int) -> None:
    if rule.box > min(size):
        raise UserError(f"mining box: {rule.box}, expected at most the frame's shorter side, {min(size)}")
    if every < 1:
        raise UserError(f"mining every: {every}, expected at least 1 frame")
    if not 0 <= rule.noise < rule.camera <= 1:
        raise UserError(f"mining noise {rule.noise}, camera {rule.camera}: expected 0 <= noise < camera <= 1")
    surf_points.check_detector(rule.detector)
    if rule.flow not in FLOWS:
        raise UserError(f"mining flow: {rule.flow!r}, expected one of {', '.join(FLOWS)}")
