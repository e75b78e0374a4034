"""Does the tracker at a reduced scale end where it ends at full scale, lead back to its start, and notice a cut?

The queries are the frames that filtering accepts. A box that sticks to a still background leads back to its start too,
so `forward_backward` gives an upper bound for the share of pairs that show the same object.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracklearn.machine.threads import one_opencv_thread
from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.tables import FRAMES, read_table
from tracklearn.mining.tracking.track import Track
from tracklearn.settings.mining import Filtering, Frame, Tracking
from tracklearn.videos.frames import frame_size, probe, read_frames
from tracklearn.videos.manifest import ManifestRow, write_manifest

CLIPS = Path(os.environ.get("DATA", "../shared/data")) / "videos"
BOX, SIZE = Filtering.read().box, (Frame.read().height, Frame.read().width)
EVERY = (30, 10)
TRACKERS = {"hog": Tracking(), "opencv": Tracking(tracker="opencv", peak=0.5)}
Corner = tuple[int, int]


class Query(NamedTuple):
    """An accepted frame of a clip and the left and top of its query box."""

    clip: Path
    frame: int
    corner: Corner


def queries(clips: Sequence[Path], every: int = 30) -> list[Query]:
    """Accepted frames of the clips after which enough frames follow to track the box; the last answers are cached."""
    return _queries(tuple(map(Path, clips)), every)


@lru_cache(maxsize=8)
def _queries(clips: tuple[Path, ...], every: int) -> list[Query]:
    rows = [ManifestRow(str(number), "", str(clip), "ok") for number, clip in enumerate(clips)]
    with tempfile.TemporaryDirectory() as folder:
        manifest, table = Path(folder, "manifest.tsv"), Path(folder, "frames.csv")
        write_manifest(manifest, rows)
        filter_shard(manifest=manifest, frames_table=table, filtering={"every": every})
        accepted = [row for row in read_table(table, FRAMES) if row["verdict"] == "accepted"]
    found = [Query(clips[int(row["video_id"])], int(row["frame"]), (int(row["x"]), int(row["y"]))) for row in accepted]
    return [query for query in found if query.frame + Tracking().frames < probe(query.clip).frames]


def scale_fidelity(clips: Sequence[Path], every: int = 30) -> float:
    """Mean IoU of the default tracker's last boxes with those of full scale, over the tracks that the default keeps."""
    small, full = TRACKERS["hog"], Tracking(side=BOX, peak=0.0)
    values = []
    for query in queries(clips, every):
        kept = _forward(query, small)
        if kept is not None:
            # At full scale only the end of the track counts, so its peak may be low, but must not fall at once.
            reference = _forward(query, full)
            values.append(0.0 if reference is None else iou(kept, reference))
    return float(np.mean(values))


def forward_backward(clips: Sequence[Path], tracker: str, every: int = 30) -> tuple[int, int]:
    """(Kept, returned): tracks that reach their last frame, and those that lead back to the query (IoU >= 0.5)."""
    tracking = TRACKERS[tracker]
    kept = returned = 0
    for query in queries(clips, every):
        images = _images(query, tracking)
        size = _size(query)
        end = follow(images, query.corner, size, tracking)
        if end is not None:
            kept += 1
            back = follow(images[::-1], end, size, tracking)
            returned += back is not None and iou(back, query.corner) >= 0.5
    return kept, returned


def cuts(clips: Sequence[Path], tracker: str, every: int = 30) -> tuple[int, int]:
    """(Noticed, all): cuts to another clip half way along a track, after which the box is lost; and all such cuts."""
    tracking = TRACKERS[tracker]
    half = tracking.frames // 2
    noticed = number = 0
    for query in queries(clips, every):
        other = _another(clips, query.clip)
        if other is None:
            continue
        before = _images(query, tracking)[: half + 1]
        after = _images(Query(other, 0, (0, 0)), tracking)[: tracking.frames - half]
        # A box that has not left the frame at the end counts as kept wherever it lies.
        track = Track(query.corner, BOX, tracking.model_copy(update={"visible": 0.0}))
        track.start(range(tracking.frames + 1), _size(query))
        for index, image in enumerate(before):
            track.advance(index, image)
        if track.reason is None:
            number += 1
            for index, image in enumerate(after, start=half + 1):
                track.advance(index, image)
            noticed += bool(track.reason)
    return noticed, number


