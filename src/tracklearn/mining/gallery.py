"""A page a shard to judge mining by eye: frames with points and boxes (the paper's figure 2), pairs (figure 3)."""

import html
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.mining.motion import compensated_flow
from tracklearn.mining.shard import FRAMES, TIMEOUT, TRACKS, read_table, short_reason, timeline
from tracklearn.mining.surf import interest_points
from tracklearn.pictures import document, embedded
from tracklearn.videos.deadline import time_limit
from tracklearn.videos.frames import probe, read_frames
from tracklearn.videos.manifest import Row, read_manifest

SHOWN = {"accepted": 12, "rejected": 16, "tracked": 24, "lost": 12}
FRAME_SIDE, PATCH_SIDE = 360, 120  # pixels: longer side of a shown frame, side of a shown patch
QUALITY = 80
STILL, MOVING, GONE, BOX = (70, 130, 255), (255, 70, 40), (150, 150, 150), (60, 220, 60)  # RGB
LEGEND = "blue: SURF points that stand still, red: that move, grey: not found again; green: the query box"

Table = list[dict[str, str]]
Place = tuple[str, int]  # video_id, native frame
Images = dict[Place, np.ndarray]
Item = TypeVar("Item")


def mining_gallery(
    *,
    manifest: str | Path,
    frames_table: str | Path,
    tracks_table: str | Path,
    page: str | Path,
    height: int = 448,
    width: int = 600,
    box: int = 227,
    surf_threshold: float = 5.0,
    max_points: int = 1024,
    flow: str = "lucas-kanade",
    moving_px: float = 0.5,
    resample_fps: float | None = None,
) -> dict[str, float]:
    """Write a page of evenly chosen frames, pairs and lost tracks of a shard, and of how many ended for which reason.

    The tables say what became of every frame; points are found anew for the few frames that are shown, with the
    settings of the filter. Every picture is inside the file. What cannot be read again is left out.

    Returns:
        `frames/<reason>` and `tracks/<reason>` counts of both tables, and the `pictures` shown.

    Raises:
        UserError: a table of another version, or a disk that is full.
    """
    videos = {video.video_id: video for video in read_manifest(manifest)}
    frames, tracks = read_table(frames_table, FRAMES), read_table(tracks_table, TRACKS)
    candidates = [row for row in frames if row["frame"]]
    chosen = {
        "accepted": spread([row for row in candidates if row["verdict"] == "accepted"], SHOWN["accepted"]),
        "rejected": by_reason([row for row in candidates if row["verdict"] == "rejected"], SHOWN["rejected"]),
        "tracked": spread([row for row in tracks if row["status"] == "tracked"], SHOWN["tracked"]),
        "lost": by_reason([row for row in tracks if row["status"] == "lost"], SHOWN["lost"]),
    }
    judged = [*chosen["accepted"], *chosen["rejected"]]
    ends = [*chosen["tracked"], *chosen["lost"]]
    following = _following(judged, videos, resample_fps)
    size = (height, width)
    grey = _read(videos, [place for pair in following.items() for place in pair], size, colour=False)
    places = [*map(_start, judged), *map(_start, ends), *(_end(row) for row in ends if row["last_frame"])]
    colour = _read(videos, places, size, colour=True)

    def seen(row: dict[str, str]) -> str:
        place = _start(row)
        if place not in colour:
            return ""
        before, after = grey.get(place), grey.get(following.get(place, place))
        points, lengths = np.empty((0, 2), np.float32), np.empty(0, np.float32)
        if before is not None and after is not None:
            find = {"detector": row["surf"], "threshold": surf_threshold, "max_points": max_points}
            points = interest_points(before, **find)  # type: ignore[arg-type]
            lengths, _ = compensated_flow(before, after, points, flow=flow)
        corner = (int(row["x"]), int(row["y"])) if row["x"] else None
        picture = drawn(colour[place], points, lengths, moving_px=moving_px, corner=corner, box=box)
        share = f", {float(row['fraction']):.0%} move" if row["fraction"] else ""
        return embedded(_jpeg(picture), f"{_name(row)}: {row['reason']}{share}", kind="jpeg")

    sections = {
        "Why": _histogram("frames", _reasons(frames)) + _histogram("tracks", _reasons(tracks)),
        "Accepted frames": f"<p>{LEGEND}</p>" + "".join(map(seen, chosen["accepted"])),
        "Rejected frames": f"<p>{LEGEND}</p>" + "".join(map(seen, chosen["rejected"])),
        "Pairs": "<p>query left, tracked patch right</p>" + "".join(_pair(row, colour) for row in chosen["tracked"]),
        "Lost tracks": "<p>the query</p>" + "".join(_pair(row, colour) for row in chosen["lost"]),
    }
    shard = Path(manifest).stem
    with atomic(page) as temporary:
        temporary.write_text(document(f"Mining of shard {shard}", f"What was mined from shard {shard}", sections))
    counts = {f"frames/{reason}": float(count) for reason, count in _reasons(frames).items()}
    counts |= {f"tracks/{reason}": float(count) for reason, count in _reasons(tracks).items()}
    return counts | {"pictures": float(sum(text.count("<img ") for text in sections.values()))}


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of the items, evenly chosen, in order; the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[place] for place in np.linspace(0, len(items) - 1, count).round().astype(int)]


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
    image: np.ndarray,
    points: np.ndarray,
    lengths: np.ndarray,
    *,
    moving_px: float,
    corner: tuple[int, int] | None,
    box: int,
) -> np.ndarray:
    """A frame, uint8 RGB (H, W, 3), made small, with its points by whether they move, and the query box."""
    scale = FRAME_SIDE / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for (x, y), length in zip(points * scale, lengths, strict=True):
        colour = GONE if np.isnan(length) else MOVING if length > moving_px else STILL
        cv2.circle(small, (round(float(x)), round(float(y))), 2, colour, -1, cv2.LINE_AA)
    if corner is not None:
        (left, top), (right, bottom) = ([round(scale * (at + side)) for at in corner] for side in (0, box))
        cv2.rectangle(small, (left, top), (right, bottom), BOX, 2)
    return small


