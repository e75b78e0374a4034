"""Digests of files that rules read and that no rule makes: photos, annotations, imported patches, an ImageFolder.

A file counts by its size and modification time: reading the contents of a million images would take minutes. An edit
in place changes the time, and a file that takes another one's place has another size or time.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tracklearn.files import read_json

State = tuple[int, int]
"""Bytes and modification time in ns of a file; `ABSENT` if it does not exist."""
ABSENT: State = -1, 0


def digest_of_files(files: Iterable[str | Path], *, known: Mapping[str, State] | None = None) -> str:
    """Digest of the names, sizes and modification times of some files; the order of the files makes no difference.

    Args:
        files: the files; one that does not exist counts by its name.
        known: states by name. Files that have their known state are left out.
    """
    states = ((str(file), file_state(file)) for file in files)
    return text_digest(
        "".join(f"{name} {state}" for name, state in sorted(states) if not known or known.get(name) != state)
    )


def unpacked(stamp: Path) -> dict[str, State]:
    """States of the files of a download when they were unpacked, from its stamp."""
    return {name: (size, time) for name, (size, time) in read_json(stamp)["unpacked"].items()}


def digest_of_folder(folder: str | Path) -> str:
    """Digest of the names, sizes and modification times of all files below a folder.

    A link that leads nowhere counts as an absent file; whoever reads it gives the error. Hidden files do not count:
    macOS writes `.DS_Store` whenever a folder is looked at.
    """
    whole = hashlib.sha256()
    for name, size, time in _walk(str(folder)):
        whole.update(f"{name} {size} {time}".encode())
    return whole.hexdigest()[:16]


def _walk(folder: str) -> Iterator[tuple[str, int, int]]:
    """Name, bytes and modification time in ns of every file, in an order of the names alone."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                yield from _walk(entry.path)
            else:
                yield entry.path, *file_state(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere
        return False


def file_state(file: str | Path) -> State:
    """State of one file."""
    try:
        found = os.stat(file)  # noqa: PTH116 (a Path for each of 100,000 names would take longer)
    except OSError:
        return ABSENT
    return found.st_size, found.st_mtime_ns


def text_digest(text: str) -> str:
    """The first 16 hex digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
