"""Which frames to take a query patch from, and where in them (paper §4)."""

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from tracklearn.errors import UserError
from tracklearn.mining import surf as surf_points
from tracklearn.mining.motion import FLOWS, compensated_flow
from tracklearn.mining.overlays import Overlay, Rectangle, find_overlay, read_key_frames, stuck_points
from tracklearn.mining.tables import FRAMES, TIMEOUT, Progress, each_video, spread, timeline, write_table
from tracklearn.report import Report, silent
from tracklearn.videos.frames import read_frames
from tracklearn.videos.manifest import Row, read_manifest

COUNTED = ("candidates", "accepted", "unreadable_videos", "unfinished_videos", "overlaid_points")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How a frame is judged.

    Attributes:
        box: side of the query box in pixels.
        surf: SURF implementation.
        surf_threshold: of the SURF points.
        max_points: at most that many SURF points a frame.
        min_points: a frame is rejected with fewer that lie on no overlay and are found again in the next frame.
            ASSUME: a share of fewer points says little, and improved dense trajectories ask for as many matches.
        flow: lucas-kanade or farneback.
        moving_px: a point moves if its compensated flow is longer.
        noise: least share of moving points; below, the motion is noise.
        camera: largest share of moving points; above, the camera moves.
        overlays: leave out points of logos and subtitles, and keep the query box off black bars.
    """

    box: int = 227  # PAPER §4
    surf: str = "fast-hessian"
    surf_threshold: float = 5.0
    max_points: int = 1024
    min_points: int = 50
    flow: str = "lucas-kanade"
    moving_px: float = 0.5  # PAPER §4
    noise: float = 0.25  # PAPER §4
    camera: float = 0.75  # PAPER §4
    overlays: bool = True


class Points(NamedTuple):
    """The SURF points of a frame, and how they move towards the next frame.

    Attributes:
        at: float32 (N, 2), x and y in pixels.
        lengths: float32 (N,), of the motion beyond the camera's in pixels; NaN where a point was not followed.
        overlaid: bool (N,), the points left out since they lie on an overlay; their lengths are NaN.
        homography: the camera's motion, (3, 3); None where there are too few points or they agree on none.
    """

    at: np.ndarray
    lengths: np.ndarray
    overlaid: np.ndarray
    homography: np.ndarray | None


def filter_shard(
    *,
    manifest: str | Path,
    frames_table: str | Path,
    height: int = 448,
    width: int = 600,
    resample_fps: float | None = None,
    every: int = 30,
    max_pairs_per_video: int = 100,
    timeout: float | None = TIMEOUT,
    threads: int = 1,
    report: Report = silent,
    **settings: Any,
) -> dict[str, float]:
    """Judge one frame in `every` of a shard's videos and find the query box of those that are accepted.

    Writes a CSV with a row a candidate: SURF points found, those left out as overlaid, those moving, their share (of
    the others, where they were found again in the next frame), the verdict with its reason, the query box's corner in
    the frame of `height` x `width` (turned for portrait video), the moving points inside it, where black bars leave
    less than the frame the picture's left, top, right and bottom (one past the last), and the SURF implementation. A
    video that cannot be read, or not to its end in time, has a last row without a frame that says why.

    Args:
        manifest: of the shard's videos.
        frames_table: the CSV to write.
        height: of the resized frames in pixels.
        width: likewise.
        resample_fps: frames a second at which frames are counted and followed, see `timeline`; the table holds their
            native indices.
        every: frames from one candidate to the next.
        max_pairs_per_video: PAPER §4, 8M patches of 100K videos are 40 pairs a video; ASSUME: 2.5 times as many at
            most, and of more accepted frames those that spread evenly over the video.
        timeout: seconds a video may take.
        threads: videos at once.
        report: told after each video, see `Progress`.
        settings: those of `Rule`, by their names.

    Returns:
        How many candidates, accepted ones, videos without a candidate, videos judged in part, points left out as
        overlaid, and candidates `rejected/<reason>`.

    Raises:
        UserError: a setting that cannot be, or a disk that is full.
    """
    rule = Rule(**settings)
    _check(rule, (height, width), every)
    sampling = {"resample_fps": resample_fps, "every": every}
    work = partial(judge_video, size=(height, width), sampling=sampling, rule=rule, limit=max_pairs_per_video)
    videos = read_manifest(manifest)
    counts = Counter(dict.fromkeys(COUNTED, 0))
    progress = Progress("accepted", videos, report)

    def rows() -> Iterator[dict[str, Any]]:
        for video, found in each_video(work, videos, threads=threads, timeout=timeout):
            counted = _counted(found)
            counts.update(counted)
            progress.add(video, counted["accepted"])
            yield from found

    write_table(frames_table, FRAMES, rows())
    return dict(counts)


def _counted(rows: list[dict[str, Any]]) -> Counter[str]:
    """What the rows of one video add to the shard's `COUNTED` and to the frames `rejected/<reason>`."""
    candidates = [row for row in rows if "frame" in row]
    reasons = Counter(f"rejected/{row['reason']}" for row in candidates if row["verdict"] == "rejected")
    overlaid = sum(row["overlaid"] for row in candidates)
    counts = Counter(candidates=len(candidates), accepted=len(candidates) - reasons.total(), overlaid_points=overlaid)
    counts["unfinished_videos" if candidates else "unreadable_videos"] = len(rows) - len(candidates)
    return counts + reasons