def _following(rows: Table, videos: Mapping[str, Row], resample_fps: float | None) -> dict[Place, Place]:
    """The frame after each candidate on its video's timeline."""
    found: dict[Place, Place] = {}
    for name in {row["video_id"] for row in rows}:
        try:
            times = timeline(probe(videos[name].path), resample_fps)
        except UserError:  # gone since it was mined
            continue
        for video, frame in (_start(row) for row in rows if row["video_id"] == name):
            after = bisect_right(times, frame)
            if after < len(times):
                found[video, frame] = (video, times[after])
    return found


def _read(videos: Mapping[str, Row], places: Iterable[Place], size: tuple[int, int], *, colour: bool) -> Images:
    """The frames at some places, of each video in one go; without those that cannot be read."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for video, frame in places:
        wanted[video].add(frame)
    images: Images = {}
    for video, indices in wanted.items():
        try:
            with time_limit(TIMEOUT):
                for frame, image in read_frames(videos[video].path, size=size, indices=sorted(indices), colour=colour):
                    images[video, frame] = image
        except UserError:
            continue
    return images


def _pair(row: dict[str, str], images: Images) -> str:
    """Query and tracked patch side by side; of a lost track the query alone."""
    sides = [(_start(row), ("x", "y", "w", "h"))]
    if row["status"] == "tracked":
        sides.append((_end(row), ("tracked_x", "tracked_y", "tracked_w", "tracked_h")))
    if any(place not in images for place, _ in sides):
        return ""
    patches = []
    for place, columns in sides:
        x, y, w, h = (int(row[column]) for column in columns)
        patch = images[place][y : y + h, x : x + w]
        patches.append(cv2.resize(patch, (PATCH_SIDE, PATCH_SIDE), interpolation=cv2.INTER_AREA))
    words = f"score {float(row['score']):.2f}" if row["score"] else short_reason(row["reason"])
    end = f" to {row['last_frame']}" if row["last_frame"] else ""
    return embedded(_jpeg(np.hstack(patches)), f"{_name(row)}{end}: {words}", kind="jpeg")


def _histogram(name: str, reasons: Mapping[str, int]) -> str:
    """Counts by reason as bars."""
    total = max(1, sum(reasons.values()))
    lines = "".join(
        f"<tr><td>{html.escape(reason)}</td><td>{count:,}</td><td>{count / total:.1%}</td>"
        f'<td style="text-align: left"><div style="background: #8fb3d9; height: 1em; '
        f'width: {300 * count / total:.0f}px"></div></td></tr>'
        for reason, count in reasons.items()
    )
    return f"<table><tr><th>{name}</th><th></th><th></th><th></th></tr>{lines}</table>"


def _reasons(rows: Table) -> dict[str, int]:
    """How many rows ended for which reason, the most frequent first."""
    return dict(Counter(short_reason(row["reason"]) or row.get("status", "") for row in rows).most_common())


def _name(row: dict[str, str]) -> str:
    return f"{row['video_id']} {row['frame']}"


def _start(row: dict[str, str]) -> Place:
    return row["video_id"], int(row["frame"])


def _end(row: dict[str, str]) -> Place:
    return row["video_id"], int(row["last_frame"])


def _jpeg(image: np.ndarray) -> bytes:
    """An RGB picture as a JPEG file."""
    return cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
