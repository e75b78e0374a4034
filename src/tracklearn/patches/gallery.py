"""A page for each shard to judge mining by eye.

It shows frames with points and boxes (the paper's figure 2) and pairs (figure 3).
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import read_json
from tracklearn.mining.filtering import Points, candidate_frames, points_with_motion
from tracklearn.mining.overlays import Overlay, find_overlay, read_key_frames
from tracklearn.mining.tables import FRAMES, TRACKS, by_video, read_table, short_reason, spread
from tracklearn.pages.rendering import Picture, render
from tracklearn.patches.store import PatchStore
from tracklearn.settings.base import Block
from tracklearn.settings.mining import Filtering, Frame
from tracklearn.videos.manifest import ManifestRow, read_manifest
from tracklearn.videos.shard_loop import each_video

PICTURES = {"accepted": 12, "rejected": 16, "pairs": 24, "lost": 12}  # at most, by section
FRAME_SIDE, PATCH_SIDE = 360, 120  # pixels: longer side of a frame on the page, side of a patch
QUALITY = 80
STANDING, MOVING, UNFOLLOWED, OVERLAID, BOX = (  # RGB
    (70, 130, 255),
    (255, 60, 30),
    (210, 110, 255),
    (255, 220, 0),
    (60, 220, 60),
)
LEGEND = {
    "stands still": STANDING,
    "moves": MOVING,
    "not followed": UNFOLLOWED,
    "left out as overlaid": OVERLAID,
    "query box": BOX,
}

TableRow = dict[str, str]
FrameKey = tuple[str, int]  # video_id, frame number of the file


class Candidate(NamedTuple):
    """What the filter saw: luma of a candidate frame and of the next one, uint8 (H, W), and their video's overlay."""

    image: np.ndarray
    next_image: np.ndarray
    overlay: Overlay | None


def mining_gallery(
    *,
    manifest: str | Path,
    frames_table: str | Path,
    tracks_table: str | Path,
    store: str | Path,
    summary: str | Path,
    page: str | Path,
    frame: Block = None,
    filtering: Block = None,
    resample_fps: float | None = None,
    timeout: float | None = None,
) -> dict[str, float]:
    """Write a page of evenly chosen frames, pairs and lost tracks of a shard, and of the reasons why others ended.

    The tables say what became of every frame. The points of the few frames on the page are found again, as the filter
    found them. A frame that can no longer be read is left out.

    Args:
        manifest: manifest of the shard's videos.
        frames_table: candidate frames, written by `filtering.filter_shard`.
        tracks_table: tracks, written by `kcf.track_shard`.
        store: pairs, written by `packing.pack_shard`.
        summary: summary of the pairs, written by `packing.pack_shard`.
        page: the HTML file to write.
        frame: block `settings.mining.Frame`, the size of the resized frames.
        filtering: block `settings.mining.Filtering`, the settings of the filter.
        resample_fps: frames per second at which the filter counted.
        timeout: seconds that reading a video may take; None sets no limit.

    Returns:
        For each reason, `frames/<reason>` counts the candidate frames with this verdict, and `tracks/<reason>` the
        accepted frames that gave no pair; `tracks/kept` counts the pairs, and `pictures` the pictures on the page.

    Raises:
        UserError: an invalid setting, a table of another version or shard, or a full disk.
    """
    size, settings = Frame.read(frame), Filtering.read(filtering)
    videos, shard = read_manifest(manifest), PatchStore(store)
    frames, tracks = read_table(frames_table, FRAMES), read_table(tracks_table, TRACKS)
    reasons = {
        "frames": Counter(short_reason(row["reason"]) for row in frames),
        "tracks": Counter({"kept": len(shard)} | read_json(summary)["reasons"]),
    }
    accepted = spread([row for row in frames if row["verdict"] == "accepted"], PICTURES["accepted"])
    rejected = by_reason([row for row in frames if row["verdict"] == "rejected" and row["frame"]], PICTURES["rejected"])
    lost = by_reason([row for row in tracks if row["status"] == "lost"], PICTURES["lost"])
    chosen = by_video([*accepted, *rejected], videos, frames_table)
    for video_id, rows in by_video(lost, videos, tracks_table).items():
        chosen[video_id] += rows
    found = read_candidates(
        videos,
        {video_id: {int(row["frame"]) for row in rows} for video_id, rows in chosen.items()},
        size=(size.height, size.width),
        resample_fps=resample_fps,
        overlays=settings.overlays,
        timeout=timeout,
    )
    pictures = {
        "accepted": [_frame_picture(row, found[_key(row)], settings) for row in accepted if _key(row) in found],
        "rejected": [_frame_picture(row, found[_key(row)], settings) for row in rejected if _key(row) in found],
        "pairs": [pair_picture(shard, index) for index in spread(range(len(shard)), PICTURES["pairs"])],
        "lost": [_query_picture(row, found[_key(row)]) for row in lost if _key(row) in found],
    }
    render("mining.html.jinja", page, shard=Path(manifest).stem, legend=LEGEND, reasons=reasons, **pictures)
    counted = {f"{name}/{reason}": count for name, counts in reasons.items() for reason, count in counts.items()}
    return {**counted, "pictures": sum(map(len, pictures.values()))}


