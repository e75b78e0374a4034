"""Frames show their number in black and white bars, so that each index is checked against the image itself."""

import struct
import tracemalloc
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from tracklearn.errors import UserError
from tracklearn.videos import frames, packets
from tracklearn.videos.deadline import TimeLimitError, time_limit
from tracklearn.videos.frames import Probe, frame_size, probe, read_frames
from tracklearn.videos.packets import open_video, packet_table, read_packets
from tracklearn.videos.timeline import timeline

from .conftest import number_of, numbered

SMALL = (48, 64)
GOP = {"g": "12", "bf": "3", "preset": "veryfast"}  # every 12th frame is a key frame; some depend on later frames


@pytest.fixture(scope="module")
def clip(make_video: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("clips") / "clip.mp4", options=GOP)


def numbers(path: Path, **choice: object) -> dict[int, int]:
    """The numbers that the frames show, by index."""
    return {index: number_of(image) for index, image in read_frames(path, size=SMALL, **choice)}


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mp4", "libx264", GOP),
        ("clip.mkv", "libx264", GOP),
        ("open.mp4", "libx264", {**GOP, "x264-params": "open-gop=1"}),
        ("clip.webm", "libvpx", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "8", "deadline": "realtime"}),
        ("clip.avi", "mpeg4", {"g": "12", "bf": "2"}),
        ("clip.ts", "libx264", GOP),
        ("vp9.webm", "libvpx-vp9", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "8", "deadline": "realtime"}),
        ("hevc.mp4", "libx265", {"preset": "ultrafast", "x265-params": "log-level=none:keyint=12:bframes=3"}),
        ("av1.mkv", "libsvtav1", {"g": "24", "preset": "11", "svtav1-params": "lookahead=8"}),
    ],
)
def test_index_is_the_place_in_display_order(
    make_video: Callable[..., Path], tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = make_video(tmp_path / name, codec=codec, options=options)
    linear = dict(read_frames(path, size=SMALL))
    assert {index: number_of(image) for index, image in linear.items()} == {index: index for index in range(60)}
    for threads in (1, 2):
        for wanted in ([0], [59], [11, 12, 13], [5, 40, 41, 58], [23, 24, 36, 48], list(range(0, 60, 30)), range(60)):
            found = dict(read_frames(path, size=SMALL, indices=wanted, threads=threads))
            assert list(found) == list(wanted)
            for index, image in found.items():
                np.testing.assert_array_equal(image, linear[index])


def test_range_of_indices(clip: Path) -> None:
    assert list(numbers(clip, start=7, stop=50, step=20)) == [7, 27, 47]
    assert list(numbers(clip, start=55)) == [55, 56, 57, 58, 59]


def test_indices_beyond_the_end_are_left_out(clip: Path) -> None:
    assert numbers(clip, indices=[58, 59, 60, 1000]) == {58: 58, 59: 59}
    assert numbers(clip, indices=[]) == {}
    assert numbers(clip, start=60) == {}


@pytest.mark.parametrize("indices", [[3, 2], [2, 2], [-1, 4]])
def test_indices_must_ascend(clip: Path, indices: list[int]) -> None:
    with pytest.raises(ValueError, match="indices must be >= 0 and ascend"):
        next(read_frames(clip, size=SMALL, indices=indices))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_seeking_decodes_from_the_last_key_frame_only(
    make_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Where frames are reordered, Matroska has no decoding times for its first frames."""
    path = make_video(tmp_path / name, options=GOP)
    assert probe(path).frames == 60
    decoded = []
    monkeypatch.setattr(frames, "_decode", lambda packet: decoded.append(packet.pts) or packet.decode())
    assert numbers(path, indices=[50]) == {50: 50}
    keys = packet_table(path).key_frames
    assert keys[keys <= 50][-1] > 40
    assert len(decoded) < 14


def test_frames_that_no_wanted_frame_refers_to_are_not_decoded(
    make_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "clip.mp4", options={"g": "60", "bf": "3", "b_strategy": "0"})
    decoded = []
    decode = frames._decode
    monkeypatch.setattr(frames, "_decode", lambda packet: decoded.extend(out := decode(packet)) or out)
    assert numbers(path, indices=[0, 50]) == {0: 0, 50: 50}
    assert len(decoded) < 40  # of 51 frames; many B-frames are referred to by no other frame


@pytest.mark.parametrize("copies", [1, 2])
def test_decoding_ends_with_the_last_needed_frame(
    make_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: int
) -> None:
    """Without B-frames every frame up to the last wanted one is decoded. Joined videos have no usable times."""
    path = make_video(tmp_path / "clip.ts", frames=60 // copies, options={"g": "20", "bf": "0"})
    path.write_bytes(copies * path.read_bytes())
    assert len(packet_table(path).times) == (60 if copies == 1 else 0)
    wanted = [*range(12), *range(54, 60)]  # two runs; the second one begins at a key frame
    decoded, found = [], []
    decode = frames._decode
    monkeypatch.setattr(frames, "_decode", lambda packet: decoded.extend(out := decode(packet)) or out)

    def needed(index: int) -> bool:
        """After frame 4, only frames 5, 6 and 7 are needed."""
        return 4 not in found or index < 8

    for index, _ in read_frames(path, size=SMALL, indices=wanted, needed=needed):
        found.append(index)
    assert found == [*range(8)]
    assert len(decoded) <= 1 + 9  # one of them by `probe`


@pytest.mark.parametrize(
    ("matrix", "rotation", "mirrored"),
    [
        ((1, 0, 0, 1), 0, 0),
        ((0, 1, -1, 0), 90, 0),
        ((-1, 0, 0, -1), 180, 0),
        ((0, -1, 1, 0), 270, 0),
        ((-1, 0, 0, 1), 0, 1),  # left and right change places
        ((0, -1, -1, 0), 90, 1),
        ((1, 0, 0, -1), 180, 1),  # top and bottom change places
        ((0, 1, 1, 0), 270, 1),  # columns become rows
        ((2, 0.1, -0.1, 2), 0, 0),  # a scale, and an angle of three degrees
    ],
)
def test_all_eight_orientations(
    tmp_path: Path, matrix: tuple[float, float, float, float], rotation: int, mirrored: int
) -> None:
    """A step to the right in the coded frame goes to (a, b) in the shown one, and a step down to (c, d)."""
    a, b, c, d = matrix
    path = tmp_path / "turned.mp4"
    coded = np.zeros((96, 128, 3), np.uint8)
    grey = {(-1, -1): 255, (1, -1): 170, (-1, 1): 90, (1, 1): 30}  # by corner: x to the right, y down
    for (x, y), value in grey.items():
        coded[slice(30) if y < 0 else slice(-30, None), slice(30) if x < 0 else slice(-30, None)] = value
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        first_four = [round(value * (1 << 16)) for value in matrix]
        stream.set_display_matrix([*first_four[:2], 0, *first_four[2:], 0, 0, 0, 1 << 30])
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(coded, format="rgb24")))
        container.mux(stream.encode())
    found = probe(path)
    upright = (128, 96) if rotation in (90, 270) else (96, 128)
    assert (found.height, found.width, found.rotation, found.mirrored) == (*upright, rotation, mirrored)
    expected = SMALL if upright[1] > upright[0] else SMALL[::-1]
    assert frame_size(found, SMALL) == expected
    for colour, shape in ((False, expected), (True, (*expected, 3))):
        _, image = next(read_frames(path, size=SMALL, colour=colour))
        assert image.shape == shape
        for (x, y), value in grey.items():
            right, down = a * x + c * y, b * x + d * y
            shown = float(image[2 if down < 0 else -3, 2 if right < 0 else -3].mean())
            assert shown == pytest.approx(value if colour else 16 + value * 219 / 255, abs=8)


def test_a_portrait_video_stays_portrait(make_video: Callable[..., Path], tmp_path: Path) -> None:
    path = make_video(tmp_path / "tall.mp4", frames=2, height=128, width=96)
    assert (probe(path).height, probe(path).width, frame_size(probe(path), SMALL)) == (128, 96, SMALL[::-1])
    assert next(read_frames(path, size=SMALL))[1].shape == SMALL[::-1]


@pytest.mark.parametrize(
    ("coded", "aspect", "turned", "shown"),
    [
        ((288, 176), Fraction(24, 11), False, (288, 384)),  # half the width of D1, shown as 4:3
        ((288, 176), Fraction(24, 11), True, (384, 288)),
        ((96, 128), Fraction(1, 2), False, (96, 64)),
        ((96, 128), Fraction(255, 1), False, (96, 128)),  # a broken header
        ((96, 128), Fraction(1, 255), False, (96, 128)),
    ],
)
def test_the_shown_size_decides_the_orientation(
    tmp_path: Path, coded: tuple[int, int], aspect: Fraction, turned: bool, shown: tuple[int, int]
) -> None:
    path = tmp_path / "anamorphic.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = *coded, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        if turned:
            stream.set_display_rotation(-90)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(5, *coded), format="rgb24")))
        container.mux(stream.encode())
    found = probe(path)
    assert (found.height, found.width) == shown
    upright = SMALL if shown[1] > shown[0] else SMALL[::-1]
    assert frame_size(found, SMALL) == upright
    assert next(read_frames(path, size=SMALL))[1].shape == upright


def test_colour_is_rgb(tmp_path: Path) -> None:
    path = tmp_path / "red.mp4"
    red = np.broadcast_to(np.array([220, 30, 20], np.uint8), (64, 80, 3)).copy()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "1"})
        stream.height, stream.width, stream.pix_fmt = 64, 80, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")))
        container.mux(stream.encode())
    _, image = next(read_frames(path, size=(32, 40), colour=True))
    assert image.shape == (32, 40, 3)
    np.testing.assert_allclose(image.mean((0, 1)), [220, 30, 20], atol=6)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuv420p10le", "yuvj420p", "gray"])
def test_luma_of_other_pixel_formats(make_video: Callable[..., Path], tmp_path: Path, pixels: str) -> None:
    path = make_video(tmp_path / "clip.mp4", frames=20, width=136, pixels=pixels)  # lines are padded at this width
    assert numbers(path) == {index: index for index in range(20)}
    _, image = next(read_frames(path, size=SMALL))
    assert image.dtype == np.uint8
    assert image.flags.owndata


@pytest.mark.parametrize(("pixels", "bits"), [("yuv420p", 8), ("yuv420p10le", 10), ("yuv422p", 8), ("yuyv422", 8)])
def test_luma_keeps_its_coded_range(tmp_path: Path, pixels: str, bits: int) -> None:
    """A ramp of limited range, 16 to 235, is read unchanged, whatever its bits and its packing."""
    path = tmp_path / "ramp.mkv"
    ramp = np.repeat(np.arange(16, 236, dtype=np.uint16)[None], 64, axis=0)  # (64, 220)
    coded = np.full_like(ramp, 128), ramp  # chroma, luma
    frame = av.VideoFrame(220, 64, pixels)
    for plane, component in zip(frame.planes, coded[::-1] + coded[:1], strict=False):
        values = component[: plane.height, : plane.width] << (bits - 8)
        if pixels == "yuyv422":
            values = np.stack([ramp, coded[0]], axis=2).reshape(64, -1)
        row = values.astype(np.uint8 if bits == 8 else "<u2").view(np.uint8).reshape(plane.height, -1)
        plane.update(np.pad(row, ((0, 0), (0, plane.line_size - row.shape[1]))).tobytes())
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo" if pixels == "yuyv422" else "ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 220, pixels
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    _, image = next(read_frames(path, size=(64, 220)))
    np.testing.assert_array_equal(image, ramp)


def test_probe_finds_number_and_size_of_the_frames(clip: Path) -> None:
    assert probe(clip) == Probe(frames=60, fps=25.0, width=128, height=96, duration=2.4, rotation=0)


def test_corrupt_packets_leave_a_gap_and_shift_nothing(clip: Path, tmp_path: Path) -> None:
    content = bytearray(clip.read_bytes())
    table = packet_table(clip)
    with open_video(clip) as (container, stream):
        broken = [p for p in read_packets(container, stream) if p.size and 14 <= table.index(p.pts) < 20]
        for packet in broken:
            content[packet.pos + 4 : packet.pos + packet.size] = bytes(packet.size - 4)
    path = tmp_path / "corrupt.mp4"
    path.write_bytes(content)
    found = numbers(path)
    assert probe(path).frames == 60
    assert list(found) == sorted(found)
    outside = [*range(11), *range(int(table.key_frames[table.key_frames >= 20][0]), 60)]
    assert {index: found.get(index) for index in outside} == {index: index for index in outside}
    assert numbers(path, indices=[2, 45]) == {2: 2, 45: 45}


def test_a_cut_file_is_read_to_its_end(make_video: Callable[..., Path], tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", options=GOP)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    found = probe(cut)
    assert 10 < found.frames < 50
    images = numbers(cut)
    assert images == {index: index for index in images}
    assert len(images) >= found.frames - 4  # the last frames may refer to missing ones


def test_a_missing_end_is_noted(clip: Path, tmp_path: Path) -> None:
    front = tmp_path / "front.mp4"
    with av.open(str(clip)) as source, av.open(str(front), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    content = front.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2])
    found = probe(cut)
    assert found.note == f"truncated: the file holds {found.frames} of 60 frames"


def test_no_decodable_frame_is_an_error(clip: Path, tmp_path: Path) -> None:
    content = bytearray(clip.read_bytes())
    with open_video(clip) as (container, stream):
        for packet in read_packets(container, stream):
            if packet.size:
                content[packet.pos + 4 : packet.pos + packet.size] = bytes(packet.size - 4)
    path = tmp_path / "noise.mp4"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"noise.mp4: none of its 60 frames can be decoded"):
        probe(path)
    with pytest.raises(UserError, match="none of its 60 frames"):
        numbers(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"x.mp4: the file is empty \(0 bytes\)"),
        (b"<!DOCTYPE html><html></html>", r"x.mp4: not a video: it is a web page \(HTML\)"),
        (b"just some text\n" * 100, "x.mp4: not a video: "),
        (b"#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n", "x.mp4: not a video: "),
        (
            b"GIF89a" + bytes(20),
            r"x.mp4: not a video: it is a picture \(GIF\); convert an animation to a video: ffmpeg",
        ),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), r"x.mp4: not a video: it is a picture \(PNG\)"),
        (b"\xff\xd8\xff\xe0" + bytes(20), r"x.mp4: not a video: it is a picture \(JPEG\)"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(20), r"x.mp4: not a video: it is a picture \(WebP\)"),
        (None, "x.mp4: no such file"),
    ],
)
def test_not_a_video(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(UserError, match=reason):
        probe(tmp_path / "x.mp4")


def test_a_file_with_audio_only_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "audio.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(UserError, match=r"audio.mp4: no video stream"):
        probe(path)


@pytest.mark.parametrize("film", [False, True])
def test_a_cover_is_no_video(tmp_path: Path, film: bool) -> None:
    """The cover of a piece of music is refused, and a film with a cover is read."""
    path = tmp_path / "music.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=25)
        cover.height, cover.width, cover.pix_fmt = 320, 320, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        streams = [container.add_stream("aac", rate=44100)]
        frames = [av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")]
        frames[0].rate = 44100
        if film:
            streams.append(container.add_stream("libx264", rate=25))
            streams[1].height, streams[1].width, streams[1].pix_fmt = 96, 128, "yuv420p"
            frames.append(av.VideoFrame.from_ndarray(numbered(0, 96, 128), format="rgb24"))
        picture = av.VideoFrame.from_ndarray(np.zeros((320, 320, 3), np.uint8), format="rgb24")
        container.mux([*cover.encode(picture), *cover.encode()])
        for stream, frame in zip(streams, frames, strict=True):
            container.mux([*stream.encode(frame), *stream.encode()])
    if film:
        assert numbers(path) == {0: 0}
    else:
        with pytest.raises(UserError, match=r"music.mp4: no video stream; its only picture is the cover"):
            probe(path)


def at_times(path: Path, times: list[int], *, codec: str = "libx264", pixels: str = "yuv420p") -> Path:
    """A film of numbered frames without reordering, at times in 25ths of a second that need not ascend."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"bf": "0", "g": "12"} if codec == "libx264" else {})
        stream.height, stream.width, stream.pix_fmt = 96, 128, pixels
        coded = [
            packet
            for index in range(len(times))
            for packet in stream.encode(av.VideoFrame.from_ndarray(numbered(index, 96, 128), format="rgb24"))
        ]
        for packet, time, following in zip([*coded, *stream.encode()], times, [*times[1:], times[-1] + 1], strict=True):
            packet.pts, packet.dts, packet.time_base = time, min(time, following), Fraction(1, 25)
            container.mux(packet)
    return path


def test_dropped_frames_are_no_missing_end(tmp_path: Path) -> None:
    """An AVI holds an empty packet for each time without a frame, and its header counts them."""
    path = at_times(tmp_path / "gaps.avi", [0, 1, 2, 5, 6, 7], codec="mjpeg", pixels="yuvj420p")
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 8
    assert (probe(path).frames, probe(path).note) == (6, "")
    assert numbers(path) == {index: index for index in range(6)}


def test_an_empty_packet_does_not_reset_the_decoder(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demuxed = packets._demuxed

    def with_empty_packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
        for number, packet in enumerate(demuxed(container, stream)):
            yield packet
            if number % 5 == 3:
                empty: av.Packet = av.Packet()
                empty.stream, empty.pts, empty.dts = stream, packet.pts, packet.dts
                yield empty

    monkeypatch.setattr(packets, "_demuxed", with_empty_packets)
    assert numbers(clip) == {index: index for index in range(60)}


def test_an_empty_sample_is_no_missing_end(tmp_path: Path) -> None:
    """The sizes of two samples of an MP4 are changed: the first takes the bytes of the second, which is empty."""
    path = at_times(tmp_path / "empty.mov", [*range(12)], codec="mjpeg", pixels="yuvj420p")
    content = bytearray(path.read_bytes())
    sizes = content.index(b"stsz") + 16
    third, fourth = struct.unpack_from(">2I", content, sizes + 8)
    struct.pack_into(">2I", content, sizes + 8, third + fourth, 0)
    path.write_bytes(content)
    assert (probe(path).frames, probe(path).note) == (11, "")
    assert list(numbers(path).values()) == [0, 1, 2, *range(4, 12)]


FAR = 250_000  # nearly three hours


@pytest.mark.parametrize(
    "times",
    [
        [*range(48), FAR, FAR + 1],
        [0, *range(FAR, FAR + 49)],
        [*range(20), FAR, *range(21, 50)],
        [*range(24), *range(FAR, FAR + 26)],
        [*range(10), 1000, *range(11, 50)],  # no gap of a minute, but far from its place
    ],
)
def test_a_video_with_wrong_times_is_judged_by_its_frames(tmp_path: Path, times: list[int]) -> None:
    path = at_times(tmp_path / "far.mkv", times)
    found = probe(path)
    assert (found.frames, found.fps, found.duration, found.note) == (50, 25.0, 2.0, "")
    assert numbers(path) == {index: index for index in range(50)}
    assert len(timeline(path, 12.5)) == 25


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 1, 2, 3, 500, 501], True),
        ([-500, 0, 1, 2, 3], True),
        ([0, 1, 2, 3, 63], False),  # a pause of a minute
        ([0, 70, 140, 212], False),  # a time-lapse
        ([*range(100), 180], False),  # a pause that is shorter than the rest
        ([0, 500], False),
        ([7], False),
    ],
)
def test_which_gaps_come_from_wrong_times(times: list[int], expected: bool) -> None:
    assert packets._has_jump(np.array(times), 60) is expected


