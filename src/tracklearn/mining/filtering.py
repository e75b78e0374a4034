"""Which frames of a video are accepted, by the motion of their points, and where their query box lies (paper §4)."""

from collections import Counter
from collections.abc import Container, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tracklearn.errors import UserError
from tracklearn.mining.motion import compensated_flow
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


class Points(NamedTuple):
    """The SURF points of a frame and their motion towards the next frame.

    Attributes:
        at: float32 (N, 2), x and y in pixels.
        lengths: float32 (N,), length of the motion without the camera's, in pixels; NaN where a point was not followed.
        overlaid: bool (N,), points that are left out because they lie on an overlay; their lengths are NaN.
        homography: the camera's motion (3, 3), None where there are too few points or too few agree.
    """

    at: np.ndarray
    lengths: np.ndarray
    overlaid: np.ndarray
    homography: np.ndarray | None


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

    Writes a CSV file with one row a candidate, in these columns:

    - `points`: SURF points found; `overlaid`: those left out because they lie on an overlay;
    - `moving`: points that move; `fraction`: their share of the points that were found again in the next frame;
    - `verdict` and `reason`;
    - `x`, `y`: left and top of the query box in the resized frame; `inside`: the moving points in it;
    - `left`, `top`, `right`, `bottom`: the area between black bars (the last two one past its end), if there are bars;
    - `surf`: the implementation of SURF.

    A video that could not be read to its end, or not in time, has a last row with the reason and without a frame.

    Args:
        manifest: manifest of the shard.
        frames_table: the CSV file to write.
        frame: settings of `settings.mining.Frame`.
        filtering: settings of `settings.mining.Filtering`.
        resample_fps: frames a second at which frames are counted, see `timeline`; the table holds indices of the file.
        timeout: seconds that one video may take.
        threads: videos at once.
        report: called after each video, see `ShardProgress`.

    Returns:
        Counts: candidates, accepted, videos without a candidate (`unreadable_videos`), videos judged in part
        (`unfinished_videos`), `overlaid_points`, and candidates by reason, `rejected/<reason>`.

    Raises:
        UserError: a wrong setting, or the disk is full.
    """
    size, rule = Frame.read(frame), Filtering.read(filtering)
    if rule.box > min(size.height, size.width):
        raise UserError(
            f"{rule.where}.box is {rule.box}; expected at most the shorter side of the frame, "
            f"{min(size.height, size.width)}"
        )
    check_detector(rule.surf)
    work = partial(judge_video, frame=size, filtering=rule, resample_fps=resample_fps)
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
    counts["unfinished_videos" if candidate_rows else "unreadable_videos"] = len(rows) - len(candidate_rows)
    return counts + reasons


def judge_video(
    video: ManifestRow, *, frame: Frame, filtering: Filtering, resample_fps: float | None
) -> list[dict[str, Any]]:
    """Rows of one video, see `filter_shard`."""
    rejected = {"video_id": video.video_id, "verdict": "rejected", "surf": filtering.surf}
    if not video.ok:
        return [rejected | {"reason": f"video failed: {video.reason}"}]
    size = (frame.height, frame.width)
    rows: list[dict[str, Any]] = []
    failure = "no two frames in a row can be decoded"
    try:
        overlay = find_overlay(read_key_frames(video.path, size=size)) if filtering.overlays else None
        pairs = candidates(video.path, size, resample_fps=resample_fps, every=filtering.every)
        for index, image, following in pairs:
            judged = judge(image, following, filtering, overlay)
            rows.append({"video_id": video.video_id, "frame": index, **judged, "surf": filtering.surf})
    except UserError as error:
        failure = str(error)
    else:
        if rows:
            return _limited(rows, filtering.max_pairs_per_video)
    return [*_limited(rows, filtering.max_pairs_per_video), rejected | {"reason": f"video failed: {failure}"}]


def candidates(
    path: str,
    size: tuple[int, int],
    *,
    resample_fps: float | None,
    every: int = 1,
    among: Container[int] | None = None,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Candidate frames of a video, each with its successor: (index in the file, luma, luma of the next frame).

    Candidates are one in `every` frames of the video's timeline; with `among` only those with one of its indices.
    """
    frame_indices = timeline(path, resample_fps)
    steps = zip(frame_indices[:-1:every], frame_indices[1::every], strict=True)
    following = {index: successor for index, successor in steps if among is None or index in among}
    wanted = sorted({*following, *following.values()})
    previous: tuple[int, np.ndarray] | None = None
    for index, image in read_frames(path, size=size, indices=wanted):
        if previous is not None and following.get(previous[0]) == index:
            yield previous[0], previous[1], image
        previous = index, image


def judge(
    frame: np.ndarray, following: np.ndarray, filtering: Filtering, overlay: Overlay | None = None
) -> dict[str, Any]:
    """Accept or reject one frame by its motion towards the following frame, both luma, uint8 (H, W).

    Returns:
        Values of the frame's row, see `filter_shard`.
    """
    points = moving_points(frame, following, filtering, overlay)
    overlaid = int(points.overlaid.sum())
    row: dict[str, Any] = {"points": len(points.at), "overlaid": overlaid, "verdict": "rejected"}
    if points.homography is None:
        few = len(points.at) - overlaid < filtering.min_points
        return row | {"reason": "too few points" if few else "no homography"}
    measured = int(np.isfinite(points.lengths).sum())
    if measured < filtering.min_points:
        return row | {"reason": "too few points"}
    moving = points.at[points.lengths > filtering.moving_px]  # False for NaN
    fraction = len(moving) / max(1, measured)
    row |= {"moving": len(moving), "fraction": f"{fraction:.4f}"}
    if not filtering.noise <= fraction <= filtering.camera:
        return row | {"reason": "noise" if fraction < filtering.noise else "camera"}
    whole = (0, 0, frame.shape[1], frame.shape[0])
    left, top, right, bottom = overlay.between_bars if overlay else whole
    if filtering.box > min(right - left, bottom - top):
        return row | {"reason": "black bars leave no room for the box"}
    x, y, inside = best_box(moving - (left, top), (bottom - top, right - left), filtering.box)
    row |= {"verdict": "accepted", "reason": "motion", "x": left + x, "y": top + y, "inside": inside}
    if (left, top, right, bottom) != whole:
        row |= {"left": left, "top": top, "right": right, "bottom": bottom}
    return row


def moving_points(
    frame: np.ndarray, following: np.ndarray, filtering: Filtering, overlay: Overlay | None = None
) -> Points:
    """The SURF points of a frame and their motion towards the following frame, both luma, uint8 (H, W).

    The motion is not measured where fewer than `min_points` lie outside the overlay.
    """
    at = interest_points(frame, filtering)
    overlaid = ~overlay.free(at) if overlay else np.zeros(len(at), bool)
    lengths, homography = np.full(len(at), np.nan, np.float32), None
    scene = np.flatnonzero(~overlaid)
    if len(scene) >= filtering.min_points:
        lengths[scene], homography = compensated_flow(frame, following, at[scene], flow=filtering.flow)
    if overlay and homography is not None:
        stuck = scene[stuck_points(frame, following, at[scene], homography)]
        overlaid[stuck], lengths[stuck] = True, np.nan
    return Points(at, lengths, overlaid, homography)


def _limited(rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """The rows with at most `limit` accepted ones, evenly spread; the others become rejected."""
    accepted = [row for row in rows if row["verdict"] == "accepted"]
    for place in {*range(len(accepted))} - {*spread(range(len(accepted)), limit)}:
        accepted[place].update(verdict="rejected", reason="more than max_pairs_per_video")
    return rows
