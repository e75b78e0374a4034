"""Tracking the query boxes of a shard to their last frames with a kernelised correlation filter (paper §4).

Henriques et al., "High-Speed Tracking with Kernelized Correlation Filters", PAMI 2015, without a change of scale: this
project's filter on HOG features, with which it was published, or OpenCV's on colour names.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.mining.overlays import Rectangle
from tracklearn.mining.tables import FRAMES, TRACKS, by_video, each_row, write_table
from tracklearn.mining.tracking.track import Track
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.mining import Frame, Tracking
from tracklearn.videos.frames import frame_size, probe, read_frames
from tracklearn.videos.manifest import ManifestRow, read_manifest
from tracklearn.videos.progress import ShardProgress
from tracklearn.videos.shard_loop import each_video
from tracklearn.videos.timeline import timeline


def track_shard(
    *,
    manifest: str | Path,
    frames_table: str | Path,
    tracks_table: str | Path,
    box: int,
    frame: Block = None,
    tracking: Block = None,
    resample_fps: float | None = None,
    timeout: float | None = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Track the query box of each accepted frame of a shard to its last frame, `frames` frames later.

    Writes a CSV file with one row for each accepted frame: the query box, the last frame, the tracked box (both boxes
    in the resized frame, frames by their index in the file), a score, and a status, "tracked" or "lost", with the
    reason:

    - "lost": the peak of the filter's response fell below `peak`, or by more than two fifths from one frame to the
      next, as at a cut;
    - "left the frame": the box's centre left it on the way, or less than `visible` of the last box lies in the frame
      and between the black bars that filtering found. ASSUME: a box that sticks out less is shifted inside, so every
      patch is whole and shows no bar;
    - "video ended": fewer than `frames` frames follow, or one of them cannot be decoded;
    - "video failed: ...": the video can no longer be read, or took longer than `timeout` seconds; boxes that had
      arrived before are tracked.

    The last frame of a box that was lost or left the frame is the frame where it did. The score is the peak of the
    filter's response in the last frame, about 1 where nothing has changed. OpenCV does not give its peak; there the
    score is the correlation coefficient (-1 to 1) of the two grey patches as the tracker sees them.

    Args:
        manifest: manifest of the shard.
        frames_table: table that `filtering.filter_shard` wrote.
        tracks_table: the CSV file to write.
        box: side of the query boxes in pixels.
        frame: settings of `settings.mining.Frame`.
        tracking: settings of `settings.mining.Tracking`.
        resample_fps: frames per second at which `frames` counts, see `timeline`.
        timeout: seconds that one video may take.
        threads: videos at once.
        report: called after each video, see `ShardProgress`.

    Returns:
        Counts: accepted frames, tracked and lost boxes.

    Raises:
        UserError: a wrong setting, a table of another shard, or the disk is full.
    """
    size, settings = Frame.read(frame), Tracking.read(tracking)
    videos = read_manifest(manifest)
    accepted = (row for row in each_row(frames_table, FRAMES) if row["verdict"] == "accepted")
    queries = by_video(accepted, videos, frames_table)
    work = partial(_track_video, queries=queries, box=box, frame=size, tracking=settings, resample_fps=resample_fps)
    counts = Counter(accepted=0, tracked=0, lost=0)
    progress = ShardProgress("tracked", videos, report)

    def rows() -> Iterator[dict[str, Any]]:
        for video, found in each_video(work, videos, threads=threads, timeout=timeout):
            ends = Counter(row["status"] for row in found)
            counts.update(ends, accepted=len(found))
            progress.add(video, ends["tracked"])
            yield from found

    write_table(tracks_table, TRACKS, rows())
    return dict(counts)


def _track_video(
    video: ManifestRow,
    *,
    queries: Mapping[str, Sequence[Mapping[str, str]]],
    box: int,
    frame: Frame,
    tracking: Tracking,
    resample_fps: float | None,
) -> list[dict[str, Any]]:
    """Rows of one video, see `track_shard`."""
    tracks: dict[int, Track] = {}  # by the index of the query's frame
    for row in queries[video.video_id]:
        corner = (int(row["x"]), int(row["y"]))
        tracks[int(row["frame"])] = Track(corner, box, tracking, between_bars=_between_bars(row))
    unended_reason = "video ended"
    try:
        if tracks:
            _follow(video.path, tracks, box=box, frame=frame, tracking=tracking, resample_fps=resample_fps)
    except UserError as error:
        unended_reason = f"video failed: {error}"
    return [
        {"video_id": video.video_id, "frame": index, **track.finish(unended_reason)} for index, track in tracks.items()
    ]


def _between_bars(row: Mapping[str, str]) -> Rectangle | None:
    """The area between black bars from a row of the frames table, None where there are no bars."""
    return (int(row["left"]), int(row["top"]), int(row["right"]), int(row["bottom"])) if row["right"] else None


def _follow(
    path: str, tracks: Mapping[int, Track], *, box: int, frame: Frame, tracking: Tracking, resample_fps: float | None
) -> None:
    """Advance the tracks through a video, whose frames are read once; frames that no track needs are skipped."""
    upright = frame_size(probe(path), (frame.height, frame.width))
    frame_indices = timeline(path, resample_fps)
    for query, track in tracks.items():
        first = bisect_left(frame_indices, query)
        track.start(frame_indices[first : first + tracking.frames + 1], upright)
    scale = min(1.0, tracking.side / box)
    frames = read_frames(
        path,
        size=(round(frame.height * scale), round(frame.width * scale)),
        indices=sorted({index for track in tracks.values() for index in track.frame_indices}),
        needed=lambda index: any(track.needs(index) for track in tracks.values()),
        colour=tracking.tracker == "opencv",
    )
    for index, image in frames:
        for track in tracks.values():
            track.advance(index, image)
