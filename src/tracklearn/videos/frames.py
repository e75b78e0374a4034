"""Reading frames of a video in a given size, as luma or RGB, with exact indices; it seeks where that saves time."""

import math
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from tracklearn.errors import UserError
from tracklearn.videos.manifest import ManifestRow
from tracklearn.videos.packets import PacketTable, file_state, open_video, packet_table, read_packets

# ASSUME: a seek costs about as much as decoding a few frames, since it drops what the decoder's threads have in flight.
SEEK_GAIN = 8

# ASSUME: no camera's pixels are more than four times as wide as high, or the reverse. (Half the width of D1, shown as
# 16:9, has pixels of 32:11.) A file that claims more has a broken header, and its pixels are taken for square.
MAX_PIXEL_ASPECT = 4

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True)
class Probe:
    """What a video holds.

    Attributes:
        frames: number of frames in the readable part of the file, by its packets.
        fps: mean frames per second.
        width: width of the upright frame as it is shown, in square pixels.
        height: height of the upright frame as it is shown, in square pixels.
        duration: seconds from the first frame to the end of the last.
        rotation: clockwise degrees from the coded to the upright frame: 0, 90, 180 or 270.
        mirrored: 1 if the coded frame is mirrored left to right before it is rotated, else 0.
        note: what is wrong with a video that can be read all the same (a missing end), or "".
    """

    frames: int
    fps: float
    width: int
    height: int
    duration: float
    rotation: int
    mirrored: int = 0
    note: str = ""


def probe(path: str | Path) -> Probe:
    """Count the frames of a video by its packets, and decode it until one frame comes out whole; 64 answers are cached.

    Raises:
        UserError: the path and the reason: as `open_video`, or no frame can be decoded.
    """
    return _probe(str(path), file_state(path))


@lru_cache(maxsize=64)
def _probe(path: str, state: tuple[int, int] | None) -> Probe:
    table = packet_table(path)
    with open_video(path) as (container, stream):
        decoded = (frame for packet in read_packets(container, stream) for frame in _decode(packet))
        first = next((frame for frame in decoded if not frame.is_corrupt), None)
        if first is None:
            raise UserError(f"{path}: none of its {table.frames} frames can be decoded")
        duration = _duration(table, stream)
        height, width = _upright_size(first, _pixel_aspect(stream))
        rotation, mirrored = _orientation(first)
        return Probe(
            frames=table.frames,
            fps=round(table.frames / duration, 4),
            width=width,
            height=height,
            duration=round(duration, 3),
            rotation=rotation,
            mirrored=int(mirrored),
            note=_missing_end(table, duration, container, stream),
        )


