"""A page a shard to judge mining by eye: frames with points and boxes (the paper's figure 2), pairs (figure 3)."""

import html
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.mining.filtering import Points, Rule, candidates, moving_points
from tracklearn.mining.overlays import Overlay, find_overlay, read_key_frames
from tracklearn.mining.tables import FRAMES, TIMEOUT, TRACKS, by_video, each_video, read_table, short_reason, spread
from tracklearn.pages.document import document, embedded
from tracklearn.patches.store import PatchStore
from tracklearn.videos.manifest import Row, read_manifest

SHOWN = {"accepted": 12, "rejected": 16, "pairs": 24, "lost": 12}
FRAME_SIDE, PATCH_SIDE = 360, 120  # pixels: longer side of a shown frame, side of a shown patch
QUALITY = 80
STILL, MOVING, GONE, OVERLAID, BOX = (70, 130, 255), (255, 60, 30), (210, 110, 255), (255, 220, 0), (60, 220, 60)  # RGB
LEGEND = {
    "stands still": STILL,
    "moves": MOVING,
    "not followed": GONE,
    "left out as overlaid": OVERLAID,
    "query box": BOX,
}

Table = list[dict[str, str]]
Place = tuple[str, int]  # video_id, native frame


class Sight(NamedTuple):
    """A candidate frame as the filter saw it: its luma, uint8 (H, W), that of the next frame, its video's overlay."""

    frame: np.ndarray
    following: np.ndarray
    overlay: Overlay | None


def patches_gallery(
    *,
    manifest: str | Path,
    frames_table: str | Path,
    tracks_table: str | Path,
    store: str | Path,
    summary: str | Path,
    page: str | Path,
    height: int = 448,
    width: int = 600,
    resample_fps: float | None = None,
    timeout: float | None = TIMEOUT,
    **settings: Any,
) -> dict[str, float]:
    """Write a page of evenly chosen frames, pairs and lost tracks of a shard, and of how many ended for which reason.

    Pairs are those of the patch store. The tables say what became of every frame; points are found anew, as the filter
    did, for the few frames that are shown. Every picture is inside the file. What cannot be read again is left out.

    Args:
        manifest: of the shard's videos.
        frames_table: as `query_patch.filter_shard` wrote it.
        tracks_table: as `kcf.track_shard` wrote it.
        store: as `packing.pack_shard` wrote it.
        summary: likewise.
        page: the HTML file to write.
        height: of the resized frames in pixels.
        width: likewise.
        resample_fps: frames a second of the filter.
        timeout: seconds that a video may take to be read again.
        settings: those of the filter's `Rule`, by their names.

    Returns:
        How many frames ended for which reason, `frames/<reason>`, and how many of the accepted ones, `tracks/<reason>`,
        with those that became pairs, `tracks/kept`; and the `pictures` shown.

    Raises:
        UserError: a table of another version or shard, or a disk that is full.
    """
    rule, pairs = Rule(**settings), PatchStore(store)
    videos = read_manifest(manifest)
    frames, tracks = read_table(frames_table, FRAMES), read_table(tracks_table, TRACKS)
    reasons = {
        "frames": Counter(short_reason(row["reason"]) for row in frames),
        "tracks": Counter({"kept": len(pairs)} | json.loads(Path(summary).read_text())["reasons"]),
    }
    accepted = spread([row for row in frames if row["verdict"] == "accepted"], SHOWN["accepted"])
    rejected = by_reason([row for row in frames if row["verdict"] == "rejected" and row["frame"]], SHOWN["rejected"])
    lost = by_reason([row for row in tracks if row["status"] == "lost"], SHOWN["lost"])
    shown = by_video([*accepted, *rejected], videos, frames_table)
    for video_id, rows in by_video(lost, videos, tracks_table).items():
        shown[video_id] += rows
    work = partial(_sights, shown=shown, size=(height, width), resample_fps=resample_fps, overlays=rule.overlays)
    sights: dict[Place, Sight] = {}
    for _, found in each_video(work, videos, threads=1, timeout=timeout):
        sights |= found
    sections = {
        "Why": "".join(_histogram(name, counts) for name, counts in reasons.items()),
        "Accepted frames": _legend() + "".join(_frame(row, sights, rule) for row in accepted),
        "Rejected frames": _legend() + "".join(_frame(row, sights, rule) for row in rejected),
        "Pairs": "<p>query left, tracked patch right</p>"
        + "".join(_pair(pairs, index) for index in spread(range(len(pairs)), SHOWN["pairs"])),
        "Lost tracks": "<p>the query</p>" + "".join(_query(row, sights) for row in lost),
    }
    shard = Path(manifest).stem
    with atomic(page) as temporary:
        temporary.write_text(document(f"Mining of shard {shard}", f"What was mined from shard {shard}", sections))
    counted = {f"{name}/{reason}": count for name, counts in reasons.items() for reason, count in counts.items()}
    return {**counted, "pictures": sum(text.count("<img ") for text in sections.values())}


