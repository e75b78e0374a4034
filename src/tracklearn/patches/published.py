"""Shards from a folder of published patches, as the paper's authors gave them away."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracklearn.errors import UserError, bad_lines
from tracklearn.files import read_errors_named
from tracklearn.patches.pairs_list import Line, read_pairs
from tracklearn.patches.writing import Pair, resized, write_shard, write_summary
from tracklearn.photos import plain_jpeg, read_pixels
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.patches import Packing


class ListedPatch(NamedTuple):
    """A patch of the list: its line, its file, its video's label."""

    line: int
    file: Path
    label: str


def import_pairs(
    *,
    folder: str | Path,
    pairs_list: str | Path,
    shard: int,
    pairs_per_shard: int,
    store: str | Path,
    summary: str | Path,
    packing: Block = None,
    report: Report = silent,
) -> dict[str, float]:
    """Write one shard of a folder of patches, and its summary.

    A line of the list is `path label`, the path relative to `folder`. Two consecutive lines are a pair, the query
    first; the label names their video. Shard n starts at pair `n * pairs_per_shard`. A JPEG file of the right size is
    stored unchanged; any other image, also a damaged JPEG or one that EXIF turns, is resized and encoded. Frames, boxes
    and scores are unknown: -1 and NaN.

    Args:
        packing: block `settings.patches.Packing`; only the size and the quality apply.

    Raises:
        UserError: names the lines without a label or a file and pairs of two labels, a file that is not an image, or a
            last line that has no partner.
    """
    settings = Packing.read(packing)
    start = shard * pairs_per_shard
    lines = islice(read_pairs(pairs_list), start, start + pairs_per_shard)
    listed = []
    bad: dict[int, str] = {}
    for pair in lines:
        try:
            listed.append(_listed_pair(pair, Path(folder)))
        except _BadLine as error:
            bad[error.line] = str(error)
    if bad:
        raise bad_lines(pairs_list, bad)
    pairs = _loaded(listed, pairs_list, settings.size)
    counts = write_shard(store, pairs, size=settings.size, quality=settings.quality)
    write_summary(summary, counts, {})
    report(len(listed), {"pairs": float(counts["pairs"])})
    return {name: float(count) for name, count in counts.items()}


class _BadLine(Exception):
    """What is wrong in a line of the list."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _listed_pair(lines: tuple[Line, Line], folder: Path) -> tuple[ListedPatch, ListedPatch]:
    query, tracked = (_listed_patch(line, folder) for line in lines)
    if query.label != tracked.label:
        raise _BadLine(tracked.line, f"label {tracked.label}, expected {query.label} as in the line before")
    return query, tracked


def _listed_patch(line: Line, folder: Path) -> ListedPatch:
    number, text = line
    words = text.rsplit(maxsplit=1)
    if len(words) != 2:
        raise _BadLine(number, f"{text!r}, expected `path label`")
    file = folder / words[0].lstrip("/")
    if not os.path.isfile(file):  # noqa: PTH113 (a line of any text is no file; Path's raises for some)
        raise _BadLine(number, f"no file {file}; check the folder")
    return ListedPatch(number, file, words[1])


def _loaded(pairs: Iterable[tuple[ListedPatch, ListedPatch]], pairs_list: str | Path, size: int) -> Iterator[Pair]:
    unknown = np.full((2, 4), np.nan)
    for pair in pairs:
        query, tracked = (_patch(patch.file, f"{pairs_list}, line {patch.line}", size) for patch in pair)
        yield Pair(pair[0].label, (-1, -1), unknown, float("nan"), query, tracked)


def _patch(file: Path, line: str, size: int) -> np.ndarray | bytes:
    """The bytes of a JPEG file of the right size; any other image in that size, uint8 RGB."""
    with read_errors_named(file):
        data = file.read_bytes()
    try:
        pixels = plain_jpeg(data)
    except ValueError:  # damaged: trainings take no such JPEG
        pixels = None
    if pixels is not None and pixels.shape[:2] == (size, size):
        return data
    try:
        return resized(read_pixels(file) if pixels is None else pixels, size)
    except UserError as error:
        reason = error.__cause__  # the error itself names another remedy
        raise UserError(f"{line}: {file} is not a readable image ({reason}); remove both lines of the pair") from error
