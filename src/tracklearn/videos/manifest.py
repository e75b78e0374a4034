"""The manifest of a shard: one row a video, whatever became of it."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.files import atomic


@dataclass(frozen=True)
class Row:
    """One video of a shard.

    Attributes:
        video_id: its name in the list.
        source: where it comes from: a YouTube id, a URL or a local path.
        path: the local file, "" when there is none.
        status: "ok" (can be mined), "unreachable" (what failed may pass: another run may succeed) or "failed".
        reason: why it failed, or what is odd about an "ok" one.
        bytes: size of the file.
        sha256: of the file, 64 hexadecimal digits.
        frames: number of frames that can be read.
        fps: mean frames a second.
        width: of the upright picture, in pixels.
        height: likewise.
        duration: seconds.
        rotation: clockwise degrees from the coded to the upright picture.
    """

    video_id: str
    source: str
    path: str = ""
    status: str = "failed"
    reason: str = ""
    bytes: int = 0
    sha256: str = ""
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    duration: float = 0.0
    rotation: int = 0

    @property
    def ok(self) -> bool:
        """Whether the video can be mined."""
        return self.status == "ok"


COLUMNS = tuple(field.name for field in fields(Row))
_TYPES = {field.name: field.type for field in fields(Row)}


def write_manifest(path: str | Path, rows: Iterable[Row]) -> None:
    """Write the manifest TSV, whole or not at all; tabs and line breaks in a value become spaces."""
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as out:
        out.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            out.write("\t".join(" ".join(str(getattr(row, name)).split()) for name in COLUMNS) + "\n")


def read_manifest(path: str | Path) -> list[Row]:
    """Rows of a manifest, in the order of the list.

    Raises:
        UserError: the file is no manifest; the message names the line.
    """
    rows = []
    with open(path, encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if tuple(next(reader, ())) != COLUMNS:
            raise UserError(
                f"{path}: not a manifest: its first line is not {' '.join(COLUMNS)}; delete it and run again"
            )
        for values in reader:
            try:
                rows.append(Row(**{n: _TYPES[n](v) for n, v in zip(COLUMNS, values, strict=True)}))  # type: ignore
            except ValueError as error:
                raise UserError(f"{path}, line {reader.line_num}: {error}; delete it and run again") from error
    return rows
