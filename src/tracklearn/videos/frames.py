"""Frames of a video in the paper's size, as a stream: luma by default, with exact indices, seeking where it pays."""

from collections.abc import Container, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from tracklearn.errors import UserError
from tracklearn.videos.packets import PacketTable, file_state, open_video, packet_table, read_packets

SIZE = (448, 600)  # PAPER §4: frames are resized to 448 x 600

# ASSUME: a seek costs about as much as decoding a few frames (it drops what the decoder's threads have in flight).
SEEK_GAIN = 8

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True)
class Probe:
    """What a video holds.

    Attributes:
        frames: number of frames in the readable part of the file (its packets, counted without decoding).
        fps: mean frames a second.
        width: of the picture as shown, that is after rotation, in pixels.
        height: likewise.
        duration: seconds from the first frame to the end of the last.
        rotation: clockwise degrees by which the coded picture is turned to be shown: 0, 90, 180 or 270.
        note: what is wrong with a video that can be read all the same (a missing end), or "".
    """

    frames: int
    fps: float
    width: int
    height: int
    duration: float
    rotation: int
    note: str = ""


def probe(path: str | Path) -> Probe:
    """Count the frames of a video by its packets, and decode from the start until one frame comes out whole.

    The last answers are kept.

    Raises:
        UserError: the path and the reason: no such file, empty, not a video, no video stream, no decodable frame.
    """
    return _probe(str(path), file_state(path))


@lru_cache(maxsize=64)
def _probe(path: str, state: tuple[int, int] | None) -> Probe:
    table = packet_table(path)
    with open_video(path) as (container, stream):
        first = next(_whole_frames(container, stream), None)
        if first is None:
            raise UserError(f"{path}: none of its {table.frames} frames can be decoded")
        duration = _duration(table, stream)
        height, width = _shown(first)
        return Probe(
            frames=table.frames,
            fps=round(table.frames / duration, 4),
            width=width,
            height=height,
            duration=round(duration, 3),
            rotation=_rotation(first),
            note=_missing_end(table, duration, container, stream),
        )


def frame_size(probe: Probe, size: tuple[int, int] = SIZE) -> tuple[int, int]:
    """(height, width) that `read_frames` gives for a video: `size`, or its transpose for portrait video."""
    return _oriented(probe.height, probe.width, size)


def read_frames(
    path: str | Path,
    *,
    size: tuple[int, int] = SIZE,
    indices: Iterable[int] | None = None,
    start: int = 0,
    stop: int | None = None,
    step: int = 1,
    dropped: Container[int] = (),
    colour: bool = False,
    threads: int = 1,
) -> Iterator[tuple[int, np.ndarray]]:
    """Stream frames of a video, resized (bilinear) and upright, in the order of their indices.

    A frame's index is its place in the order of display among all frames of the file, whatever else is read: frames
    that cannot be decoded whole, and those that turn from portrait to landscape or back, are left out and leave a gap
    in the indices, they never shift them (a broken packet may take with it what the decoder's threads had in flight).
    Indices beyond the end are left out too. One frame is held at a time.

    Args:
        path: a local video file.
        size: (height, width) of the frames; a portrait video gets (width, height), see `frame_size`.
        indices: ascending indices of the frames to read; otherwise `range(start, stop, step)`, to the end for no stop.
        start: first index.
        stop: index after the last.
        step: distance of the indices.
        dropped: indices that are not wanted after all; may grow while the frames are read, and reading ends where no
            later one is wanted.
        colour: False for luma, uint8 (height, width): in the range that it is coded in where the video is YUV (of more
            than 8 bits the upper 8), full range where it is RGB or grey. True for RGB, uint8 (height, width, 3).
        threads: of the decoder.

    Yields:
        (index, image).

    Raises:
        UserError: as `probe`; or the limit of `deadline.time_limit` is over.
        ValueError: indices that do not ascend.
    """
    table, shape = packet_table(path), frame_size(probe(path), size)
    if indices is None:
        wanted = np.arange(start, table.frames if stop is None else min(stop, table.frames), step)
    else:
        wanted = np.fromiter(indices, dtype=np.int64)
        if np.any(np.diff(wanted) <= 0) or np.any(wanted < 0):
            raise ValueError(f"{path}: indices must be >= 0 and ascend")
        wanted = wanted[wanted < table.frames]
    with open_video(path, threads=threads) as (container, stream):
        frames = _timed_frames if len(table.times) else _counted_frames
        last = -1
        for index, frame in frames(container, stream, table, wanted, dropped):
            # Where packets are broken a decoder may give frames late.
            if index > last and _oriented(*_shown(frame), size) == shape:
                last = index
                yield index, _picture(frame, size=shape, colour=colour)