def frame_size(probe: Probe | ManifestRow, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the frames that `read_frames` gives: `size`, or its transpose for portrait video."""
    return _oriented(probe.height, probe.width, size)


def read_frames(
    path: str | Path,
    *,
    size: tuple[int, int],
    indices: Iterable[int] | None = None,
    start: int = 0,
    stop: int | None = None,
    step: int = 1,
    needed: Callable[[int], bool] | None = None,
    colour: bool = False,
    threads: int = 1,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield frames of a video one by one, upright and resized (bilinear), in the order of their indices.

    Upright means as the file's display matrix says (mirrored, then rotated), portrait or landscape by the shown size.

    The index of a frame is its place in display order among all frames of the file. Frames that cannot be decoded
    whole, and frames that turn from portrait to landscape or back, are left out and shift no index. A broken packet may
    also cost the frames that the decoder's threads have in flight. Indices beyond the end are left out.

    Args:
        path: a local video file.
        size: (height, width) of the frames; portrait video gets (width, height), see `frame_size`.
        indices: ascending indices of the frames to read; by default `range(start, stop, step)`.
        start: first index.
        stop: index after the last one; None reads to the end.
        step: distance of two indices.
        needed: asked with an index, before its frame is decoded and before it is yielded, whether the frame is still
            needed; frames that are not are skipped, and reading ends where no later frame is needed. A frame that is
            not needed once must stay so. None needs all frames.
        colour: False gives luma, uint8 (height, width): YUV video in its coded range (the upper 8 bits if it has more),
            RGB and grey video in full range. True gives RGB, uint8 (height, width, 3).
        threads: threads of the decoder.

    Yields:
        (index, image).

    Raises:
        UserError: as `probe`, or the time limit of `deadline.time_limit` is over.
        ValueError: the indices do not ascend.
    """
    table, upright = packet_table(path), frame_size(probe(path), size)
    if indices is None:
        wanted = np.arange(start, table.frames if stop is None else min(stop, table.frames), step)
    else:
        wanted = np.fromiter(indices, dtype=np.int64)
        if np.any(np.diff(wanted) <= 0) or np.any(wanted < 0):
            raise ValueError(f"{path}: indices must be >= 0 and ascend")
        wanted = wanted[wanted < table.frames]
    with open_video(path, threads=threads) as (container, stream):
        frames = _timed_frames if len(table.times) else _counted_frames
        aspect = _pixel_aspect(stream)
        last = -1
        for index, frame in frames(container, stream, table, wanted, needed or _always):
            # Where packets are broken, a decoder may give frames late.
            if index > last and _oriented(*_upright_size(frame, aspect), size) == upright:
                last = index
                yield index, _resized(frame, size=upright, colour=colour)


def _always(index: int) -> bool:
    return True


def _timed_frames(
    container: InputContainer,
    stream: VideoStream,
    table: PacketTable,
    wanted: np.ndarray,
    needed: Callable[[int], bool],
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Wanted frames in runs. A run begins with a seek to the last key frame before it where that skips enough."""
    keys = np.searchsorted(table.key_frames, wanted, side="right") - 1  # (wanted,)
    starts = np.concatenate([[0], table.key_frames])[keys + 1]  # (wanted,)
    jumps = starts - np.concatenate([[0], wanted])[:-1] > SEEK_GAIN  # (wanted,)
    for run in np.split(np.arange(len(wanted)), np.flatnonzero(jumps)):
        if not any(needed(index) for index in wanted[run].tolist()):
            continue
        first = run[0]
        if jumps[first]:
            _seek(container, stream, table, int(keys[first]))
        start = int(starts[first]) if jumps[first] else -1
        clean = yield from _run(container, stream, table, wanted[run], needed, start=start)
        if not clean:
            # Decoding cannot start at this key frame (an open GOP without a recovery point): read on without seeks.
            _seek(container, stream, table, 0)
            yield from _run(container, stream, table, wanted[first:], needed)
            return


def _run(
    container: InputContainer,
    stream: VideoStream,
    table: PacketTable,
    wanted: np.ndarray,
    needed: Callable[[int], bool],
    *,
    start: int = -1,
) -> Generator[tuple[int, av.VideoFrame], None, bool]:
    """Decode on to the last frame that is wanted and needed.

    Frames that are not needed and that no other frame refers to are not decoded, except in AV1.

    Args:
        start: index of the key frame to which the container was moved, -1 if it was not moved.

    Returns:
        Whether decoding started cleanly. It is False, and nothing was yielded, where `start` did not come out first and
        whole.
    """
    context = stream.codec_context
    is_wanted = np.zeros(table.frames, bool)
    is_wanted[wanted] = True
    left, reached = wanted.tolist(), -1
    clean, skipping = start < 0, False
    context.skip_frame = "DEFAULT"
    for packet in read_packets(container, stream):
        index = table.index(packet.pts)
        # A second field and a hidden frame have no index, and go with the frame before them.
        skip = skipping if index < 0 else index != start and not (is_wanted[index] and needed(index))
        if skip != skipping:
            skipping = skip
            context.skip_frame = "NONREF" if skipping else "DEFAULT"
        for frame in _decode(packet):
            index = table.index(frame.pts)
            if not clean and index >= start:
                clean = index == start and not frame.is_corrupt
                if not clean:
                    return False
            if index >= 0 and is_wanted[index] and not frame.is_corrupt and needed(index):
                yield index, frame
            reached = max(reached, index)
            if _done(left, reached, needed):
                return True
    return clean


def _done(left: list[int], reached: int, needed: Callable[[int], bool]) -> bool:
    """Whether no frame after `reached` is needed. Indices that are not needed are cut off the end of `left`."""
    while left and left[-1] > reached and not needed(left[-1]):
        left.pop()
    return not left or left[-1] <= reached


def _counted_frames(
    container: InputContainer,
    stream: VideoStream,
    table: PacketTable,
    wanted: np.ndarray,
    needed: Callable[[int], bool],
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Wanted frames of a container without display times: all frames are decoded and counted."""
    left, is_wanted = wanted.tolist(), set(wanted.tolist())
    decoded = (frame for packet in read_packets(container, stream) for frame in _decode(packet))
    for index, frame in enumerate(decoded):
        if index in is_wanted and not frame.is_corrupt and needed(index):
            yield index, frame
        if _done(left, index, needed):
            return


def _seek(container: InputContainer, stream: VideoStream, table: PacketTable, key: int) -> None:
    """Move to a key frame or to one before it.

    Some containers seek by display time and some by decoding time, so the packet that is reached is checked.
    """
    display_time, decoding_time = table.key_times[key].tolist()
    for time in (display_time, decoding_time):
        container.seek(time, stream=stream)
        reached = next(read_packets(container, stream), None)
        if reached is not None and reached.pts is not None and reached.pts <= display_time:
            container.seek(time, stream=stream)  # the packet that was checked is read again
            return
    container.seek(int(table.key_times[0].min()), stream=stream)


def _decode(packet: av.Packet) -> list[av.VideoFrame]:
    """Frames that a packet completes; a broken packet completes none, and the decoder goes on with the next one."""
    try:
        return [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
    except FFmpegError:
        return []


def _resized(frame: av.VideoFrame, *, size: tuple[int, int], colour: bool) -> np.ndarray:
    """The resized and upright image of a frame: luma (height, width) or RGB (height, width, 3)."""
    height, width = size
    rotation, mirrored = _orientation(frame)
    image = frame.to_ndarray(format="rgb24") if colour else _luma(frame)
    coded = (height, width) if rotation in (90, 270) else (width, height)  # OpenCV's order
    image = cv2.resize(image, coded, interpolation=cv2.INTER_LINEAR)
    image = cv2.flip(image, 1) if mirrored else image
    return cv2.rotate(image, _ROTATIONS[rotation]) if rotation else image


def _luma(frame: av.VideoFrame) -> np.ndarray:
    """A view of the luma plane, uint8 (height, width); all but planar 8-bit YUV is converted first.

    YUV is converted to "yuv420p", which keeps the coded range, and not to "gray", which always has full range.
    """
    pixels = frame.format
    if pixels.is_rgb or not pixels.is_planar or pixels.components[0].bits != 8:
        yuv = len(pixels.components) >= 3 and not pixels.is_rgb
        frame = frame.reformat(format="yuv420p" if yuv else "gray")
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]


def _orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """(rotation, mirrored): a coded frame becomes upright when it is mirrored left to right, then rotated clockwise.

    They are two of the eight orientations that the display matrix can ask for; another angle becomes the nearest. The
    matrix maps a step of one pixel to the right in the coded frame to (a, b), and a step down to (c, d), with x to the
    right and y down (libavutil, display.h).
    """
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    mirrored = a * d < b * c  # the determinant is negative
    right = (-a, -b) if mirrored else (a, b)
    return round(math.degrees(math.atan2(right[1], right[0])) / 90) % 4 * 90, mirrored


def _pixel_aspect(stream: VideoStream) -> float:
    """Width of a coded pixel in units of its height, as it is shown."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 1 / MAX_PIXEL_ASPECT <= aspect <= MAX_PIXEL_ASPECT else 1.0


def _upright_size(frame: av.VideoFrame, pixel_aspect: float) -> tuple[int, int]:
    """(height, width) of the upright frame as it is shown, in square pixels: the coded height is kept."""
    size = frame.height, max(1, round(frame.width * pixel_aspect))
    return size[::-1] if _orientation(frame)[0] in (90, 270) else size


def _oriented(height: int, width: int, size: tuple[int, int]) -> tuple[int, int]:
    # ASSUME: portrait video keeps its orientation. The paper does not say, and squeezing it would distort shapes.
    return (size[1], size[0]) if height > width else size


def _duration(table: PacketTable, stream: VideoStream) -> float:
    """Seconds from the first frame to the end of the last."""
    rate = float(stream.average_rate or stream.guessed_rate or 25)  # ASSUME: 25 fps where the file has no rate
    if table.usual_gap and stream.time_base is not None:
        return float(table.frames * table.usual_gap * stream.time_base)
    if len(table.times) < 2 or stream.time_base is None:
        return table.frames / rate
    elapsed = float((table.times[-1] - table.times[0]) * stream.time_base)
    return elapsed * table.frames / (table.frames - 1) or table.frames / rate


def _missing_end(table: PacketTable, duration: float, container: InputContainer, stream: VideoStream) -> str:
    """Which part of the video that its header promises is missing from the file, or ""."""
    if stream.frames > table.packets and _frames_after(table, stream) >= 1:
        return f"truncated: the file holds {table.packets} of {stream.frames} frames"
    promised = (container.duration or 0) / av.time_base
    # ASSUME: audio may be a little longer than the video; a tenth and a second more means that the file was cut.
    if max(duration, table.end * float(stream.time_base or 0)) < 0.9 * promised - 1:
        return f"truncated: the video ends at {duration:.1f} s of {promised:.1f} s"
    return ""


def _frames_after(table: PacketTable, stream: VideoStream) -> float:
    """Frames that the header promises after the last packet. A header also counts dropped frames, which are empty."""
    if not stream.duration or not stream.average_rate or stream.time_base is None:
        return math.inf
    return round((stream.duration - table.end) * stream.time_base * stream.average_rate)
