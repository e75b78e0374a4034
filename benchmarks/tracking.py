"""Does the tracker at a reduced scale end where it ends at full scale, lead back to where it began, and notice a cut?

Queries are the accepted frames that filtering finds. A box that sticks to a still background leads back too: what is
said of `forward_backward` is an upper bound for the share of pairs that show the same object.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracklearn.machine.threads import one_opencv_thread
from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.tables import FRAMES, read_table
from tracklearn.mining.tracking.kcf import Track, Tracking, bounded
from tracklearn.videos.frames import SIZE, frame_size, probe, read_frames
from tracklearn.videos.manifest import Row, write_manifest

CLIPS = Path(os.environ.get("DATA", "../shared/data")) / "videos"
BOX, EVERY = 227, (30, 10)
TRACKERS = {"hog": Tracking(), "opencv": Tracking(tracker="opencv", peak=0.5)}
Corner = tuple[int, int]


class Query(NamedTuple):
    """An accepted frame of a clip and the left and top of its query box."""

    clip: Path
    frame: int
    corner: Corner


def queries(clips: Sequence[Path], every: int = 30) -> list[Query]:
    """Accepted frames of the clips that have frames enough to be tracked; the last answers are kept."""
    return _queries(tuple(map(Path, clips)), every)


@lru_cache(maxsize=8)
def _queries(clips: tuple[Path, ...], every: int) -> list[Query]:
    rows = [Row(str(number), "", str(clip), "ok") for number, clip in enumerate(clips)]
    with tempfile.TemporaryDirectory() as folder:
        manifest, table = Path(folder, "manifest.tsv"), Path(folder, "frames.csv")
        write_manifest(manifest, rows)
        filter_shard(manifest=manifest, frames_table=table, every=every, box=BOX)
        accepted = [row for row in read_table(table, FRAMES) if row["verdict"] == "accepted"]
    found = [Query(clips[int(row["video_id"])], int(row["frame"]), (int(row["x"]), int(row["y"]))) for row in accepted]
    return [query for query in found if query.frame + Tracking().frames < probe(query.clip).frames]


def scale_fidelity(clips: Sequence[Path], every: int = 30) -> float:
    """Mean IoU of the default tracker's last boxes with those of full scale, over the tracks that the default keeps."""
    small, full = TRACKERS["hog"], replace(TRACKERS["hog"], side=BOX, peak=0.0)
    values = []
    for query in queries(clips, every):
        kept = _forward(query, small)
        if kept is not None:
            # Full scale only says where it would be: of its own peak no more is asked than that it does not break down.
            reference = _forward(query, full)
            values.append(0.0 if reference is None else iou(kept, reference))
    return float(np.mean(values))


def forward_backward(clips: Sequence[Path], tracker: str, every: int = 30) -> tuple[int, int]:
    """(Kept, surviving): tracks that reach their last frame, and those that lead back to the query (IoU >= 0.5)."""
    tracking = TRACKERS[tracker]
    kept = surviving = 0
    for query in queries(clips, every):
        images = _images(query, tracking)
        size = _size(query)
        end = follow(images, query.corner, size, tracking)
        if end is not None:
            kept += 1
            back = follow(images[::-1], end, size, tracking)
            surviving += back is not None and iou(back, query.corner) >= 0.5
    return kept, surviving


def cuts(clips: Sequence[Path], tracker: str, every: int = 30) -> tuple[int, int]:
    """(Found, all): cuts to another clip, half way along a track, and those after which the box is lost."""
    tracking = TRACKERS[tracker]
    found = number = 0
    for query in queries(clips, every):
        images, size = _images(query, tracking), _size(query)
        other = _another(clips, query.clip)
        track = Track(images[0], query.corner, BOX, frame_size=size, tracking=tracking)
        for image in images[1 : tracking.frames // 2 + 1]:
            track.update(image)
        if track.reason or other is None:
            continue
        number += 1
        for image in _images(Query(other, 0, (0, 0)), tracking)[: tracking.frames - tracking.frames // 2]:
            track.update(image)
        found += bool(track.reason)
    return found, number


def _another(clips: Sequence[Path], clip: Path) -> Path | None:
    """The next clip whose frames have the same shape."""
    place = list(clips).index(clip)
    following = [*clips[place + 1 :], *clips[:place]]
    return next((other for other in following if frame_size(probe(other)) == frame_size(probe(clip))), None)


def milliseconds(clips: Sequence[Path], tracker: str) -> float:
    """Processor time a tracked frame, without decoding: the median over the tracks of a few clips."""
    tracking = TRACKERS[tracker]
    spent = []
    for query in queries(clips, 60):
        images = _images(query, tracking)
        if len(images) > tracking.frames:
            began = time.thread_time()
            if follow(images, query.corner, _size(query), replace(tracking, peak=0.0)) is not None:
                spent.append(1e3 * (time.thread_time() - began) / tracking.frames)
    return float(np.median(spent))


def follow(images: Sequence[np.ndarray], corner: Corner, size: tuple[int, int], tracking: Tracking) -> Corner | None:
    """Left and top of the box in the last image, shifted inside the frame; None where it is lost."""
    if len(images) <= tracking.frames:
        return None
    track = Track(images[0], corner, BOX, frame_size=size, tracking=tracking)
    for image in images[1:]:
        track.update(image)
    return None if track.reason else bounded(track.tracked, BOX, (0, 0, *size[::-1]), visible=tracking.visible)


def iou(a: Corner, b: Corner, side: int = BOX) -> float:
    """Intersection over union of two squares of the same side."""
    shared = max(0, side - abs(a[0] - b[0])) * max(0, side - abs(a[1] - b[1]))
    return shared / (2 * side * side - shared)


def _forward(query: Query, tracking: Tracking) -> Corner | None:
    return follow(_images(query, tracking), query.corner, _size(query), tracking)


def _images(query: Query, tracking: Tracking) -> list[np.ndarray]:
    """The frames of a track as the tracker sees them."""
    small = (round(SIZE[0] * tracking.side / BOX), round(SIZE[1] * tracking.side / BOX))
    indices = range(query.frame, query.frame + tracking.frames + 1)
    colour = tracking.tracker == "opencv"
    return [image for _, image in read_frames(query.clip, size=small, indices=indices, colour=colour)]


def _size(query: Query) -> tuple[int, int]:
    return frame_size(probe(query.clip))


def table(clips: Sequence[Path]) -> Iterator[str]:
    """Lines of a table in Markdown."""
    yield f"\nIoU with full scale after {Tracking().frames} frames: {scale_fidelity(clips, every=10):.3f}"
    yield ""
    yield "| tracker | one candidate in | kept | lead back | cuts found | ms a frame |"
    yield "|---|---|---|---|---|---|"
    for tracker in TRACKERS:
        cost = milliseconds(clips, tracker)
        for every in EVERY:
            kept, surviving = forward_backward(clips, tracker, every)
            found, number = cuts(clips, tracker, every)
            yield f"| {tracker} | {every} | {kept} | {surviving} | {found} of {number} | {cost:.2f} |"


def main() -> None:
    """Print what the trackers do on a folder of clips."""
    clips = sorted(path for path in CLIPS.glob("*") if path.is_file())
    if not clips:
        print(f"no clips in {CLIPS}: set DATA to a folder with videos/")
        return
    with one_opencv_thread():
        for line in table(clips):
            print(line, flush=True)


if __name__ == "__main__":
    main()
