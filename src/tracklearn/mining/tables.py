"""The tables between the stages of mining: candidate frames and tracks, as CSV files."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import atomic, damage_explained
from tracklearn.videos.manifest import ManifestRow

Item = TypeVar("Item")

FRAMES = (
    *("video_id", "frame", "points", "overlaid", "moving", "fraction", "verdict", "reason"),
    *("x", "y", "inside", "left", "top", "right", "bottom", "surf", "flow"),
)
"""Columns of the table of candidate frames, see `filtering.filter_shard`."""

TRACKS = (
    *("video_id", "frame", "x", "y", "w", "h"),
    *("last_frame", "tracked_x", "tracked_y", "tracked_w", "tracked_h", "score", "status", "reason"),
)
"""Columns of the table of tracks, see `tracking.kcf.track_shard`."""


TEXTS = {"video_id", "verdict", "reason", "status", "surf", "flow"}
"""Columns that hold no numbers."""

FRACTIONS = {"fraction", "score"}
"""Columns of numbers that are not whole."""

WHOLE, NUMBER = r"(?:-?[0-9]{1,9})?", r"(?:-?[0-9]{1,9}(?:\.[0-9]*)?(?:e-?[0-9]{1,2})?|nan)?"  # or an empty cell


def write_table(path: str | Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write a CSV file, whole or not at all; where a row has no value for a column, the cell is empty."""
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_table(path: str | Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a table that `write_table` wrote.

    Raises:
        UserError: the table has other columns.
    """
    return list(each_row(path, columns))


def each_row(path: str | Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """The rows of `read_table` one by one: a shard has many more candidate frames than accepted ones."""
    is_row = re.compile(
        "\t".join(r"[^\t]*" if name in TEXTS else NUMBER if name in FRACTIONS else WHOLE for name in columns), re.DOTALL
    ).fullmatch
    with damage_explained(path, "delete it and run again"), open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, restval="\t")  # no cell holds it, so that a row of fewer cells is none
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise UserError(f"{path}: columns {reader.fieldnames}; expected {list(columns)}: delete it and run again")
        for row in reader:
            if len(row) != len(columns) or not is_row("\t".join(row.values())):
                raise UserError(f"{path}, line {reader.line_num}: not a row of this table; delete it and run again")
            yield row


def by_video(
    rows: Iterable[dict[str, str]], videos: Iterable[ManifestRow], table: str | Path
) -> dict[str, list[dict[str, str]]]:
    """Rows by `video_id`, in their order; every video of the manifest has an entry.

    Args:
        rows: of the table.
        videos: rows of the shard's manifest.
        table: file of the table, for error messages.

    Raises:
        UserError: a row has a video that is not in the manifest.
    """
    grouped: dict[str, list[dict[str, str]]] = {video.video_id: [] for video in videos}
    for row in rows:
        if row["video_id"] not in grouped:
            raise UserError(f"{table}: video {row['video_id']} is not in the manifest; delete it and run again")
        grouped[row["video_id"]].append(row)
    return grouped


def short_reason(reason: str) -> str:
    """The general part of a row's reason, without the details of one video."""
    return reason.split(":", maxsplit=1)[0]


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of the items in their order, evenly chosen, the first and the last included."""
    if len(items) <= count:
        return list(items)
    return [items[place] for place in np.linspace(0, len(items) - 1, count).round().astype(int)]