def _another(clips: Sequence[Path], clip: Path) -> Path | None:
    """The next clip whose frames have the same shape."""
    place = list(clips).index(clip)
    following = [*clips[place + 1 :], *clips[:place]]
    return next((other for other in following if frame_size(probe(other), SIZE) == frame_size(probe(clip), SIZE)), None)


def milliseconds(clips: Sequence[Path], tracker: str) -> float:
    """Processor time a tracked frame, without decoding: the median over the tracks of a few clips."""
    tracking = TRACKERS[tracker]
    spent = []
    for query in queries(clips, 60):
        images = _images(query, tracking)
        if len(images) > tracking.frames:
            began = time.thread_time()
            if follow(images, query.corner, _size(query), tracking.model_copy(update={"peak": 0.0})) is not None:
                spent.append(1e3 * (time.thread_time() - began) / tracking.frames)
    return float(np.median(spent))


def follow(images: Sequence[np.ndarray], corner: Corner, size: tuple[int, int], tracking: Tracking) -> Corner | None:
    """Left and top of the box in the last image, shifted inside the frame; None if it is lost."""
    track = Track(corner, BOX, tracking)
    track.start(range(len(images)), size)
    for index, image in enumerate(images):
        track.advance(index, image)
    row = track.finish()
    return (row["tracked_x"], row["tracked_y"]) if row["status"] == "tracked" else None


def iou(a: Corner, b: Corner, side: int = BOX) -> float:
    """Intersection over union of two squares of the same side."""
    shared = max(0, side - abs(a[0] - b[0])) * max(0, side - abs(a[1] - b[1]))
    return shared / (2 * side * side - shared)


def _forward(query: Query, tracking: Tracking) -> Corner | None:
    return follow(_images(query, tracking), query.corner, _size(query), tracking)


def _images(query: Query, tracking: Tracking) -> list[np.ndarray]:
    """The frames of a track, as the tracker sees them."""
    small = (round(SIZE[0] * tracking.side / BOX), round(SIZE[1] * tracking.side / BOX))
    indices = range(query.frame, query.frame + tracking.frames + 1)
    colour = tracking.tracker == "opencv"
    return [image for _, image in read_frames(query.clip, size=small, indices=indices, colour=colour)]


def _size(query: Query) -> tuple[int, int]:
    return frame_size(probe(query.clip), SIZE)


def table(clips: Sequence[Path]) -> Iterator[str]:
    """Lines of a table in Markdown."""
    yield f"\nIoU with full scale after {Tracking().frames} frames: {scale_fidelity(clips, every=10):.3f}"
    yield ""
    yield "| tracker | one candidate in | kept | lead back | cuts found | ms a frame |"
    yield "|---|---|---|---|---|---|"
    for tracker in TRACKERS:
        cost = milliseconds(clips, tracker)
        for every in EVERY:
            kept, returned = forward_backward(clips, tracker, every)
            noticed, number = cuts(clips, tracker, every)
            yield f"| {tracker} | {every} | {kept} | {returned} | {noticed} of {number} | {cost:.2f} |"


def main() -> None:
    """Print the table for the clips of DATA."""
    clips = sorted(path for path in CLIPS.glob("*") if path.is_file())
    if not clips:
        print(f"no clips in {CLIPS}: set DATA to a folder with videos/")
        return
    with one_opencv_thread():
        for line in table(clips):
            print(line, flush=True)


if __name__ == "__main__":
    main()
