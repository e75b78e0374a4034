"""Opening an untrusted video file, and the table of its packets, which gives every frame an exact index."""

import os
import re
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from tracklearn.errors import UserError
from tracklearn.files import check_readable
from tracklearn.videos.deadline import check_time
from tracklearn.videos.field_pairs import FieldPairs

# Formats of videos on the web. FFmpeg also reads playlists, which open other files or the network, and draws any text
# file as a film of characters: an unknown file must reach neither.
FORMATS = "mov,mp4,matroska,webm,avi,flv,mpegts,mpeg,asf,ogg"

# ASSUME: no camera's frames are twice as large as 8K (7680 x 4320). A broken header may claim a size with which one
# frame takes gigabytes.
MAX_PIXELS = 2 * 7680 * 4320

# Packets between a frame's places in decoding and in display order. H.264 allows 16, hierarchies of HEVC have 32.
MAX_REORDER = 32

# Seconds. ASSUME: a longer gap between two frames comes from wrong times if it is also longer than all shorter gaps
# together and than a hundred usual ones. So the times of pauses, time-lapses and slides are believed.
LONGEST_PAUSE = 60.0

# The first bytes of files that people take for videos.
PICTURES = {b"gif8": "GIF", b"\x89png": "PNG", b"\xff\xd8\xff": "JPEG", b"riff....webp": "WebP"}


@dataclass(frozen=True)
class PacketTable:
    """Display times of a video's frames according to its container. The index of a frame is its place among them.

    Attributes:
        times: (frames,) int64, sorted display times in units of the stream's time base; empty where the container has
            no usable times, and then frames are counted as they are decoded.
        frames: number of frames; the two fields of a frame that H.264 codes in packets of their own are one.
        key_frames: (keys,) int64, frame index of each key frame that a seek can reach.
        key_times: (keys, 2) int64, display and decoding time of each key frame.
        packets: number of packets that are not empty, including second fields and frames that an edit list hides.
        usual_gap: the median distance of two frames where `times` is empty because some times are far from all others,
            otherwise 0. Then the frames tell more of the duration than the times do.
        end: end of the last packet, empty or not, in units of the time base since the stream's first time.
    """

    times: np.ndarray
    frames: int
    key_frames: np.ndarray
    key_times: np.ndarray
    packets: int
    usual_gap: int
    end: int

    def index(self, time: int | None) -> int:
        """Frame index of a display time, -1 if no frame has that time."""
        if time is None:
            return -1
        index = int(np.searchsorted(self.times, time))
        return index if index < len(self.times) and self.times[index] == time else -1


@contextmanager
def open_video(path: str | Path, *, threads: int = 1) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a local file and its main video stream, decoding with `threads` threads.

    Raises:
        UserError: the file is missing, empty, not a video, without a video stream (the cover of a piece of music is
            none), or its frames are too large.
        TimeLimitError: as `check_time`.
        OSError: the disk reports an error, which says nothing of the video.
    """
    check_time()
    path = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113 (Path's raises for a name that no file can have)
        raise UserError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty (0 bytes)")
    try:
        # With "file:" a name like "concat:a|b" is only a name.
        container = av.open(
            f"file:{path}",
            metadata_errors="replace",
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
        )
    except (FFmpegError, ValueError) as error:
        check_readable(path)
        raise UserError(f"{path}: not a video: {_nature(path, error)}") from error
    with container:
        stream = container.streams.best("video")
        if isinstance(stream, VideoStream) and stream.disposition & Disposition.attached_pic:
            raise UserError(f"{path}: no video stream; its only picture is the cover")
        if not isinstance(stream, VideoStream) or stream.codec_context is None:
            raise UserError(f"{path}: no video stream that can be decoded")
        if stream.width * stream.height > MAX_PIXELS:
            size = f"{stream.width} x {stream.height}"
            raise UserError(f"{path}: the frames are {size} pixels; expected at most {MAX_PIXELS} pixels")
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # for frames that change their size later
        stream.codec_context.thread_count = threads
        stream.codec_context.thread_type = "AUTO" if threads > 1 else "NONE"
        try:
            # Before `skip_frame` is set: libdav1d (AV1) reads it only here and would skip for good.
            stream.codec_context.open(strict=False)
        except (FFmpegError, ValueError) as error:
            raise UserError(f"{path}: no video stream that can be decoded: {error}") from error
        try:
            yield container, stream
        except FFmpegError as error:  # from a seek or a conversion; the decoder's errors are caught where it is called
            check_readable(path)
            raise UserError(f"{path}: reading broke off: {error.strerror or error}") from error


def read_packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """Packets of the stream to the end of the readable part; an empty packet at the end flushes the decoder.

    Empty packets on the way, which stand for dropped frames, are left out: they would reset the decoder.

    Raises:
        TimeLimitError: as `check_time`, which is called for every packet.
    """
    return (packet for packet in _demuxed(container, stream) if packet.size or packet.dts is packet.pts is None)


def _demuxed(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    try:
        for packet in container.demux(stream):
            check_time()
            yield packet
    # The file is cut here, or broken headers announce a new stream (IndexError); the decoder still holds frames.
    except (FFmpegError, IndexError):
        check_readable(container.name.removeprefix("file:"))
        flush: av.Packet = av.Packet()
        flush.stream = stream
        yield flush


def packet_table(path: str | Path) -> PacketTable:
    """The packet table of a video, read without decoding, in about 1% of the time of decoding; the last 16 are cached.

    Raises:
        UserError: as `open_video`, or the video has no frame.
    """
    return _packet_table(str(path), file_state(path))


def file_state(path: str | Path) -> tuple[int, int] | None:
    """Size in bytes and modification time in ns of a file, None if it is missing; a part of the caches' keys."""
    if not os.path.isfile(path):  # noqa: PTH113
        return None
    status = Path(path).stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=16)