def by_reason(rows: Iterable[TableRow], count: int) -> list[TableRow]:
    """At most `count` rows, about equally many of each reason and evenly chosen within a reason; rare reasons first."""
    groups: dict[str, list[TableRow]] = defaultdict(list)
    for row in rows:
        groups[short_reason(row["reason"])].append(row)
    chosen: list[TableRow] = []
    for index, group in enumerate(sorted(groups.values(), key=len)):
        chosen += spread(group, max(1, (count - len(chosen)) // (len(groups) - index)))
    return chosen[:count]


def draw_points(
    image: np.ndarray, points: Points, *, moving_px: float, corner: tuple[int, int] | None, box: int
) -> np.ndarray:
    """A smaller RGB picture of a frame, uint8 luma (H, W), with its points and query box in the legend's colours."""
    scale = FRAME_SIDE / max(image.shape)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = cv2.cvtColor(small, cv2.COLOR_GRAY2RGB)
    for (x, y), length, overlaid in zip(points.at * scale, points.lengths, points.overlaid, strict=True):
        colour = UNFOLLOWED if np.isnan(length) else MOVING if length > moving_px else STANDING
        centre = (round(float(x)), round(float(y)))
        cv2.circle(small, centre, 2, OVERLAID if overlaid else colour, -1, cv2.LINE_AA)
    if corner is not None:
        (left, top), (right, bottom) = ([round(scale * (at + side)) for at in corner] for side in (0, box))
        cv2.rectangle(small, (left, top), (right, bottom), BOX, 2)
    return small


def read_candidates(
    videos: Sequence[ManifestRow],
    frame_numbers: Mapping[str, Container[int]],
    *,
    size: tuple[int, int],
    resample_fps: float | None,
    overlays: bool,
    timeout: float | None,
) -> dict[FrameKey, Candidate]:
    """What the filter saw of some frames, without those that can no longer be read.

    Args:
        videos: rows of the shard's manifest.
        frame_numbers: frames of the file, by video_id.
        size: (height, width) of the resized frames.
        resample_fps: frames per second at which the filter counted.
        overlays: whether the filter looked for overlays.
        timeout: seconds that reading a video may take; None sets no limit.
    """

    def read(video: ManifestRow) -> dict[FrameKey, Candidate]:
        in_video: dict[FrameKey, Candidate] = {}
        with suppress(UserError):  # the file was removed since it was mined, or the time limit is over
            overlay = find_overlay(read_key_frames(video.path, size=size)) if overlays else None
            among = frame_numbers[video.video_id]
            for number, image, next_image in candidate_frames(video.path, size, resample_fps=resample_fps, among=among):
                in_video[video.video_id, number] = Candidate(image, next_image, overlay)
        return in_video

    chosen = [video for video in videos if frame_numbers.get(video.video_id)]
    return {
        key: seen for _, found in each_video(read, chosen, threads=1, timeout=timeout) for key, seen in found.items()
    }


def _frame_picture(row: TableRow, candidate: Candidate, settings: Filtering) -> Picture:
    """A candidate frame with its points, and its query box if it has one."""
    points = points_with_motion(candidate.image, candidate.next_image, settings, candidate.overlay)
    corner = (int(row["x"]), int(row["y"])) if row["x"] else None
    image = draw_points(candidate.image, points, moving_px=settings.moving_px, corner=corner, box=settings.box)
    share = f", {float(row['fraction']):.0%} move" if row["fraction"] else ""
    return _picture(image, f"{row['video_id']} {row['frame']}: {row['reason']}{share}")


def pair_picture(store: PatchStore, index: int) -> Picture:
    """Query and tracked patch of a pair side by side."""
    first, last = store.frames[index]
    caption = f"{store.video_ids[store.video_of_pair[index]]} {first} to {last}: score {store.scores[index]:.2f}"
    return _picture(np.hstack([_small(patch) for patch in store.pair(index)]), caption)


def _query_picture(row: TableRow, candidate: Candidate) -> Picture:
    """The query patch of a lost track, in grey."""
    x, y, w, h = (int(row[column]) for column in ("x", "y", "w", "h"))
    end = f" to {row['last_frame']}" if row["last_frame"] else ""
    patch = cv2.cvtColor(_small(candidate.image[y : y + h, x : x + w]), cv2.COLOR_GRAY2RGB)
    return _picture(patch, f"{row['video_id']} {row['frame']}{end}: {short_reason(row['reason'])}")


def _key(row: TableRow) -> FrameKey:
    return row["video_id"], int(row["frame"])


def _small(patch: np.ndarray) -> np.ndarray:
    return cv2.resize(patch, (PATCH_SIDE, PATCH_SIDE), interpolation=cv2.INTER_AREA)


def _picture(image: np.ndarray, caption: str) -> Picture:
    """An RGB image as a JPEG file with its caption."""
    data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return Picture(data, caption, "jpeg")