def test_memory_does_not_grow_with_length(make_video: Callable[..., Path], tmp_path: Path) -> None:
    peaks = []
    for length in (20, 200):
        path = make_video(tmp_path / f"{length}.mp4", frames=length)
        tracemalloc.start()
        assert sum(1 for _ in read_frames(path, size=(448, 600))) == length
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 448 * 600  # less than one frame more


def test_the_time_of_one_video_is_limited(clip: Path) -> None:
    with time_limit(60):
        assert len(numbers(clip)) == 60
        with (
            time_limit(0),
            pytest.raises(TimeLimitError, match=r"time limit of 0 s; .* raise mining\.timeout and run with --forcerun"),
        ):
            numbers(clip)
        assert len(numbers(clip)) == 60  # the outer limit holds again
    images = read_frames(clip, size=SMALL)
    with time_limit(0), pytest.raises(TimeLimitError):
        next(images)


def test_frames_in_another_orientation_are_left_out(make_video: Callable[..., Path], tmp_path: Path) -> None:
    """A broadcast changes from 128 x 96 to 96 x 128 and then to 96 x 64; all images have the first orientation."""
    parts = [(96, 128), (128, 96), (64, 96)]
    files = [
        make_video(tmp_path / f"{n}.ts", frames=10, height=height, width=width, options=GOP)
        for n, (height, width) in enumerate(parts)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(file.read_bytes() for file in files))
    found = dict(read_frames(path, size=SMALL))
    assert {image.shape for image in found.values()} == {SMALL}
    assert [number_of(image) for image in found.values()][-1] == 9
    assert 18 <= len(found) <= 20  # of 30; a decoder may lose a frame at the seams


