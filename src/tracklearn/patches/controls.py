"""The pairs of the controls, beside the tracked pairs: what does tracking add, and what the choice of frames?"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import read_json, write_json
from tracklearn.mining.overlays import Rectangle
from tracklearn.mining.tables import FRAMES, TRACKS, each_row, spread, write_table
from tracklearn.patches.packing import pack_shard
from tracklearn.patches.store import PatchStore
from tracklearn.patches.writing import Pair, write_shard, write_summary
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.mining import Frame
from tracklearn.settings.patches import Packing
from tracklearn.videos.frames import frame_size
from tracklearn.videos.manifest import read_manifest

MORE_THAN_TRACKED = "more than the tracked pairs"


def pack_untracked(
    *,
    kind: str,
    manifest: str | Path,
    frames_table: str | Path,
    tracked: str | Path,
    store: str | Path,
    summary: str | Path,
    frame: Block = None,
    packing: Block = None,
    timeout: float | None = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Pack each tracked pair's query with another box of the frame of its tracked patch, in the order of the pairs.

    - `still`: the box of the query itself;
    - `random-box`: any box of the query's size, each with the same chance. It lies between the black bars, as the
      tracked box does. The draw depends on the video's id and on the query's frame alone.

    Every tracked pair gives one; pairs that repeat or do not change are not left out. The score is NaN.

    Args:
        kind: `still` or `random-box`.
        manifest: manifest of the shard.
        frames_table: candidate frames, written by `filtering.filter_shard`.
        tracked: the tracked pairs, written by `packing.pack_shard`.
        store: the patch shard to write.
        summary: the summary to write (JSON): that of `packing.pack_shard`, the `kind`, and the number of
            `tracked_pairs`. It has fewer `pairs` only where a frame can no longer be decoded.
        frame, timeout, threads, report: as for `packing.pack_shard`.
        packing: `size` and `quality` of `settings.patches.Packing`.

    Returns:
        The numbers of `pairs`, `patches` and `videos`.

    Raises:
        UserError: an invalid setting, a shard of other videos, or a full disk.
    """
    size, pairs = Frame.read(frame), PatchStore(tracked)
    videos = {row.video_id: row for row in read_manifest(manifest)}
    if unknown := set(pairs.video_ids) - set(videos):
        raise UserError(f"{tracked}: video {min(unknown)} is not in {manifest}; delete the shard and run again")
    between_bars = {
        (row["video_id"], int(row["frame"])): (int(row["left"]), int(row["top"]), int(row["right"]), int(row["bottom"]))
        for row in each_row(frames_table, FRAMES)
        if row["right"]
    }

    def rows() -> Iterator[dict[str, Any]]:
        for index, video in enumerate(pairs.video_of_pair.tolist()):
            video_id, (first, last) = pairs.video_ids[video], pairs.frames[index].tolist()
            x, y, w, h = pairs.boxes[index, 0].astype(int).tolist()
            place = {"tracked_x": x, "tracked_y": y}
            if kind == "random-box":
                height, width = frame_size(videos[video_id], (size.height, size.width))
                area = between_bars.get((video_id, first), (0, 0, width, height))
                place = dict(zip(place, random_corner(video_id, first, (w, h), area), strict=True))
            query = {"video_id": video_id, "frame": first, "x": x, "y": y, "w": w, "h": h, "last_frame": last}
            yield query | place | {"tracked_w": w, "tracked_h": h, "score": "nan", "status": "tracked"}

    settings = Packing.read(packing).model_copy(update={"duplicate_bits": None, "min_change": None})
    with TemporaryDirectory() as folder:
        table = Path(folder, "tracks.csv")
        write_table(table, TRACKS, rows())
        counts = pack_shard(
            manifest=manifest,
            tracks_table=table,
            store=store,
            summary=summary,
            frame=size,
            packing=settings,
            timeout=timeout,
            threads=threads,
            report=report,
        )
    _describe(summary, kind=kind, tracked_pairs=len(pairs))
    return {name: counts[name] for name in ("pairs", "patches", "videos")}


def random_corner(video_id: str, query_frame: int, size: tuple[int, int], area: Rectangle) -> tuple[int, int]:
    """Left and top of a box of this (width, height) inside an area: one of all whole pixels, drawn for this query."""
    rng = np.random.default_rng([*video_id.encode(), query_frame])
    (left, top, right, bottom), (width, height) = area, size
    return int(rng.integers(left, right - width, endpoint=True)), int(rng.integers(top, bottom - height, endpoint=True))


