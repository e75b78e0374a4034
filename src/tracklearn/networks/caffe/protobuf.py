"""The wire format of Protocol Buffers, as much of it as Caffe's files need.

A message is a sequence of fields. Each starts with a varint, number << 3 | kind, and goes on by its kind: another
varint (0), 8 bytes (1), a varint and as many bytes (2: text, messages, packed numbers) or 4 bytes (5). A varint holds
7 bits a byte, lowest first; the high bit says that more follow.

Source: https://protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterator, Sequence

Chunks = list[bytes | memoryview]  # of a message, in order: large arrays are written as they lie, never joined

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 10  # bytes: 64 bits


class WireError(ValueError):
    """The bytes are no message, or end too soon."""


def decode(message: memoryview) -> dict[int, list[int | memoryview]]:
    """Values by field number, in the order of the file: varints as numbers, everything else as its bytes.

    Raises:
        WireError: the message ends inside a field, or has a kind that is not used.
    """
    fields: dict[int, list[int | memoryview]] = {}
    position, value = 0, 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, position = _varint(message, position)
            fields.setdefault(number, []).append(value)
            continue
        if kind == LENGTH:
            size, position = _varint(message, position)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise WireError(f"field {number} of the unknown kind {kind}")
        if position + size > len(message):
            raise WireError(f"field {number} of {size} bytes, of which {len(message) - position} are there")
        fields.setdefault(number, []).append(message[position : position + size])
        position += size
    return fields


def blocks(fields: dict[int, list[int | memoryview]], number: int) -> list[memoryview]:
    """The bytes of every field `number`: texts, messages, or the pieces of an array of fixed-size numbers.

    Raises:
        WireError: one of them is a varint.
    """
    values = fields.get(number, [])
    if any(isinstance(value, int) for value in values):
        raise WireError(f"field {number} is a number")
    return [value for value in values if not isinstance(value, int)]


def integers(fields: dict[int, list[int | memoryview]], number: int) -> list[int]:
    """Every integer of field `number`, packed or one by one."""
    return [each for value in fields.get(number, []) for each in ([value] if isinstance(value, int) else _all(value))]


def encode(number: int, *chunks: bytes | memoryview) -> Chunks:
    """A field of text, of a message, or of packed numbers."""
    return [varint(number << 3 | LENGTH), varint(sum(map(len, chunks))), *chunks]


def varint(*values: int) -> bytes:
    """Numbers of 0 or more, one after the other."""
    out = bytearray()
    for value in values:
        rest = value
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    return bytes(out)


def _varint(message: Sequence[int], position: int) -> tuple[int, int]:
    """A number and where it ends."""
    value = 0
    for index, byte in enumerate(message[position : position + LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, position + index + 1
    raise WireError(f"no number ends after byte {position}")


def _all(packed: memoryview) -> Iterator[int]:
    position = 0
    while position < len(packed):
        value, position = _varint(packed, position)
        yield value
