"""Which frames of a video are accepted, by the motion of their points, and where their query box lies (paper §4)."""

from collections import Counter
from collections.abc import Container, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tracklearn.errors import UserError
from tracklearn.mining.motion import REPROJECTION, compensated_flow
from tracklearn.mining.overlays import Overlay, find_overlay, read_key_frames, stuck_points
from tracklearn.mining.query_box import best_box
from tracklearn.mining.surf import check_detector, interest_points
from tracklearn.mining.tables import FRAMES, spread, write_table
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.mining import Filtering, Frame
from tracklearn.videos.frames import read_frames
from tracklearn.videos.manifest import ManifestRow, read_manifest
from tracklearn.videos.progress import ShardProgress
from tracklearn.videos.shard_loop import each_video
from tracklearn.videos.timeline import timeline

COUNTED = ("candidates", "accepted", "unreadable_videos", "unfinished_videos", "overlaid_points")
MIN_FOLLOWERS = 0.5  # share of the points that follow the homography, below which the sparse flow is uncertain


class Points(NamedTuple):
    """The SURF points of a frame and their motion towards the next frame.

    Attributes:
        at: float32 (N, 2), x and y in pixels.
        motion: float32 (N, 2), the motion without the camera's, in pixels; NaN where a point was not followed.
        overlaid: bool (N,), points that are left out because they lie on an overlay; their motion is NaN.
        homography: the camera's motion (3, 3), None where there are too few points or too few agree.
        flow: the optical flow that measured the motion, "lucas-kanade" or "farneback".
    """

    at: np.ndarray
    motion: np.ndarray
    overlaid: np.ndarray
    homography: np.ndarray | None
    flow: str

    @property
    def lengths(self) -> np.ndarray:
        """float32 (N,), the lengths of the motion in pixels."""
        return np.linalg.norm(self.motion, axis=1)


