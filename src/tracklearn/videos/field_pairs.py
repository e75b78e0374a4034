"""Field pairs of H.264: the two fields of an interlaced frame that have packets of their own (AVCHD, broadcasts).

The decoder makes one frame of two such packets, so the second one is not counted. Frames and field pairs may alternate.
Source: ITU-T H.264, 7.3.2.1.1 (sequence parameter set), 7.3.3 (slice header), 7.4.1.2.4 (first field, second field).
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import av
from av.video.stream import VideoStream

_SLICES, _SEQUENCE = (1, 5), 7  # types of a unit: slices of a picture, and the sequence parameter set
_WITH_CHROMA = (44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244)  # profiles that state their chroma format
_HEADER = 1024  # bytes that hold what is read of a parameter set, which may list 700 factors
_SLICE_HEADER = 32  # bytes that hold what is read of a slice


class Field(NamedTuple):
    """The field of a picture."""

    frame_num: int
    bottom: bool


class FieldPairs:
    """Tells which packets of a stream, asked for in decoding order, hold the second field of a frame.

    A second field has its predecessor's frame number and the other parity. In progressive video, and in all codecs but
    H.264, there is none, and no packet is looked into.
    """

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        header = (context.extradata or b"") if context.name == "h264" else b""
        # The configuration record of MP4 and Matroska (ISO 14496-15) begins with 1, start codes with 0.
        self._length_size = header[4] % 4 + 1 if header[:1] == b"\1" and len(header) > 4 else 0
        units = _sized_units(header[6:], 2) if self._length_size else _marked_units(header)
        self._layout = next((_layout(unit) for unit in units if unit[0] % 32 == _SEQUENCE), None)
        self._first: Field | None = None

    def is_second(self, packet: av.Packet) -> bool:
        """Whether the packet holds the second field of the frame whose first field was in the packet before it."""
        if self._layout is None:
            return False
        field = self._field(bytes(packet), *self._layout)
        second = field is not None and self._first == Field(field.frame_num, not field.bottom)
        self._first = None if second else field
        return second

    def _field(self, content: bytes, number_bits: int, planes: bool) -> Field | None:
        """The field of a packet's first slice, None if the slice is of a whole frame."""
        units = _sized_units(content, self._length_size) if self._length_size else _marked_units(content)
        for unit in units:
            if unit[0] % 32 in _SLICES:
                bits = _Bits(unit[:_SLICE_HEADER])
                for _ in range(3):  # first macroblock, type, picture parameter set
                    bits.number()
                bits.read(2 * planes)
                number = bits.read(number_bits)
                return Field(number, bool(bits.read(1))) if bits.read(1) else None
        return None


class _Bits:
    """The bits of a unit after its first byte. After the end all bits are 1, which ends every number."""

    def __init__(self, unit: bytes) -> None:
        # After two zero bytes a 3 was put in, so that no start code arises in a unit.
        content = unit[1:_HEADER].replace(b"\0\0\3", b"\0\0")
        self._bits = "".join(f"{byte:08b}" for byte in content)
        self._at = 0

    def read(self, count: int) -> int:
        """The next `count` bits."""
        self._at += count
        return int(self._bits[self._at - count : self._at].ljust(count, "1") or "0", 2)

    def number(self) -> int:
        """The next number in Exp-Golomb code (9.1)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)


def _marked_units(content: bytes) -> Iterator[bytes]:
    """Units behind start codes (Annex B)."""
    return (unit for unit in re.split(b"\0\0\1", content)[1:] if unit)


def _sized_units(content: bytes, size: int) -> Iterator[bytes]:
    """Units behind their lengths, which take `size` bytes."""
    at = 0
    while at + size < len(content):
        length = int.from_bytes(content[at : at + size])
        if length:
            yield content[at + size : at + size + length]
        at += size + length


def _layout(unit: bytes) -> tuple[int, bool] | None:
    """(bits of a frame number, whether the colour planes are coded apart) by a sequence parameter set.

    None if all pictures are frames.
    """
    bits, planes = _Bits(unit), False
    profile = bits.read(8)
    bits.read(16)  # constraints, level
    bits.number()  # its id
    if profile in _WITH_CHROMA:
        chroma = bits.number()
        planes = chroma == 3 and bool(bits.read(1))
        bits.number(), bits.number(), bits.read(1)  # bit depths, lossless
        if bits.read(1):
            _skip_scaling_lists(bits, 12 if chroma == 3 else 8)
    number_bits = bits.number() + 4
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.read(1), bits.number(), bits.number()
        for _ in range(min(bits.number(), 255)):
            bits.number()
    bits.number(), bits.read(1), bits.number(), bits.number()  # reference frames, gaps, width, height
    return None if bits.read(1) else (number_bits, planes)


def _skip_scaling_lists(bits: _Bits, count: int) -> None:
    for index in range(count):
        last = following = 8
        for _ in range((16 if index < 6 else 64) * bits.read(1)):
            if following:
                code = bits.number()
                following = (last + (code + 1) // 2 * (1 if code % 2 else -1)) % 256
            last = following or last
