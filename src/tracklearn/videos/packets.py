"""Opening a video that may be anything, and the table of its packets, from which frame indices are exact."""

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
from av.video.stream import VideoStream

from tracklearn.errors import UserError
from tracklearn.videos.deadline import check_time

# Formats a crawl may bring. FFmpeg knows more, among them playlists that open other files or the network, and a reader
# that draws any text file as a film of characters: an unknown file must reach neither.
FORMATS = "mov,mp4,matroska,webm,avi,flv,mpegts,mpeg,asf,ogg"

# ASSUME: twice 8K (7680 x 4320) is no camera's picture; a header that says so would take gigabytes for a frame.
MAX_PIXELS = 2 * 7680 * 4320


@dataclass(frozen=True)
class PacketTable:
    """When each frame of a video is shown, as its container says: what numbers the frames.

    Attributes:
        times: (frames,) int64, sorted display times in units of the stream's time base; empty where the container
            gives none that are usable, and then frames are numbered by counting them as they are decoded.
        frames: number of frames.
        key_frames: (keys,) int64, frame index of each key frame that can be sought.
        key_times: (keys, 2) int64, its display and decoding time.
        packets: number of packets, frames that an edit list hides included.
    """

    times: np.ndarray
    frames: int
    key_frames: np.ndarray
    key_times: np.ndarray
    packets: int

    def index(self, time: int | None) -> int:
        """Frame index of a display time, -1 for none."""
        if time is None:
            return -1
        found = int(np.searchsorted(self.times, time))
        return found if found < len(self.times) and self.times[found] == time else -1


@contextmanager
def open_video(path: str | Path, *, threads: int = 1) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a local file and its main video stream, decoding with `threads` threads.

    Raises:
        UserError: no such file, an empty file, not a video, no video stream in it, or pictures larger than any.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty (0 bytes)")
    try:
        # "file:" keeps a name like "concat:a|b" a name
        container = av.open(
            f"file:{path}",
            metadata_errors="replace",
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
        )
    except (FFmpegError, ValueError) as error:
        raise UserError(f"{path}: not a video: {_nature(path, error)}") from error
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream) or stream.codec_context is None:
            raise UserError(f"{path}: no video stream that can be decoded")
        if stream.width * stream.height > MAX_PIXELS:
            size = f"{stream.width} x {stream.height}"
            raise UserError(f"{path}: pictures of {size}, expected at most {MAX_PIXELS} pixels")
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # where they change their size on the way
        stream.codec_context.thread_count = threads
        stream.codec_context.thread_type = "AUTO" if threads > 1 else "NONE"
        try:
            # Before anyone sets `skip_frame`: libdav1d (AV1) reads it here and never again, so it skips nothing.
            stream.codec_context.open(strict=False)
        except (FFmpegError, ValueError) as error:
            raise UserError(f"{path}: no video stream that can be decoded: {error}") from error
        try:
            yield container, stream
        except FFmpegError as error:  # of a seek or a conversion; broken packets are passed over where they are decoded
            raise UserError(f"{path}: cannot be read on: {error.strerror or error}") from error


def read_packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """Packets of the stream to the end of what is readable; an empty one at the end flushes the decoder.

    Raises:
        TimeLimitError: as `check_time`, between two packets.
    """
    try:
        for packet in container.demux(stream):
            check_time()
            yield packet
    # The file is cut here (IndexError: broken headers speak of a new stream): the decoder still holds frames.
    except (FFmpegError, IndexError):
        flush: av.Packet = av.Packet()
        flush.stream = stream
        yield flush


def packet_table(path: str | Path) -> PacketTable:
    """The packet table of a video, read without decoding (about 1% of the time of decoding); the last ones are kept.

    Raises:
        UserError: as `open_video`, or no frame in it.
    """
    return _packet_table(str(path), file_state(path))


def file_state(path: str | Path) -> tuple[int, int] | None:
    """Bytes and modification time (ns) of a file, None where there is none: what is kept of another state is stale."""
    if not Path(path).is_file():
        return None
    found = Path(path).stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=16)
def _packet_table(path: str, state: tuple[int, int] | None) -> PacketTable:
    shown, keys, packets, timed = array("q"), [], 0, True
    with open_video(path) as (container, stream):
        for packet in read_packets(container, stream):
            if not packet.size:
                continue
            packets += 1
            timed = timed and packet.pts is not None
            if packet.is_keyframe and timed:
                # Matroska tells no decoding time of its first packets where frames are reordered.
                keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
            if not packet.is_discard:
                shown.append(packet.pts or 0)  # a frame without a time is counted only
    if not shown:
        raise UserError(f"{path}: no frame in it")
    key_times = np.array(keys, dtype=np.int64).reshape(-1, 2)
    # Times that jump back (joined broadcasts) say nothing about order: count instead.
    if not timed or np.any(np.diff(key_times[:, 0]) <= 0):
        nothing = np.empty(0, np.int64)
        return PacketTable(nothing, len(shown), nothing, nothing.reshape(0, 2), packets)
    times = np.unique(np.frombuffer(shown, dtype=np.int64))
    return PacketTable(times, len(times), np.searchsorted(times, key_times[:, 0]), key_times, packets)


def _nature(path: Path, error: Exception) -> str:
    """What an unreadable file seems to be, for the manifest's reason."""
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "it is a web page (HTML)"
    return getattr(error, "strerror", None) or str(error)