def pack_any_frame(
    *,
    manifest: str | Path,
    tracks_table: str | Path,
    tracked: str | Path,
    store: str | Path,
    summary: str | Path,
    frame: Block = None,
    packing: Block = None,
    timeout: float | None = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Pack pairs that were tracked from rejected frames, as many as there are tracked pairs.

    They are packed as tracked pairs are, with the same limits. A video gives as many as it has tracked pairs, evenly
    chosen. What it lacks comes from the other videos of the shard, one pair of each in turn, beginning with those that
    have tracked pairs.

    Args:
        manifest: manifest of the shard.
        tracks_table: tracks of the boxes that `mining.any_frame.box_rejected_frames` found.
        tracked: the tracked pairs of accepted frames, written by `packing.pack_shard`.
        store: the patch shard to write.
        summary: the summary to write (JSON): that of `packing.pack_shard`, the `kind`, and the number of
            `tracked_pairs`. It has fewer `pairs` only where the rejected frames of all videos give fewer.
        frame, packing, timeout, threads, report: as for `packing.pack_shard`.

    Returns:
        The numbers of `pairs`, `patches` and `videos`, and of pairs that were left out because there are more than
        tracked pairs (`spare`).

    Raises:
        UserError: an invalid setting, a table of another shard, or a full disk.
    """
    settings, of_accepted = Packing.read(packing), _pairs_of_videos(PatchStore(tracked))
    pack_shard(
        manifest=manifest,
        tracks_table=tracks_table,
        store=store,
        summary=summary,
        frame=frame,
        packing=settings,
        timeout=timeout,
        threads=threads,
        report=report,
    )
    everything = PatchStore(store)
    found = _pairs_of_videos(everything)
    videos = list(dict.fromkeys([*of_accepted, *found]))
    wanted, numbers = ([len(pairs.get(video_id, ())) for video_id in videos] for pairs in (of_accepted, found))
    taken = zip(videos, shares(wanted, numbers), strict=True)
    chosen = sorted(pair for video_id, count in taken for pair in spread(found.get(video_id, ()), count))
    # The shard takes the place of the one with all pairs, whose patches are read through a map of the old file.
    counts = write_shard(
        store, (_copied(everything, pair) for pair in chosen), size=settings.size, quality=settings.quality
    )
    spare = len(everything) - len(chosen)
    reasons = read_json(summary)["reasons"] | ({MORE_THAN_TRACKED: spare} if spare else {})
    _describe(summary, **counts, reasons=reasons, kind="any-frame", tracked_pairs=sum(wanted))
    return {name: float(count) for name, count in (counts | {"spare": spare}).items()}


def pack_one_patch(
    *, tracked: str | Path, store: str | Path, summary: str | Path, packing: Block = None
) -> dict[str, float]:
    """Pack the query of each tracked pair with itself; nothing is decoded.

    Args:
        tracked: the tracked pairs, mined or imported.
        store: the patch shard to write.
        summary: the summary to write (JSON), with the `kind` and the number of `tracked_pairs`.
        packing: `size` and `quality` of `settings.patches.Packing`, of the tracked pairs.

    Returns:
        The numbers of `pairs`, `patches` and `videos`.

    Raises:
        UserError: no patch shard, patches of another size, or a full disk.
    """
    settings, pairs = Packing.read(packing), PatchStore(tracked)

    def twice() -> Iterator[Pair]:
        for pair in (_copied(pairs, index) for index in range(len(pairs))):
            first, query_box = pair.frames[0], pair.boxes[0]
            yield pair._replace(frames=(first, first), boxes=[query_box] * 2, score=nan, tracked=pair.query)

    counts = write_shard(store, twice(), size=settings.size, quality=settings.quality)
    write_summary(summary, counts, {})
    _describe(summary, kind="one-patch", tracked_pairs=len(pairs))
    return {name: float(count) for name, count in counts.items()}


def shares(wanted: Sequence[int], found: Sequence[int]) -> list[int]:
    """How many to take of each: as many as wanted if so many were found, and what some lack from the others in turn."""
    taken = [min(both) for both in zip(wanted, found, strict=True)]
    missing = min(sum(wanted), sum(found)) - sum(taken)
    for place in cycle(range(len(taken))):
        if not missing:
            break
        if taken[place] < found[place]:
            taken[place] += 1
            missing -= 1
    return taken


def _pairs_of_videos(store: PatchStore) -> dict[str, Sequence[int]]:
    """The numbers of each video's pairs, by its id."""
    return {name: np.flatnonzero(store.video_of_pair == video).tolist() for video, name in enumerate(store.video_ids)}


def _copied(store: PatchStore, index: int) -> Pair:
    """A pair with the bytes of its JPEG files."""
    query, tracked = (store.jpeg(2 * index + half).tobytes() for half in (0, 1))
    first, last = store.frames[index].tolist()
    video_id = store.video_ids[store.video_of_pair[index]]
    return Pair(video_id, (first, last), store.boxes[index], float(store.scores[index]), query, tracked)


def _describe(summary: str | Path, **facts: Mapping[str, int] | int | str) -> None:
    """Add facts to a summary, or replace them."""
    described = read_json(summary) | facts
    write_json(summary, described)
