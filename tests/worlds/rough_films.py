"""Rough videos as in a crawl: the film of `films.py` in every odd format, and broken files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from tracklearn.videos.packets import open_video, read_packets
from worlds.films import film

GOP = {"g": "12", "crf": "16", "preset": "veryfast"}


def resized(frames: Iterable[np.ndarray], width: int, height: int) -> Iterator[np.ndarray]:
    """The frames at another size."""
    for frame in frames:
        yield cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)


def encode(
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 30,
    options: dict[str, str] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    pixel_aspect: int = 1,
    times: Sequence[int] | None = None,
    scale: int = 1,
) -> Path:
    """Write a film; `times` are display times in milliseconds, `rotation` is the header's, in clockwise degrees.

    `mirrored` tells the reader to exchange left and right first; `pixel_aspect` is the width of a pixel by its height.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or GOP)
        stream.pix_fmt = pixels
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(frames):
            if number == 0:
                stream.height, stream.width = (scale * side for side in image.shape[:2])
                stream.codec_context.sample_aspect_ratio = Fraction(pixel_aspect)
                if rotation:
                    stream.set_display_rotation(-rotation)
                if mirrored:
                    stream.set_display_matrix([-1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30])
            frame = av.VideoFrame.from_ndarray(image, "rgba" if image.shape[2] == 4 else "rgb24")
            if scale > 1:
                frame = frame.reformat(stream.width, stream.height, pixels, interpolation="FAST_BILINEAR")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def copied(source: Path, path: Path, keep: Callable[[int], bool]) -> Path:
    """A video of the packets for whose number `keep` is true; nothing is decoded."""
    with av.open(str(source)) as given, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(given.demux(given.streams.video[0])):
            if packet.size and keep(number):
                packet.stream = stream
                out.mux(packet)
    return path


def scrambled(source: Path, path: Path, numbers: range) -> Path:
    """A copy of a video in which some packets are noise."""
    content = bytearray(source.read_bytes())
    rng = np.random.default_rng(1)
    with open_video(source) as (container, stream):
        for number, packet in enumerate(read_packets(container, stream)):
            if packet.size and number in numbers:
                content[packet.pos + 4 : packet.pos + packet.size] = rng.bytes(packet.size - 4)
    path.write_bytes(content)
    return path


def audio_only(path: Path) -> Path:
    """A file with audio and no video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def with_alpha(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames, half transparent: RGBA."""
    for frame in frames:
        yield np.dstack([frame, np.full(frame.shape[:2], 128, np.uint8)])


def joined(first: Path, second: Path, path: Path) -> Path:
    """Two transport streams one after the other, as in a broadcast whose format changes."""
    path.write_bytes(first.read_bytes() + second.read_bytes())
    return path


def rough_films(folder: Path) -> dict[str, Path]:
    """Paths of all kinds of rough videos by their name, written into `folder`."""
    frames = list(film(40))
    plain = encode(folder / "plain.mp4", film(64))
    long_gop = encode(folder / "long_gop.ts", film(64), options=GOP | {"g": "40", "sc_threshold": "0"})
    tall = list(resized(frames, 224, 300))
    turned = [np.rot90(frame) for frame in frames]  # upright after a quarter turn clockwise
    gaps = np.cumsum(np.random.default_rng(3).integers(5, 90, 40)).tolist()
    ts = [encode(folder / f"{n}.ts", frames) for n, frames in enumerate([film(31), tall])]
    return {
        "plain": plain,
        "portrait": encode(folder / "portrait.mp4", tall),
        "rotated": encode(folder / "rotated.mp4", turned, rotation=90),
        "upside_down": encode(folder / "upside_down.mp4", (f[::-1, ::-1] for f in frames), rotation=180),
        "mirrored": encode(folder / "mirrored.mp4", (f[:, ::-1] for f in frames), mirrored=True),
        "anamorphic": encode(folder / "anamorphic.mp4", resized(frames, 150, 224), pixel_aspect=2),
        "one_fps": encode(folder / "one_fps.mp4", frames, rate=1),
        "fast": encode(folder / "fast.mp4", frames, rate=240),
        "variable": encode(folder / "variable.mkv", frames, times=gaps),
        "ten_bit": encode(
            folder / "ten_bit.mp4",
            frames,
            codec="libx265",
            pixels="yuv420p10le",
            options={"preset": "ultrafast", "x265-params": "log-level=none:keyint=12"},
        ),
        "av1": encode(
            folder / "av1.mkv",
            frames,
            codec="libsvtav1",
            options={"g": "24", "preset": "11", "svtav1-params": "lookahead=8"},
        ),
        "odd": encode(
            folder / "odd.webm",
            resized(frames, 321, 243),
            codec="libvpx-vp9",
            options={"deadline": "realtime", "cpu-used": "8", "crf": "20"},
        ),
        "odd_444": encode(folder / "odd_444.mp4", resized(frames, 321, 243), pixels="yuv444p"),
        "tiny": encode(folder / "tiny.mp4", resized(frames, 16, 16)),
        "two_rows": encode(folder / "two_rows.mkv", resized(frames, 320, 2), codec="ffv1", options={}),
        "alpha": encode(folder / "alpha.mov", with_alpha(frames), codec="qtrle", pixels="argb", options={}),
        "full_range": encode(folder / "full_range.avi", frames, codec="mjpeg", pixels="yuvj422p", options={}),
        "gray16": encode(folder / "gray16.mkv", frames, codec="ffv1", pixels="gray16le", options={}),
        "audio_only": audio_only(folder / "audio_only.m4a"),
        "one_frame": encode(folder / "one_frame.mp4", film(1)),
        "two_frames": encode(folder / "two_frames.mp4", film(2)),
        "cut_mid_gop": copied(long_gop, folder / "cut_mid_gop.ts", lambda number: number >= 7),
        "no_key_frame": copied(long_gop, folder / "no_key_frame.ts", lambda number: 1 <= number < 40),
        "corrupt": scrambled(plain, folder / "corrupt.mp4", range(20, 26)),
        "noise": scrambled(plain, folder / "noise.mp4", range(0, 99)),
        "turns_on_the_way": joined(*ts, folder / "turns_on_the_way.ts"),
        "eight_k": encode(
            folder / "eight_k.avi", resized(film(4), 480, 270), codec="mjpeg", pixels="yuvj420p", options={}, scale=16
        ),
    }
