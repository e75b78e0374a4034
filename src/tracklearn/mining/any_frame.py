"""Query boxes in the frames that the rule of §4 rejects, for the control `any-frame`: what is the rule worth?"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.mining.filtering import candidate_frames, judge
from tracklearn.mining.overlays import find_overlay, read_key_frames
from tracklearn.mining.surf import check_detector
from tracklearn.mining.tables import FRAMES, by_video, each_row, write_table
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.mining import Filtering, Frame
from tracklearn.videos.manifest import ManifestRow, read_manifest
from tracklearn.videos.progress import ShardProgress
from tracklearn.videos.shard_loop import each_video

OF_THE_RULE = ("noise", "camera")
"""The reasons of frames that the limits `noise` (25%) and `camera` (75%) rejected."""

NOTHING_MOVES = "nothing moves"


def box_rejected_frames(
    *,
    manifest: str | Path,
    frames_table: str | Path,
    boxes_table: str | Path,
    frame: Block = None,
    filtering: Block = None,
    resample_fps: float | None = None,
    timeout: float | None = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Find the query box of each frame that the rule rejected.

    The box lies around most of the moving points, as in an accepted frame. The points are measured by the optical flow
    that decided about the frame. ASSUME: a frame in which no point moves has no box.

    Writes a CSV file in the columns of `filtering.filter_shard`, from which `tracking.kcf.track_shard` tracks the
    boxes: the verdict of a frame with a box is "accepted", and its reason is that of the rejection.

    Args:
        manifest: manifest of the shard.
        frames_table: table that `filtering.filter_shard` wrote.
        boxes_table: the CSV file to write.
        frame, filtering, resample_fps: the settings of `filtering.filter_shard`. Of `filtering`, those count that
            measure the points and that place the box.
        timeout: seconds that one video may take.
        threads: videos at once.
        report: called after each video, see `ShardProgress`.

    Returns:
        Counts: frames that the rule rejected, boxes, and frames in which nothing moves (`still`).

    Raises:
        UserError: a wrong setting, a table of another shard, or the disk is full.
    """
    size, settings = Frame.read(frame), Filtering.read(filtering)
    check_detector(settings.surf)
    videos = read_manifest(manifest)
    of_the_rule = (row for row in each_row(frames_table, FRAMES) if row["reason"] in OF_THE_RULE)
    rejected = by_video(of_the_rule, videos, frames_table)
    work = partial(
        _box_video,
        rejected=rejected,
        frame_size=(size.height, size.width),
        settings=settings,
        resample_fps=resample_fps,
    )
    counts = Counter(rejected=sum(map(len, rejected.values())), boxes=0, still=0)
    progress = ShardProgress("boxes", videos, report)

    def rows() -> Iterator[dict[str, Any]]:
        for video, found in each_video(work, videos, threads=threads, timeout=timeout):
            boxes = sum(row["verdict"] == "accepted" for row in found)
            counts.update(boxes=boxes, still=sum(row["reason"] == NOTHING_MOVES for row in found))
            progress.add(video, boxes)
            yield from found

    write_table(boxes_table, FRAMES, rows())
    return dict(counts)


def _box_video(
    video: ManifestRow,
    *,
    rejected: Mapping[str, Sequence[Mapping[str, str]]],
    frame_size: tuple[int, int],
    settings: Filtering,
    resample_fps: float | None,
) -> list[dict[str, Any]]:
    """Rows of one video, see `box_rejected_frames`; `frame_size` is (height, width) of the resized frames."""
    row_of = {int(row["frame"]): row for row in rejected[video.video_id]}
    rows: list[dict[str, Any]] = []
    try:
        if row_of:
            overlay = find_overlay(read_key_frames(video.path, size=frame_size)) if settings.overlays else None
            found = candidate_frames(video.path, frame_size, resample_fps=resample_fps, among=row_of)
            for index, image, next_image in found:
                without_rule = {"noise": 0.0, "camera": 1.0, "flow": row_of[index]["flow"]}
                row = judge(image, next_image, settings.model_copy(update=without_rule), overlay)
                if row["verdict"] == "accepted":
                    row["reason"] = row_of[index]["reason"]
                    if not row["moving"]:
                        row |= {"verdict": "rejected", "reason": NOTHING_MOVES}
                rows.append({"video_id": video.video_id, "frame": index, **row, "surf": settings.surf})
    except UserError as error:
        rows.append({"video_id": video.video_id, "verdict": "rejected", "reason": f"video failed: {error}"})
    return rows