def judge_video(
    video: Row, *, size: tuple[int, int], sampling: dict[str, Any], rule: Rule, limit: int
) -> list[dict[str, Any]]:
    """Rows of one video, see `filter_shard`."""
    rejected = {"video_id": video.video_id, "verdict": "rejected", "surf": rule.surf}
    if not video.ok:
        return [rejected | {"reason": f"video failed: {video.reason}"}]
    rows: list[dict[str, Any]] = []
    failure = "no two frames in a row can be decoded"
    try:
        overlay = find_overlay(read_key_frames(video.path, size=size)) if rule.overlays else None
        for frame, previous, current in candidates(video.path, size, **sampling):
            judged = judge(previous, current, rule, overlay)
            rows.append({"video_id": video.video_id, "frame": frame, **judged, "surf": rule.surf})
    except UserError as error:
        failure = str(error)
    else:
        if rows:
            return _limited(rows, limit)
    return [*_limited(rows, limit), rejected | {"reason": f"video failed: {failure}"}]


def judge(previous: np.ndarray, current: np.ndarray, rule: Rule, overlay: Overlay | None = None) -> dict[str, Any]:
    """Accept or reject one frame (uint8 (H, W)) by its motion towards the next; see `filter_shard` for the keys."""
    points = moving_points(previous, current, rule, overlay)
    overlaid = int(points.overlaid.sum())
    row: dict[str, Any] = {"points": len(points.at), "overlaid": overlaid, "verdict": "rejected"}
    if points.homography is None:
        few = len(points.at) - overlaid < rule.min_points
        return row | {"reason": "too few points" if few else "no homography"}
    measured = int(np.isfinite(points.lengths).sum())
    if measured < rule.min_points:
        return row | {"reason": "too few points"}
    moving = points.at[points.lengths > rule.moving_px]  # NaN is not
    fraction = len(moving) / max(1, measured)
    row |= {"moving": len(moving), "fraction": f"{fraction:.4f}"}
    if not rule.noise <= fraction <= rule.camera:
        return row | {"reason": "noise" if fraction < rule.noise else "camera"}
    frame = (0, 0, *previous.shape[::-1])
    return row | _query_box(moving, overlay.picture if overlay else frame, frame, rule.box)


def moving_points(previous: np.ndarray, current: np.ndarray, rule: Rule, overlay: Overlay | None = None) -> Points:
    """The SURF points of a frame (uint8 (H, W)) and their motion towards the next; too few are not followed."""
    at = surf_points.interest_points(
        previous, detector=rule.surf, threshold=rule.surf_threshold, max_points=rule.max_points
    )
    overlaid = ~overlay.free(at) if overlay else np.zeros(len(at), bool)
    lengths, homography = np.full(len(at), np.nan, np.float32), None
    scene = np.flatnonzero(~overlaid)
    if len(scene) >= rule.min_points:
        lengths[scene], homography = compensated_flow(previous, current, at[scene], flow=rule.flow)
    if overlay and homography is not None:
        stuck = scene[stuck_points(previous, current, at[scene], homography)]
        overlaid[stuck], lengths[stuck] = True, np.nan
    return Points(at, lengths, overlaid, homography)


def _query_box(moving: np.ndarray, picture: Rectangle, frame: Rectangle, box: int) -> dict[str, Any]:
    """Where the box with most moving points lies between the bars, that is inside the picture."""
    left, top, right, bottom = picture
    if box > min(right - left, bottom - top):
        return {"reason": "black bars leave no room for the box"}
    x, y, inside = best_box(moving - (left, top), (bottom - top, right - left), box)
    bars = {} if picture == frame else dict(zip(("left", "top", "right", "bottom"), picture, strict=True))
    return {"verdict": "accepted", "reason": "motion", "x": left + x, "y": top + y, "inside": inside, **bars}


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


def candidates(
    path: str,
    size: tuple[int, int],
    *,
    resample_fps: float | None,
    every: int = 1,
    among: Container[int] | None = None,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Luma of every `every`-th frame of a video's timeline that has a next one, with that next one.

    Where `among` is given, of those native indices only.
    """
    times = timeline(path, resample_fps)
    steps = zip(times[:-1:every], times[1::every], strict=True)
    following = {frame: after for frame, after in steps if among is None or frame in among}
    wanted = sorted({*following, *following.values()})
    before: tuple[int, np.ndarray] | None = None
    for index, image in read_frames(path, size=size, indices=wanted):
        if before is not None and following.get(before[0]) == index:
            yield before[0], before[1], image
        before = index, image


def _limited(rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Keep `limit` of the accepted rows, evenly spread, and reject the others."""
    accepted = [row for row in rows if row["verdict"] == "accepted"]
    for place in {*range(len(accepted))} - {*spread(range(len(accepted)), limit)}:
        accepted[place].update(verdict="rejected", reason="more than max_pairs_per_video")
    return rows


def _check(rule: Rule, size: tuple[int, int], every: int) -> None:
    if rule.box > min(size):
        raise UserError(f"mining box: {rule.box}, expected at most the frame's shorter side, {min(size)}")
    if every < 1:
        raise UserError(f"mining every: {every}, expected at least 1 frame")
    if not 0 <= rule.noise < rule.camera <= 1:
        raise UserError(f"mining noise {rule.noise}, camera {rule.camera}: expected 0 <= noise < camera <= 1")
    surf_points.check_detector(rule.surf)
    if rule.flow not in FLOWS:
        raise UserError(f"mining flow: {rule.flow!r}, expected one of {', '.join(FLOWS)}")
