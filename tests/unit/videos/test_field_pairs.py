"""Parameter sets and slices are written bit by bit, as ITU-T H.264 lays them out."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from av.video.stream import VideoStream

from tracklearn.videos.field_pairs import FieldPairs
from tracklearn.videos.packets import open_video, packet_table, read_packets


def number(value: int) -> str:
    """Exp-Golomb code: 0 is 1, 1 is 010, 2 is 011, 3 is 00100."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def unit(kind: int, bits: str) -> bytes:
    """A unit with its stop bit; a 3 is put in after two zero bytes where a start code might arise."""
    bits += "1" + "0" * ((-len(bits) - 1) % 8)
    content = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    for byte in (b"\3", b"\0", b"\1", b"\2"):
        content = content.replace(b"\0\0" + byte, b"\0\0\3" + byte)
    return bytes([0x60 | kind]) + content


def parameter_set(*, profile: int = 77, cycle: bool = False, frames_only: bool = False) -> bytes:
    """Frame numbers of 4 + 2 bits; the high profile has a scaling list of one factor, a cycle an offset of 31 bits."""
    bits = f"{profile:08b}{0:08b}{30:08b}" + number(0)
    if profile == 100:
        bits += number(1) + number(0) + number(0) + "0" + "1" + "1" + number(16) + "0" * 7  # 8 - 8: none follows
    order = number(1) + "0" + number(1 << 30) + number(0) + number(1) + number(5) if cycle else number(0) + number(3)
    bits += number(2) + order + number(2) + "0" + number(9) + number(3) + str(int(frames_only))
    return unit(7, bits)


def slice_of(frame: int, field: str) -> bytes:
    """The first slice of a frame ("frame"), or of its top or bottom field."""
    parity = {"frame": "0", "top": "10", "bottom": "11"}[field]
    return unit(1, number(0) + number(7) + number(0) + f"{frame:06b}" + parity + "0" * 40)


def stream(header: bytes, name: str = "h264") -> VideoStream:
    return SimpleNamespace(codec_context=SimpleNamespace(name=name, extradata=header))  # type: ignore[return-value]


def seconds(found: FieldPairs, packets: Sequence[bytes]) -> list[bool]:
    return [found.is_second(packet) for packet in packets]  # type: ignore[arg-type]  (only the bytes are asked for)


PICTURES = [(0, "top"), (0, "bottom"), (1, "frame"), (2, "bottom"), (2, "top"), (3, "top"), (4, "top"), (4, "bottom")]
SECOND = [False, True, False, False, True, False, False, True]


@pytest.mark.parametrize(("profile", "cycle"), [(77, False), (77, True), (100, False)])
def test_second_fields_in_a_transport_stream(profile: int, cycle: bool) -> None:
    delimiter, start = b"\0\0\0\1\x09\xf0", b"\0\0\1"
    packets = [delimiter + start + slice_of(*picture) + start + slice_of(*picture) for picture in PICTURES]
    header = b"\0" + start + parameter_set(profile=profile, cycle=cycle) + start + unit(8, "11")
    assert seconds(FieldPairs(stream(header)), packets) == SECOND


@pytest.mark.parametrize("size", [2, 4])
def test_second_fields_in_an_mp4(size: int) -> None:
    units = parameter_set()
    header = bytes([1, 77, 0, 30, 0xFC | size - 1, 0xE1]) + len(units).to_bytes(2) + units + b"\1\0\2\x68\xc0"
    packets = [
        b"".join(len(each).to_bytes(size) + each for each in (b"\x09\xf0", slice_of(*picture))) for picture in PICTURES
    ]
    assert seconds(FieldPairs(stream(header)), packets) == SECOND


def test_non_reference_fields_share_a_number() -> None:
    packets = [b"\0\0\1" + slice_of(5, field) for field in ("top", "bottom") * 3]
    assert seconds(FieldPairs(stream(b"\0\0\1" + parameter_set())), packets) == [False, True] * 3


@pytest.mark.parametrize("content", [b"", b"\0\0\1", b"\0\0\1\x61", b"\0\0\1\x61\0\0", bytes(50), b"\xff" * 50])
def test_broken_packets_have_no_field(content: bytes) -> None:
    found = FieldPairs(stream(b"\0\0\1" + parameter_set()))
    assert seconds(found, [b"\0\0\1" + slice_of(5, "top"), content]) == [False, False]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"\0\0\1" + parameter_set(frames_only=True), "h264"),
        (b"\0\0\1" + parameter_set(), "hevc"),
        (b"", "h264"),
        (b"\1", "h264"),
        (b"\0\0\1\x67", "h264"),
    ],
)
def test_other_streams_have_no_fields(header: bytes, name: str) -> None:
    packets = [b"\0\0\1" + slice_of(*picture) for picture in PICTURES]
    assert seconds(FieldPairs(stream(header, name)), packets) == [False] * len(packets)


def test_interlaced_frames_are_no_field_pairs(make_video, tmp_path: Path) -> None:
    """x264 codes both fields in one packet."""
    path = make_video(tmp_path / "clip.ts", frames=12, options={"x264-params": "interlaced=1:bframes=2"})
    with open_video(path) as (container, stream):
        fields = FieldPairs(stream)
        assert fields._layout is not None
        assert not any(fields.is_second(packet) for packet in read_packets(container, stream))
    assert packet_table(path).frames == 12


@pytest.mark.real
def test_field_pairs_of_a_real_stream(real_data: Path) -> None:
    table = packet_table(real_data / "cases/video/paff.ts")
    assert (table.packets, table.frames) == (52, 26)
    assert set((table.times[1:] - table.times[:-1]).tolist()) == {3600}
