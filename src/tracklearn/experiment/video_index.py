"""Where the videos of the list stand, so that a job reads the rows of its shard and not a list of 10 million videos.

The list is checked as a whole whenever it has changed: its lines, unique ids, and videos that are listed again. What is
found is kept beside the digests of code. Checking 10 million videos takes a core 9 seconds, and 0.3 GB.
"""

import json
import os
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from zlib import crc32

from tracklearn.errors import UserError
from tracklearn.experiment.file_digests import file_state, text_digest
from tracklearn.files import UTF_16, write_json
from tracklearn.videos.lists import COLUMNS, YOUTUBE_ID, Video, identity, parse_line, read_list, repeats

BLOCK = 1 << 16  # bytes, about 1,500 videos
# Lines as most lists have them: nothing in them needs a second look. The third group is the id of a YouTube video.
_PLAIN = re.compile(
    r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,99})"
    r"\t((?:https://(?:youtu\.be/|www\.youtube\.com/watch\?v=))?([A-Za-z0-9_-]{11})|[!#-~]+)\n",
    re.MULTILINE,
)


@dataclass(frozen=True)
class VideoIndex:
    """The list in blocks of whole lines.

    Attributes:
        path: the list.
        offsets: of each block its first byte, and then the bytes of the list.
        firsts: of each block the position of its first video, and then the number of videos.
        checksums: of each block.
        repeats: {id: id of the first video of the list that is the same one}; see `lists.repeats`.
        has_files: whether the list has local files.
    """

    path: str
    offsets: list[int]
    firsts: list[int]
    checksums: list[int]
    repeats: dict[str, str]
    has_files: bool

    def __len__(self) -> int:
        return self.firsts[-1]

    def videos(self, positions: range) -> list[Video]:
        """The videos at consecutive positions of the list.

        Raises:
            UserError: their lines are no longer those that were indexed.
        """
        text, inside = self._read(positions)
        return [Video(row[0], row[1]) for row in _rows(text)[inside]]

    def digest(self, positions: range) -> str:
        """Digest of the lines at consecutive positions, and of what videos there are listed again.

        Raises:
            UserError: as `videos`.
        """
        text, inside = self._read(positions)
        lines = _lines(text)[inside]
        ids = [line.partition("\t")[0].strip('"') for line in lines] if self.repeats else []
        again = [f"{name} {self.repeats[name]}" for name in ids if name in self.repeats]
        return text_digest("\n".join([*lines, *again]))

    def _read(self, positions: range) -> tuple[str, slice]:
        """The lines of the blocks that hold consecutive positions of the list, and the place of these in them."""
        first = bisect_right(self.firsts, positions.start) - 1
        end = bisect_left(self.firsts, positions.stop)
        blocks = []
        with suppress(FileNotFoundError), open(self.path, "rb") as file:
            file.seek(self.offsets[first])
            blocks = [file.read(stop - start) for start, stop in pairwise(self.offsets[first : end + 1])]
        if [*map(crc32, blocks)] != self.checksums[first:end]:
            raise UserError(f"{self.path}: changed during the run; run again")
        before = self.firsts[first]
        return _text(b"".join(blocks), self.offsets[first]), slice(positions.start - before, positions.stop - before)


def video_index(path: str | Path, *, kept: Path, of_job: bool = False) -> VideoIndex:
    """The index of a list, from the file `kept` if the list has the same size and time as then.

    Whether two local files are the same video can change without the list. An index of a list with local files is
    therefore made anew for each run; the jobs of a run take that of the run.

    Raises:
        UserError: see `lists.read_list`.
    """
    # A file whose name is that of a YouTube video takes its place.
    names = sorted(filter(YOUTUBE_ID.fullmatch, os.listdir()))  # noqa: PTH208 (a folder may hold 100,000 files)
    state = [str(path), *file_state(path), names]
    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(kept.read_text())
        index = VideoIndex(**found["index"])
        if found["state"] == state and (of_job or not index.has_files):
            return index
    try:
        index = _indexed(str(path), frozenset(names))
    except (FileNotFoundError, ValueError):
        read_list(path)  # names all bad lines
        raise
    with suppress(OSError):  # it need not be writable
        write_json(kept, {"state": state, "index": vars(index)}, indent=None, shared=True)
    return index