def test_frames_that_are_too_large_are_refused(
    make_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "x.mp4", frames=2)
    monkeypatch.setattr(packets, "MAX_PIXELS", 96 * 128)
    assert len(numbers(path)) == 2
    monkeypatch.setattr(packets, "MAX_PIXELS", 96 * 128 - 1)
    with pytest.raises(UserError, match=r"x\.mp4: the frames are 128 x 96 pixels; expected at most 12287"):
        numbers(path)


@pytest.mark.real
@pytest.mark.parametrize("name", ["cockatoo.mp4", "persons.mp4", "teddy.mp4", "pancake.mkv", "animation.webm"])
def test_seeking_gives_the_frames_of_a_linear_decode_on_real_clips(real_data: Path, name: str) -> None:
    path = real_data / "videos" / name
    count = min(probe(path).frames, 400)
    wanted = sorted(np.random.default_rng(0).choice(count, 6, replace=False).tolist())
    linear = {index: image for index, image in read_frames(path, size=SMALL, stop=count) if index in wanted}
    assert list(linear) == wanted
    sought = dict(read_frames(path, size=SMALL, indices=wanted, threads=2))
    assert list(sought) == wanted
    for index in wanted:
        np.testing.assert_array_equal(sought[index], linear[index])


@pytest.mark.real
def test_corrupt_real_clip_is_read_to_its_end(real_data: Path) -> None:
    found = [index for index, _ in read_frames(real_data / "videos_rough" / "corrupt_packets.mp4", size=SMALL)]
    assert found == sorted(found)
    assert 100 < len(found) < 247
    assert found[-1] > 240


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hflip.mp4", Probe(60, 25.0, 320, 240, 2.4, 0, 1)),
        ("rot90_mirrored.mp4", Probe(60, 25.0, 240, 320, 2.4, 270, 1)),
        ("half_d1.mpg", Probe(60, 25.0, 768, 576, 2.4, 0)),
        ("paff.ts", Probe(26, 25.0, 160, 128, 1.04, 0)),
        ("pts_outlier.mkv", Probe(60, 25.0, 320, 240, 2.4, 0)),
        ("null_mjpeg.avi", Probe(45, 23.4043, 320, 240, 1.923, 0)),
        ("zero_mpeg4.mp4", Probe(45, 23.4043, 320, 240, 1.923, 0)),
    ],
)
def test_reported_cases(real_data: Path, name: str, expected: Probe) -> None:
    path = real_data / "cases" / "video" / name
    assert probe(path) == expected
    images = dict(read_frames(path, size=(448, 600)))
    assert list(images) == list(range(expected.frames))
    assert images[0].shape == ((600, 448) if name == "rot90_mirrored.mp4" else (448, 600))
    sought = dict(read_frames(path, size=(448, 600), indices=[0, expected.frames - 2]))
    for index, image in sought.items():
        np.testing.assert_array_equal(image, images[index])
    if name == "hflip.mp4":
        assert images[0][0, -1] > 230
        assert images[0][0, 0] < 128