def filter_shard(
    *,
    manifest: str | Path,
    frames_table: str | Path,
    frame: Block = None,
    filtering: Block = None,
    resample_fps: float | None = None,
    timeout: float | None = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Accept or reject every candidate frame of a shard's videos, and find the query box of each accepted frame.

    Writes a CSV file with one row for each candidate, in these columns:

    - `points`: SURF points found; `overlaid`: those left out because they lie on an overlay;
    - `moving`: points that move; `fraction`: their share of the points that were found again in the next frame;
    - `verdict` and `reason`;
    - `x`, `y`: left and top of the query box in the resized frame; `inside`: the moving points in it;
    - `left`, `top`, `right`, `bottom`: the area between black bars (the last two one past its end), if there are bars;
    - `surf`: the implementation of SURF; `flow`: the optical flow that decided.

    If a video cannot be read to its end, or not in time, its last row gives the reason and has no frame index.

    Args:
        manifest: manifest of the shard.
        frames_table: the CSV file to write.
        frame: settings of `settings.mining.Frame`.
        filtering: settings of `settings.mining.Filtering`.
        resample_fps: frames per second at which frames are counted, see `timeline`. The table holds frame indices of
            the file in any case.
        timeout: seconds that one video may take.
        threads: videos at once.
        report: called after each video, see `ShardProgress`.

    Returns:
        Counts: candidates, accepted, videos without a candidate (`unreadable_videos`), videos judged in part
        (`unfinished_videos`), `overlaid_points`, and candidates by reason, `rejected/<reason>`.

    Raises:
        UserError: a wrong setting, or the disk is full.
    """
    frame_settings, filter_settings = Frame.read(frame), Filtering.read(filtering)
    frame_size = (frame_settings.height, frame_settings.width)
    if filter_settings.box > min(frame_size):
        raise UserError(
            f"{filter_settings.where}.box is {filter_settings.box}; expected at most the shorter side of the frame, "
            f"{min(frame_size)}"
        )
    check_detector(filter_settings.surf)
    work = partial(judge_video, frame_size=frame_size, filter_settings=filter_settings, resample_fps=resample_fps)
    videos = read_manifest(manifest)
    counts = Counter(dict.fromkeys(COUNTED, 0))
    progress = ShardProgress("accepted", videos, report)

    def rows() -> Iterator[dict[str, Any]]:
        for video, found in each_video(work, videos, threads=threads, timeout=timeout):
            counted = _counted(found)
            counts.update(counted)
            progress.add(video, counted["accepted"])
            yield from found

    write_table(frames_table, FRAMES, rows())
    return dict(counts)


def _counted(rows: list[dict[str, Any]]) -> Counter[str]:
    """The counts of one video's rows, see `filter_shard`."""
    candidate_rows = [row for row in rows if "frame" in row]
    reasons = Counter(f"rejected/{row['reason']}" for row in candidate_rows if row["verdict"] == "rejected")
    counts = Counter(
        candidates=len(candidate_rows),
        accepted=len(candidate_rows) - reasons.total(),
        overlaid_points=sum(row["overlaid"] for row in candidate_rows),
    )
    failure_rows = len(rows) - len(candidate_rows)  # 1 if the video failed, otherwise 0
    counts["unfinished_videos" if candidate_rows else "unreadable_videos"] = failure_rows
    return counts + reasons


def judge_video(
    video: ManifestRow, *, frame_size: tuple[int, int], filter_settings: Filtering, resample_fps: float | None
) -> list[dict[str, Any]]:
    """Rows of one video, see `filter_shard`; `frame_size` is (height, width) of the resized frames."""
    failure_row = {"video_id": video.video_id, "verdict": "rejected", "surf": filter_settings.surf}
    if not video.ok:
        return [failure_row | {"reason": f"video failed: {video.reason}"}]
    rows: list[dict[str, Any]] = []
    failure = "no two consecutive frames can be decoded"
    try:
        overlay = find_overlay(read_key_frames(video.path, size=frame_size)) if filter_settings.overlays else None
        found = candidate_frames(video.path, frame_size, resample_fps=resample_fps, every=filter_settings.every)
        for frame_index, image, next_image in found:
            judged = judge(image, next_image, filter_settings, overlay)
            rows.append({"video_id": video.video_id, "frame": frame_index, **judged, "surf": filter_settings.surf})
    except UserError as error:
        failure = str(error)
    else:
        if rows:
            return _limited(rows, filter_settings.max_pairs_per_video)
    return [*_limited(rows, filter_settings.max_pairs_per_video), failure_row | {"reason": f"video failed: {failure}"}]


def candidate_frames(
    path: str,
    frame_size: tuple[int, int],
    *,
    resample_fps: float | None,
    every: int = 1,
    among: Container[int] | None = None,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Candidate frames of a video, each with its successor: (index in the file, luma, luma of the next frame).

    The candidates are every `every`-th frame of the video's timeline. If `among` is given, a candidate whose index is
    not in `among` is left out.
    """
    frame_indices = timeline(path, resample_fps)
    steps = zip(frame_indices[:-1:every], frame_indices[1::every], strict=True)
    successor_of = {index: successor for index, successor in steps if among is None or index in among}
    needed = sorted({*successor_of, *successor_of.values()})
    previous: tuple[int, np.ndarray] | None = None
    for index, image in read_frames(path, size=frame_size, indices=needed):
        if previous is not None and successor_of.get(previous[0]) == index:
            yield previous[0], previous[1], image
        previous = index, image


def judge(
    image: np.ndarray, next_image: np.ndarray, filter_settings: Filtering, overlay: Overlay | None = None
) -> dict[str, Any]:
    """Accept or reject one frame by its motion towards the next frame; both images are luma, uint8 (H, W).

    Returns:
        Values of the frame's row, see `filter_shard`.
    """
    points = points_with_motion(image, next_image, filter_settings, overlay)
    overlaid = int(points.overlaid.sum())
    row: dict[str, Any] = {"points": len(points.at), "overlaid": overlaid, "verdict": "rejected", "flow": points.flow}
    if points.homography is None:
        few = len(points.at) - overlaid < filter_settings.min_points
        return row | {"reason": "too few points" if few else "no homography"}
    lengths = points.lengths
    measured = int(np.isfinite(lengths).sum())
    if measured < filter_settings.min_points:
        return row | {"reason": "too few points"}
    moving = points.at[lengths > filter_settings.moving_px]  # False for NaN
    fraction = len(moving) / max(1, measured)
    row |= {"moving": len(moving), "fraction": f"{fraction:.4f}"}
    if not filter_settings.noise <= fraction <= filter_settings.camera:
        return row | {"reason": "noise" if fraction < filter_settings.noise else "camera"}
    whole = (0, 0, image.shape[1], image.shape[0])
    left, top, right, bottom = overlay.between_bars if overlay else whole
    if filter_settings.box > min(right - left, bottom - top):
        return row | {"reason": "black bars leave no room for the box"}
    x, y, inside = best_box(moving - (left, top), (bottom - top, right - left), filter_settings.box)
    row |= {"verdict": "accepted", "reason": "motion", "x": left + x, "y": top + y, "inside": inside}
    if (left, top, right, bottom) != whole:
        row |= {"left": left, "top": top, "right": right, "bottom": bottom}
    return row


def points_with_motion(
    image: np.ndarray, next_image: np.ndarray, filter_settings: Filtering, overlay: Overlay | None = None
) -> Points:
    """The SURF points of a frame and their motion towards the next frame; both images are luma, uint8 (H, W).

    The motion is not measured where fewer than `min_points` lie outside the overlay. With `flow: hybrid`, the sparse
    flow measures it first, and then the dense flow where the sparse flow is `uncertain` about the frame.
    """
    at = interest_points(image, filter_settings)
    if filter_settings.flow != "hybrid":
        return _measured(image, next_image, at, filter_settings, overlay, filter_settings.flow)
    points = _measured(image, next_image, at, filter_settings, overlay, "lucas-kanade")
    if uncertain(points, filter_settings):
        return _measured(image, next_image, at, filter_settings, overlay, "farneback")
    return points


def uncertain(points: Points, filter_settings: Filtering) -> bool:
    """Whether the dense flow may judge a frame differently, from its points as the sparse flow measured them.

    The sparse flow is uncertain in two cases. First, the share of moving points lies within `margin` of `noise` or of
    `camera`. Second, a share below `MIN_FOLLOWERS` of the points follows the homography; then several homographies are
    possible, and each flow may find another one.
    """
    lengths = points.lengths
    lengths = lengths[np.isfinite(lengths)]
    if len(lengths) < filter_settings.min_points:
        return False
    fraction = np.mean(lengths > filter_settings.moving_px)
    near = min(abs(fraction - filter_settings.noise), abs(fraction - filter_settings.camera)) < filter_settings.margin
    return bool(near or np.mean(lengths < REPROJECTION) < MIN_FOLLOWERS)


def _measured(
    image: np.ndarray,
    next_image: np.ndarray,
    at: np.ndarray,
    filter_settings: Filtering,
    overlay: Overlay | None,
    flow: str,
) -> Points:
    """The given points with their motion by one flow."""
    overlaid = ~overlay.on_scene(at) if overlay else np.zeros(len(at), bool)
    motion, homography = np.full((len(at), 2), np.nan, np.float32), None
    scene = np.flatnonzero(~overlaid)
    if len(scene) >= filter_settings.min_points:
        motion[scene], homography = compensated_flow(image, next_image, at[scene], flow=flow)
    if overlay and homography is not None:
        stuck = scene[stuck_points(image, next_image, at[scene], homography)]
        overlaid[stuck], motion[stuck] = True, np.nan
    return Points(at, motion, overlaid, homography, flow)


def _limited(rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Reject accepted rows in place until at most `limit` remain; these are spread evenly over the video."""
    accepted = [row for row in rows if row["verdict"] == "accepted"]
    for place in {*range(len(accepted))} - {*spread(range(len(accepted)), limit)}:
        accepted[place].update(verdict="rejected", reason="more than max_pairs_per_video")
    return rows
