"""Digests of files that rules read and that no rule makes: photos, annotations, imported patches, an ImageFolder.

A file counts by its size and modification time: reading the contents of a million images would take minutes. An edit
in place changes both.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def digest_of_files(files: Iterable[str | Path], *, newer_than: Path | None = None) -> str:
    """Digest of the names, sizes and modification times of some files; files that do not exist count by name.

    Args:
        files: in any order.
        newer_than: the stamp that a checked download leaves once its files are unpacked. Only files that were changed
            since then count, and none before the stamp exists, so that the digest is the same before and after the
            download.
    """
    states = sorted((str(file), *_state(file)) for file in files)
    if newer_than:
        size, since = _state(newer_than)
        states = [state for state in states if size >= 0 and state[2] > since]
    return text_digest(repr(states))


def folder_files(folder: Path) -> list[Path]:
    """All files below a folder."""
    found: list[Path] = []
    for place, _, names in os.walk(folder, followlinks=True):
        found += [Path(place, name) for name in names]
    return found


def text_digest(text: str) -> str:
    """The first 16 hex digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _state(file: str | Path) -> tuple[int, int]:
    """Bytes and modification time in ns; of a file that does not exist (-1, 0)."""
    try:
        found = os.stat(file)  # noqa: PTH116 (a Path for each of 100,000 names would take longer)
    except OSError:
        return -1, 0
    return found.st_size, found.st_mtime_ns
