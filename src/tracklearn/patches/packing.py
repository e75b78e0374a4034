"""From tracks to patches: the pairs of a shard's videos."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tracklearn.errors import UserError
from tracklearn.mining.tables import TRACKS, by_video, read_table, short_reason
from tracklearn.patches.duplicates import change, difference_hash, repeats, thumbnail
from tracklearn.patches.writing import Pair, encode, resized, write_shard, write_summary
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.mining import Frame
from tracklearn.settings.patches import Packing
from tracklearn.videos.deadline import TimeLimitError
from tracklearn.videos.frames import read_frames
from tracklearn.videos.manifest import ManifestRow, read_manifest
from tracklearn.videos.progress import ShardProgress
from tracklearn.videos.shard_loop import each_video

UNCHANGED, NEAR_DUPLICATE = "nothing moved", "near duplicate"
SAME_PLACE = 4  # pixels: the tracker cannot tell whether a box moved by less
COLUMNS = (  # frame number and box of query and tracked patch in the table of tracks
    ("frame", "x", "y", "w", "h"),
    ("last_frame", "tracked_x", "tracked_y", "tracked_w", "tracked_h"),
)

PatchKey = tuple[int, int]  # index of a track, and 0 for its query or 1 for its tracked patch


def pack_shard(
    *,
    manifest: str | Path,
    tracks_table: str | Path,
    store: str | Path,
    summary: str | Path,
    frame: Block = None,
    packing: Block = None,
    timeout: float | None = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Cut query and tracked patch of each tracked row out of the colour frames, and write them to a patch shard.

    A patch whose box is larger or smaller than `packing.size` is resized. Two kinds of pairs are left out and counted,
    unless their setting is None:
    - frozen images: the box stays in its place and the patches differ by less than `packing.min_change` grey levels;
    - near duplicates: the hash of each patch differs by at most `packing.duplicate_bits` bits from that of the same
      patch of a kept pair of the same video, see `duplicates`.
    ASSUME: the paper does not say. On 16 real clips the nearest pairs are 21 bits apart at one candidate in 30 and 8
    bits at one in 10, and every pair changes by 4 levels or more, so both limits drop repetitions and nothing else.

    Beside the shard, a summary (JSON) holds the numbers of pairs, patches and videos with pairs, and, for each reason,
    the number of accepted frames that gave no pair.

    Args:
        frame: block `settings.mining.Frame`, the size to which the videos were resized.
        packing: block `settings.patches.Packing`.
        timeout: seconds that a video may take; None sets no limit.

    Returns:
        The numbers of `pairs`, `patches`, `videos`, and of the pairs left out: `unchanged`, `near_duplicates`.

    Raises:
        UserError: an invalid setting, a table of another shard, or a full disk.
    """
    frame_settings, settings = Frame.read(frame), Packing.read(packing)
    videos = read_manifest(manifest)
    rows = read_table(tracks_table, TRACKS)
    tracks = by_video(rows, videos, tracks_table)
    reasons = Counter(short_reason(row["reason"]) for row in rows if row["status"] != "tracked")
    frame_size = frame_settings.height, frame_settings.width
    work = partial(_pack_video, tracks=tracks, frame_size=frame_size, settings=settings)
    progress = ShardProgress("pairs", videos, report)

    def pairs() -> Iterator[Pair]:
        for video, (found, left_out) in each_video(work, videos, threads=threads, timeout=timeout):
            reasons.update(left_out)
            progress.add(video, len(found))
            yield from found

    counts = write_shard(store, pairs(), size=settings.size, quality=settings.quality)
    write_summary(summary, counts, reasons)
    left_out = {"unchanged": reasons[UNCHANGED], "near_duplicates": reasons[NEAR_DUPLICATE]}
    return {name: float(count) for name, count in (counts | left_out).items()}


def _pack_video(
    video: ManifestRow,
    *,
    tracks: Mapping[str, Sequence[Mapping[str, str]]],
    frame_size: tuple[int, int],
    settings: Packing,
) -> tuple[list[Pair], Counter[str]]:
    """Pairs of one video as JPEG files, in the order of its tracks, and why other tracks gave no pair."""
    rows = [row for row in tracks[video.video_id] if row["status"] == "tracked"]
    boxes = [np.array([[int(row[name]) for name in names[1:]] for names in COLUMNS]) for row in rows]
    patches, reason_if_missing = _patches(video, rows, boxes, frame_size, settings)
    pairs: list[Pair] = []
    left_out: Counter[str] = Counter()
    kept: list[tuple[int, int]] = []  # hashes of both patches
    for index, row in enumerate(rows):
        if (index, 0) not in patches or (index, 1) not in patches:
            left_out[reason_if_missing] += 1
            continue
        (query, query_thumbnail), (tracked, tracked_thumbnail) = patches[index, 0], patches[index, 1]
        hashes = difference_hash(query_thumbnail), difference_hash(tracked_thumbnail)
        # Two patches of a well-tracked rigid object also look the same; such a pair is kept, because the object's box
        # moves.
        stays = np.abs(boxes[index][0] - boxes[index][1]).max() <= SAME_PLACE
        if (
            settings.min_change is not None
            and stays
            and change(query_thumbnail, tracked_thumbnail) < settings.min_change
        ):
            left_out[UNCHANGED] += 1
        elif settings.duplicate_bits is not None and repeats(hashes, kept, settings.duplicate_bits):
            left_out[NEAR_DUPLICATE] += 1
        else:
            kept.append(hashes)
            frames = (int(row["frame"]), int(row["last_frame"]))
            pairs.append(Pair(video.video_id, frames, boxes[index], float(row["score"]), query, tracked))
    return pairs, left_out


def _patches(
    video: ManifestRow,
    rows: Sequence[Mapping[str, str]],
    boxes: Sequence[np.ndarray],
    frame_size: tuple[int, int],
    settings: Packing,
) -> tuple[dict[PatchKey, tuple[bytes, np.ndarray]], str]:
    """Cut the patches of a video's tracks out of its frames.

    Returns:
        JPEG file and thumbnail of each patch that could be cut, and `reason_if_missing`: why all others could not.
    """
    patch_keys_by_frame: dict[int, list[PatchKey]] = {}
    for index, row in enumerate(rows):
        for which, (column, *_) in enumerate(COLUMNS):
            patch_keys_by_frame.setdefault(int(row[column]), []).append((index, which))
    patches: dict[PatchKey, tuple[bytes, np.ndarray]] = {}
    try:
        for number, image in _colour_frames(video, sorted(patch_keys_by_frame), frame_size):
            for index, which in patch_keys_by_frame[number]:
                patch = _cut(image, boxes[index][which], settings.size)
                patches[index, which] = encode(patch, settings.quality), thumbnail(patch)
    except TimeLimitError:
        return patches, "time limit"
    return patches, "frames could not be decoded again"


def _colour_frames(
    video: ManifestRow, frame_numbers: list[int], frame_size: tuple[int, int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Frames with their numbers. They end at the first unreadable frame, since the file may have changed meanwhile."""
    try:
        if frame_numbers:
            yield from read_frames(video.path, size=frame_size, indices=frame_numbers, colour=True)
    except TimeLimitError:
        raise
    except UserError:
        return


def _cut(image: np.ndarray, box: np.ndarray, patch_side: int) -> np.ndarray:
    x, y, w, h = box
    patch = image[y : y + h, x : x + w]
    if patch.shape[:2] != (h, w):
        raise UserError(f"box {box.tolist()} does not lie in a frame of {image.shape[:2]}; track the shard again")
    return patch if (h, w) == (patch_side, patch_side) else resized(patch, patch_side)