def by_reason(rows: Table, count: int) -> Table:
    """At most `count` rows, about equally many of each reason and evenly chosen among those, reason after reason."""
    groups: dict[str, Table] = defaultdict(list)
    for row in rows:
        groups[short_reason(row["reason"])].append(row)
    chosen: Table = []
    for place, (_, group) in enumerate(sorted(groups.items(), key=lambda item: len(item[1]))):
        chosen += spread(group, max(1, (count - len(chosen)) // (len(groups) - place)))
    return chosen[:count]


def drawn(
    image: np.ndarray, points: Points, *, moving_px: float, corner: tuple[int, int] | None, box: int
) -> np.ndarray:
    """A frame, uint8 luma (H, W), made small, with its points by what became of them, and the query box: RGB."""
    scale = FRAME_SIDE / max(image.shape)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = cv2.cvtColor(small, cv2.COLOR_GRAY2RGB)
    for (x, y), length, overlaid in zip(points.at * scale, points.lengths, points.overlaid, strict=True):
        followed = GONE if np.isnan(length) else MOVING if length > moving_px else STILL
        centre = (round(float(x)), round(float(y)))
        cv2.circle(small, centre, 2, OVERLAID if overlaid else followed, -1, cv2.LINE_AA)
    if corner is not None:
        (left, top), (right, bottom) = ([round(scale * (at + side)) for at in corner] for side in (0, box))
        cv2.rectangle(small, (left, top), (right, bottom), BOX, 2)
    return small


def _sights(
    video: Row, *, shown: Mapping[str, Table], size: tuple[int, int], resample_fps: float | None, overlays: bool
) -> dict[Place, Sight]:
    """The frames of a video that are shown; without those that can no longer be read."""
    wanted = {int(row["frame"]) for row in shown[video.video_id]}
    found: dict[Place, Sight] = {}
    if not wanted:
        return found
    with suppress(UserError):  # gone since it was mined, or slower than it may be
        overlay = find_overlay(read_key_frames(video.path, size=size)) if overlays else None
        for index, frame, following in candidates(video.path, size, resample_fps=resample_fps, among=wanted):
            found[video.video_id, index] = Sight(frame, following, overlay)
    return found


def _frame(row: dict[str, str], sights: Mapping[Place, Sight], rule: Rule) -> str:
    """A candidate frame with its points, and its query box if it has one."""
    sight = sights.get(_place(row))
    if sight is None:
        return ""
    points = moving_points(sight.frame, sight.following, rule, sight.overlay)
    corner = (int(row["x"]), int(row["y"])) if row["x"] else None
    picture = drawn(sight.frame, points, moving_px=rule.moving_px, corner=corner, box=rule.box)
    share = f", {float(row['fraction']):.0%} move" if row["fraction"] else ""
    return embedded(_jpeg(picture), f"{row['video_id']} {row['frame']}: {row['reason']}{share}", kind="jpeg")


def _pair(store: PatchStore, index: int) -> str:
    """Query and tracked patch of a pair side by side."""
    first, last = store.frames[index]
    caption = f"{store.video_ids[store.videos[index]]} {first} to {last}: score {store.scores[index]:.2f}"
    return embedded(_jpeg(np.hstack([_small(patch) for patch in store.pair(index)])), caption, kind="jpeg")


def _query(row: dict[str, str], sights: Mapping[Place, Sight]) -> str:
    """The query patch of a lost track, in grey."""
    sight = sights.get(_place(row))
    if sight is None:
        return ""
    x, y, w, h = (int(row[column]) for column in ("x", "y", "w", "h"))
    end = f" to {row['last_frame']}" if row["last_frame"] else ""
    patch = cv2.cvtColor(_small(sight.frame[y : y + h, x : x + w]), cv2.COLOR_GRAY2RGB)
    return embedded(_jpeg(patch), f"{row['video_id']} {row['frame']}{end}: {short_reason(row['reason'])}", kind="jpeg")


def _legend() -> str:
    """What the colours of a frame mean."""
    words = (f'<span style="color: rgb{colour}">&#9679;</span> {name}' for name, colour in LEGEND.items())
    return f"<p>{' &nbsp; '.join(words)}</p>"


def _histogram(name: str, reasons: Counter[str]) -> str:
    """Counts by reason as bars, the most frequent first."""
    total = max(1, reasons.total())
    lines = "".join(
        f"<tr><td>{html.escape(reason)}</td><td>{count:,}</td><td>{count / total:.1%}</td>"
        f'<td style="text-align: left"><div style="background: #8fb3d9; height: 1em; '
        f'width: {300 * count / total:.0f}px"></div></td></tr>'
        for reason, count in reasons.most_common()
    )
    return f"<table><tr><th>{name}</th><th></th><th></th><th></th></tr>{lines}</table>"


def _place(row: dict[str, str]) -> Place:
    return row["video_id"], int(row["frame"])


def _small(patch: np.ndarray) -> np.ndarray:
    return cv2.resize(patch, (PATCH_SIDE, PATCH_SIDE), interpolation=cv2.INTER_AREA)


def _jpeg(image: np.ndarray) -> bytes:
    """An RGB picture as a JPEG file."""
    return cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