def _packet_table(path: str, state: tuple[int, int] | None) -> PacketTable:
    display_times, keys, packets, timed, end = array("q"), [], 0, True, 0
    with open_video(path) as (container, stream):
        fields, start = FieldPairs(stream), stream.start_time or 0
        longest_pause = LONGEST_PAUSE / (stream.time_base or 1)
        for packet in _demuxed(container, stream):
            time = packet.dts if packet.pts is None else packet.pts
            if time is not None:
                end = max(end, time + (packet.duration or 0) - start)
            if not packet.size:
                continue
            packets += 1
            if fields.is_second(packet):
                continue
            timed = timed and packet.pts is not None
            if packet.is_keyframe and timed:
                # Where frames are reordered, Matroska has no decoding times for its first packets.
                keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
            if not packet.is_discard:
                display_times.append(packet.pts or 0)  # a frame without a time is only counted
    if not display_times:
        raise UserError(f"{path}: the video has no frame")
    key_times = np.array(keys, dtype=np.int64).reshape(-1, 2)
    coded = np.frombuffer(display_times, dtype=np.int64)
    times = np.unique(coded)
    ordered = timed and not np.any(np.diff(key_times[:, 0]) <= 0)  # joined broadcasts go back
    far = ordered and (_has_jump(times, longest_pause) or not _orders(coded))
    if far or not ordered:
        none, usual_gap = np.empty(0, np.int64), int(np.median(np.diff(times))) if far else 0
        return PacketTable(none, len(coded), none, none.reshape(0, 2), packets, usual_gap, end)
    return PacketTable(times, len(times), np.searchsorted(times, key_times[:, 0]), key_times, packets, 0, end)


def _orders(times: np.ndarray) -> bool:
    """Whether display times order the frames: a time that jumps far ahead and back does not.

    Args:
        times: int64 (N,) in the order of decoding.
    """
    places = np.argsort(times, kind="stable")
    return bool(np.abs(places - np.arange(len(times))).max() <= MAX_REORDER)


def _has_jump(times: np.ndarray, longest_pause: float) -> bool:
    """Whether ascending times have a gap that no video has, see `LONGEST_PAUSE`.

    Args:
        times: int64 (N,).
        longest_pause: no gap up to this one is a jump; in the same unit.
    """
    gaps = np.sort(np.diff(times))
    shorter = np.cumsum(gaps) - gaps  # all shorter gaps together
    return bool(len(gaps)) and bool(np.any(gaps > np.maximum(shorter, max(longest_pause, 100 * np.median(gaps)))))


def _nature(path: Path, error: Exception) -> str:
    """What an unreadable file seems to be."""
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "it is a web page (HTML)"
    for magic, name in PICTURES.items():
        if re.match(magic, start, re.DOTALL):
            return f"it is a picture ({name}); convert an animation to a video: ffmpeg -i {path.name} clip.mp4"
    return getattr(error, "strerror", None) or str(error)
