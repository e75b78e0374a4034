"""Mutations of bytes, drawn from a seeded generator."""

import re
from collections.abc import Callable, Sequence
from random import Random

Edit = Callable[[bytes, Random], bytes]

EXTREMES = (0, 1, -1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
WORDS = (
    *(b"", b"-1", b"0", b"nan", b"inf", b"-inf", b"1e999", b"1e400", b"99999999999999999999", b"4294967296", b"0x10"),
    *(b"1_0", b"1.5", b"-0.0", b"\xd9\xa1", b"true", b"null", b"9" * 5000, b"1e-400"),
)
STRAY = (
    *(b"\0", b"\xff", b"\xc3", b"\r", b"\x1b[2J", b"\n", b"\t", b'"', b"\xef\xbb\xbf", b"\xff\xfe", b"\x85"),
    *("\u2028".encode(), "\u202e".encode(), b"../", b"/etc/passwd", b"-rf", b"<b>", b"%s{}$(id)`id`", b" "),
)


def mutated(data: bytes, rng: Random, edits: Sequence[Edit]) -> bytes:
    """`data` after one to three mutations, half of them of the kind's own `edits`."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        own = edits and rng.random() < 0.5
        data = rng.choice(edits if own else GENERAL)(data, rng)
    return data


def _span(data: bytes, rng: Random) -> tuple[int, int]:
    """Start and end of a part, short or long."""
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + int(2 ** rng.uniform(0, 12)))


def flip_bits(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 32)) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def insert(data: bytes, rng: Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + rng.choice((rng.randbytes(end - start), data[start:end])) + data[start:]


def delete(data: bytes, rng: Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def swap_blocks(data: bytes, rng: Random) -> bytes:
    a, b, c = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def zero(data: bytes, rng: Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + bytes(end - start) + data[end:]


def extreme_length(data: bytes, rng: Random) -> bytes:
    """A field of 1 to 8 bytes, as lengths and counts are, becomes an extreme."""
    size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
    start = rng.randrange(max(1, len(data) - size))
    value = rng.choice(EXTREMES) % 256**size
    return data[:start] + value.to_bytes(size, order) + data[start + size :]


GENERAL: tuple[Edit, ...] = (flip_bits, truncate, insert, delete, swap_blocks, zero, extreme_length)


def number_in_text(data: bytes, rng: Random) -> bytes:
    """A number becomes another word."""
    found = list(NUMBER.finditer(data))
    if not found:
        return data
    start, end = rng.choice(found).span()
    return data[:start] + rng.choice(WORDS) + data[end:]


def stray_characters(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(STRAY) + data[at:]


def lines(data: bytes, rng: Random) -> bytes:
    """A line is doubled, dropped, cut, or grows without end."""
    parts = data.split(b"\n")
    at = rng.randrange(len(parts))
    line = parts[at]
    parts[at : at + 1] = rng.choice(
        (
            [line, line],
            [],
            [line[: len(line) // 2]],
            [line * 2],
            [line + b"x" * 200_000],
            [line.replace(b"\t", b"\t\t")],
        )
    )
    return b"\n".join(parts)


TEXT: tuple[Edit, ...] = (number_in_text, stray_characters, lines)


def near(*marks: bytes) -> Edit:
    """A field just before or behind one of these marks becomes an extreme."""

    def edit(data: bytes, rng: Random) -> bytes:
        places = [match.start() for mark in marks for match in re.finditer(re.escape(mark), data)]
        if not places:
            return data
        start = rng.choice(places) + rng.choice((-4, 4, 8, 12, 16, 20))
        size, order = rng.choice((1, 2, 4, 4, 8)), rng.choice(("big", "big", "little"))
        value = rng.choice(EXTREMES) % 256**size
        return data[: max(start, 0)] + value.to_bytes(size, order) + data[max(start, 0) + size :]

    return edit
