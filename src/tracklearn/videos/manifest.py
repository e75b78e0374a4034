"""The manifest of a shard: one row for every video, with what became of it."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from tracklearn.errors import UserError, without_secrets
from tracklearn.files import atomic, damage_explained


@dataclass(frozen=True)
class ManifestRow:
    """One video of a shard.

    Attributes:
        video_id: id of the video in the list.
        source: where the video comes from: a YouTube id, a URL or a local path.
        path: the local file, "" where there is none.
        status: "ok" (the video can be mined), "unreachable" (it failed for a passing reason, and another run may
            succeed) or "failed".
        reason: why the video failed, or what is odd about an "ok" one.
        bytes: size of the file.
        sha256: checksum of the file, 64 hexadecimal digits.
        frames: number of frames that can be read.
        fps: mean frames per second.
        width: width of the upright frame as it is shown, in square pixels.
        height: height of the upright frame as it is shown, in square pixels.
        duration: seconds.
        rotation: clockwise degrees from the coded to the upright frame.
        mirrored: 1 if the coded frame is mirrored left to right before it is rotated, else 0.
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
    mirrored: int = 0

    @property
    def ok(self) -> bool:
        """Whether the video can be mined."""
        return self.status == "ok"


COLUMNS = tuple(field.name for field in fields(ManifestRow))
_TYPES = {field.name: field.type for field in fields(ManifestRow)}


def write_manifest(path: str | Path, rows: Iterable[ManifestRow]) -> None:
    """Write the manifest as a TSV file, whole or not at all; tabs and line breaks in a value become spaces.

    The manifest is shown on pages, kept by MLflow and given away; it holds no password or token of a video's address.
    """
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as out:
        out.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            values = {name: re.sub(r"[\t\r\n]+", " ", str(getattr(row, name))) for name in COLUMNS}
            values |= {name: without_secrets(values[name]) for name in ("source", "reason")}
            out.write("\t".join(values.values()) + "\n")


def read_manifest(path: str | Path) -> list[ManifestRow]:
    """Rows of a manifest, in the order of the list.

    Raises:
        UserError: the file is not a manifest; the message names the line.
    """
    rows = []
    with damage_explained(path, "delete it and run again"), open(path, encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if tuple(next(reader, ())) != COLUMNS:
            raise UserError(
                f"{path}: not a manifest: its first line is not {' '.join(COLUMNS)}; delete it and run again"
            )
        for values in reader:
            try:
                typed = {name: _TYPES[name](value) for name, value in zip(COLUMNS, values, strict=True)}  # type: ignore
                if wrong := [
                    name for name, kind in typed.items() if not isinstance(kind, str) and not 0 <= kind < 2**63
                ]:
                    raise ValueError(f"{wrong[0]} is {typed[wrong[0]]}, expected 0 or more")
                rows.append(ManifestRow(**typed))
            except ValueError as error:
                raise UserError(f"{path}, line {reader.line_num}: {error}; delete it and run again") from error
    return rows
