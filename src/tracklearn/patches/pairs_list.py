"""The list of a folder of published patches: one line for each patch, two lines for each pair.

The plan of the experiment reads the list too, so this module imports no large library.
"""

from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from tracklearn.errors import UserError
from tracklearn.files import UTF_16, read_text

Line = tuple[int, str]  # its number from 1, and its text


def read_pairs(path: str | Path) -> Iterator[tuple[Line, Line]]:
    """The lines of each query and tracked patch; blank lines are skipped, but count in the line numbers.

    Raises:
        UserError: a line in another encoding than `files.read_text` reads, or at the end, when the last line has no
            partner; names the line.
    """
    try:
        with TextIOWrapper(_opened(path), encoding="utf-8-sig") as file:
            lines = ((number, line.strip()) for number, line in enumerate(file, 1) if not line.isspace())
            for query in lines:
                tracked = next(lines, None)
                if tracked is None:
                    raise UserError(f"{path}, line {query[0]}: a query without a tracked patch; a pair is two lines")
                yield query, tracked
    except UnicodeDecodeError:
        read_text(path)  # names the line
        raise


def shard_starts(path: str | Path, pairs_per_shard: int) -> list[int]:
    """Byte offset in the list at which each shard of so many pairs begins.

    Raises:
        UserError: the last line has no partner; names the line.
    """
    starts: list[int] = []
    offset = patches = last = 0
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if not line.isspace():
                if patches % (2 * pairs_per_shard) == 0:
                    starts.append(offset)
                patches, last = patches + 1, number
            offset += len(line)
    if patches % 2:
        raise UserError(f"{path}, line {last}: a query without a tracked patch; a pair is two lines")
    return starts


def read_shard_lines(path: str | Path, start: int, pairs_per_shard: int) -> list[str]:
    """Lines of the shard that begins at a byte offset, without blank lines.

    What is no text is replaced: the job that reads the lines with `read_pairs` names the line.
    """
    with _opened(path) as file:
        file.seek(start)
        lines = islice((line for line in file if not line.isspace()), 2 * pairs_per_shard)
        return [line.decode("utf-8-sig", errors="replace").strip() for line in lines]


def _opened(path: str | Path) -> BinaryIO:
    """The list in UTF-8, which it is on disk unless a program saved it as UTF-16."""
    with open(path, "rb") as file:
        if not file.read(2).startswith(UTF_16):
            return open(path, "rb")
    return BytesIO(read_text(path).encode())