def _timed_frames(
    container: InputContainer, stream: VideoStream, table: PacketTable, wanted: np.ndarray, dropped: Container[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Wanted frames in runs, each decoded from the last key frame before it where that skips enough."""
    keys = np.searchsorted(table.key_frames, wanted, side="right") - 1  # (wanted,)
    starts = np.concatenate([[0], table.key_frames])[keys + 1]  # (wanted,)
    jumps = starts - np.concatenate([[0], wanted])[:-1] > SEEK_GAIN  # (wanted,)
    for run in np.split(np.arange(len(wanted)), np.flatnonzero(jumps)):
        if all(index in dropped for index in wanted[run].tolist()):
            continue
        first = run[0]
        if jumps[first]:
            _seek(container, stream, table, int(keys[first]))
        start = int(starts[first]) if jumps[first] else -1
        sound = yield from _run(container, stream, table, wanted[run], dropped, start=start)
        if not sound:
            # The decoder does not take this key frame for a start (an open GOP without a recovery point): no more seeks
            _seek(container, stream, table, 0)
            yield from _run(container, stream, table, wanted[first:], dropped)
            return


def _run(
    container: InputContainer,
    stream: VideoStream,
    table: PacketTable,
    wanted: np.ndarray,
    dropped: Container[int],
    *,
    start: int = -1,
) -> Generator[tuple[int, av.VideoFrame], None, bool]:
    """Decode on to the last wanted frame that is not dropped; frames that nothing wants and nothing
    refers to are not decoded, but for AV1's.

    Returns False, having given nothing, when the frame `start` did not come out whole and first from there on.
    """
    context = stream.codec_context
    needed = np.zeros(table.frames, bool)
    needed[wanted] = True
    left, reached = wanted.tolist(), -1
    sound, skipping = start < 0, False
    context.skip_frame = "DEFAULT"
    for packet in read_packets(container, stream):
        if _done(left, reached, dropped):
            return True
        shown = table.index(packet.pts)
        idle = shown >= 0 and shown != start and (not needed[shown] or shown in dropped)
        if idle != skipping:
            skipping = not skipping
            context.skip_frame = "NONREF" if skipping else "DEFAULT"
        for frame in _decode(packet):
            index = table.index(frame.pts)
            if not sound and index >= start:
                sound = index == start and not frame.is_corrupt
                if not sound:
                    return False
            if index >= 0 and needed[index] and index not in dropped and not frame.is_corrupt:
                yield index, frame
            reached = max(reached, index)
            if _done(left, reached, dropped):
                return True
    return sound


def _done(left: list[int], reached: int, dropped: Container[int]) -> bool:
    """Whether none of the ascending indices `left` is wanted after `reached`; takes the dropped ones off their end."""
    while left and left[-1] in dropped:
        left.pop()
    return not left or left[-1] <= reached


def _counted_frames(
    container: InputContainer, stream: VideoStream, table: PacketTable, wanted: np.ndarray, dropped: Container[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Wanted frames of a container without display times: all are decoded and counted."""
    left, needed = wanted.tolist(), set(wanted.tolist())
    frames = (frame for packet in read_packets(container, stream) for frame in _decode(packet))
    for index, frame in enumerate(frames):
        if index in needed and index not in dropped and not frame.is_corrupt:
            yield index, frame
        if _done(left, index, dropped):
            return


def _seek(container: InputContainer, stream: VideoStream, table: PacketTable, key: int) -> None:
    """Go to a key frame or one before it; containers index by display or by decoding time, so look where we land."""
    shown, decoded = table.key_times[key].tolist()
    for time in (shown, decoded):
        container.seek(time, stream=stream)
        landed = next(read_packets(container, stream), None)
        if landed is not None and landed.pts is not None and landed.pts <= shown:
            container.seek(time, stream=stream)  # the packet looked at is read again
            return
    container.seek(int(table.key_times[0].min()), stream=stream)


def _whole_frames(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    for packet in read_packets(container, stream):
        yield from (frame for frame in _decode(packet) if not frame.is_corrupt)


def _decode(packet: av.Packet) -> list[av.VideoFrame]:
    """Frames that a packet completes; a broken packet completes none, and the decoder goes on with the next."""
    try:
        return [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
    except FFmpegError:
        return []


def _picture(frame: av.VideoFrame, *, size: tuple[int, int], colour: bool) -> np.ndarray:
    """The resized and upright picture of a frame: (height, width) luma or (height, width, 3) RGB."""
    height, width = size
    rotation = _rotation(frame)
    image = frame.to_ndarray(format="rgb24") if colour else _luma(frame)
    coded = (height, width) if rotation in (90, 270) else (width, height)  # OpenCV's order
    image = cv2.resize(image, coded, interpolation=cv2.INTER_LINEAR)
    return cv2.rotate(image, _ROTATIONS[rotation]) if rotation else image


def _luma(frame: av.VideoFrame) -> np.ndarray:
    """A view of the luma plane, uint8 (height, width); other than planar 8-bit YUV is converted first.

    YUV keeps the range that it is coded in, as "gray", always full range, would not.
    """
    pixels = frame.format
    if pixels.is_rgb or not pixels.is_planar or pixels.components[0].bits != 8:
        yuv = len(pixels.components) >= 3 and not pixels.is_rgb
        frame = frame.reformat(format="yuv420p" if yuv else "gray")
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]


def _rotation(frame: av.VideoFrame) -> int:
    """Clockwise degrees to show the frame upright, to the nearest of 0, 90, 180, 270 (PyAV's are anticlockwise)."""
    return round(-frame.rotation / 90) % 4 * 90


def _shown(frame: av.VideoFrame) -> tuple[int, int]:
    turned = _rotation(frame) in (90, 270)
    return (frame.width, frame.height) if turned else (frame.height, frame.width)


def _oriented(height: int, width: int, size: tuple[int, int]) -> tuple[int, int]:
    # ASSUME: the paper does not say what it does with portrait video; squeezing it into landscape would bend shapes.
    return (size[1], size[0]) if height > width else size


def _duration(table: PacketTable, stream: VideoStream) -> float:
    """Seconds from the first frame to the end of the last."""
    rate = float(stream.average_rate or stream.guessed_rate or 25)  # ASSUME: 25 fps where nothing is said
    if len(table.times) < 2 or stream.time_base is None:
        return table.frames / rate
    between = float((table.times[-1] - table.times[0]) * stream.time_base)
    return between * table.frames / (table.frames - 1) or table.frames / rate


def _missing_end(table: PacketTable, duration: float, container: InputContainer, stream: VideoStream) -> str:
    """What the header promises and the file does not hold, in words."""
    if stream.frames > table.packets:
        return f"truncated: {table.packets} of {stream.frames} frames are there"
    promised = (container.duration or 0) / av.time_base
    # ASSUME: sound may outlast the pictures a little; a tenth and a second is a cut file.
    if duration < 0.9 * promised - 1:
        return f"truncated: pictures end at {duration:.1f} s of {promised:.1f} s"
    return ""