def _indexed(path: str, names: frozenset[str]) -> VideoIndex:
    """The index of a list without a bad line; otherwise a ValueError.

    Of each video, two hashes of 8 bytes are held in memory. The few videos that share a hash with another one are then
    compared by their ids and sources.
    """
    offsets, firsts, checksums = [0], [0], []
    ids, identities = array("q"), array("q")
    has_files = False
    for block in _blocks(path):
        rows = _rows(_text(block, offsets[-1]))
        ids.extend([hash(row[0]) for row in rows])
        for _, source, youtube in rows:
            if youtube and youtube not in names:
                identities.append(hash(("YouTube", youtube)))
            else:
                identities.append(hash(identity(source)))
                has_files = has_files or "://" not in source
        offsets.append(offsets[-1] + len(block))
        firsts.append(len(ids))
        checksums.append(crc32(block))
    index = VideoIndex(path, offsets, firsts, checksums, {}, has_files)
    alike = [video.video_id for video in _at(index, _shared(ids))]
    if len(alike) > len(set(alike)):
        raise ValueError("ids must be unique")
    return replace(index, repeats=repeats(_at(index, _shared(identities))))


def _blocks(path: str) -> Iterator[bytes]:
    """The list in blocks of whole lines; a list in UTF-16 is one block."""
    with open(path, "rb") as file:
        size = -1 if file.read(2).startswith(UTF_16) else BLOCK
        file.seek(0)
        while block := file.read(size) + file.readline():
            yield block
        if not file.tell():
            raise ValueError("no header")


def _rows(text: str) -> list[tuple[str, str, str]]:
    """The videos of some lines: id, source and, where it is plain to see, YouTube id.

    A line that is wrong raises a ValueError.
    """
    rows: list[tuple[str, str, str]] = _PLAIN.findall(text)
    if len(rows) == text.count("\n") and text.endswith("\n"):
        return rows
    if "\0" in text:
        raise ValueError(text)
    return [(*parse_line(line), "") for line in _lines(text)]


def _text(block: bytes, offset: int) -> str:
    """The lines of a block that begins at a byte of the list, without the header; another header is a ValueError."""
    text = block.decode("utf-8" if offset else "utf-16" if block.startswith(UTF_16) else "utf-8-sig")
    if not offset:
        header, *_ = text.splitlines(keepends=True) or [""]
        if header.rstrip("\r\n").split("\t") != list(COLUMNS):
            raise ValueError(header)
        text = text[len(header) :]
    return text


def _lines(text: str) -> list[str]:
    """The lines that are not empty."""
    return [line for line in text.splitlines() if line.strip()]


def _shared(hashes: "array[int]") -> list[int]:
    """Positions, in order, of the hashes that occur more than once."""
    import numpy as np  # noqa: PLC0415 (takes 0.1 s, and few runs find a new list)

    values = np.frombuffer(hashes, np.int64)
    in_order = np.sort(values)
    shared = in_order[1:][in_order[1:] == in_order[:-1]]
    positions: list[int] = np.flatnonzero(np.isin(values, shared)).tolist()
    return positions


def _at(index: VideoIndex, positions: Iterable[int]) -> list[Video]:
    """The videos at some positions in ascending order; each block is read once."""
    by_block: dict[int, list[int]] = {}
    for position in positions:
        by_block.setdefault(bisect_right(index.firsts, position) - 1, []).append(position)
    found = []
    for block, inside in by_block.items():
        first = index.firsts[block]
        videos = index.videos(range(first, index.firsts[block + 1]))
        found += [videos[position - first] for position in inside]
    return found
