"""Files are written whole or not at all, text is read in the encodings that programs save it in."""

import codecs
import errno
import json
import os
import secrets
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tracklearn.errors import DISK_FULL, UserError, is_system_error
from tracklearn.machine import lease

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")  # torchvision's too
READ_AT_ONCE = 2**20  # bytes
MOST_PACKED = 1100  # bytes for one byte of a file; deflate reaches 1,032
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def is_photo(name: str | Path) -> bool:
    """Whether a file's name is that of a photo; hidden files, such as macOS's `._*.jpg`, are no photos."""
    name = os.path.basename(name)  # noqa: PTH119 (a Path for each of 100,000 names would take longer)
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in PHOTO_SUFFIXES  # noqa: PTH122


def names_by_stem(folder: Path, suffixes: Sequence[str] = PHOTO_SUFFIXES) -> dict[str, str]:
    """Names of the files in a folder by what stands before their suffix, whose case makes no difference.

    Of several files with one stem, the first of `suffixes` wins. Stems are in Unicode's composed form: macOS writes
    decomposed names, and lists are mostly composed. Hidden files do not count, and a folder that does not exist has no
    files.
    """
    found = []
    for name in os.listdir(folder) if folder.is_dir() else ():  # noqa: PTH208 (Paths would take half a second)
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        if suffix.lower() in suffixes and not name.startswith("."):
            found.append((suffixes.index(suffix.lower()), suffix != suffix.lower(), name, stem))
    return {unicodedata.normalize("NFC", stem): name for _, _, name, stem in sorted(found, reverse=True)}


def read_text(path: str | Path) -> str:
    """A text file in UTF-8, with or without a byte order mark, or in UTF-16 with one ("Unicode text" of spreadsheets).

    Raises:
        FileNotFoundError: no such file.
        UserError: the file is in another encoding; names the first line that shows it.
    """
    with read_errors_named(path):
        data = Path(path).read_bytes()
    encoding = "utf-16" if data.startswith(UTF_16) else "utf-8-sig"
    try:
        text, rest = data.decode(encoding), ""
    except UnicodeDecodeError as error:
        text, rest = data[: error.start].decode(encoding, errors="replace"), f"byte 0x{data[error.start]:02x}"
    if "\0" in text:  # UTF-16 without a byte order mark, or no text at all
        text, rest = text[: text.index("\0")], "byte 0x00"
    if rest:
        raise UserError(
            f"{path}, line {1 + text.count(chr(10))}: {rest} is neither UTF-8 nor UTF-16 with a byte "
            "order mark; save the file as UTF-8"
        )
    return text


def read_json(path: str | Path, remedy: str = "delete it and run again") -> Any:
    """The content of a JSON file of this package.

    Raises:
        FileNotFoundError: no such file.
        UserError: the file is damaged; ends with the remedy.
    """
    with damage_explained(path, remedy):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def keep_text(path: str | Path, text: str) -> None:
    """Write a text file unless it holds this text already: a full disk then stops no run that changes nothing.

    Raises:
        UserError: as `atomic`.
    """
    path = Path(path)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    write_text(path, text)


def write_text(path: str | Path, text: str, *, shared: bool = False) -> None:
    """Write a text file in UTF-8, whatever the encoding of the user's system.

    Args:
        shared: as in `atomic`.

    Raises:
        UserError: as `atomic`.
    """
    with atomic(path, shared=shared) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: Any, *, indent: int | None = 1, shared: bool = False) -> None:
    """Write a JSON file.

    Args:
        indent: as in `json.dumps`; None, which is several times faster, for files that only programs read.
        shared: as in `atomic`.

    Raises:
        UserError: as `atomic`.
    """
    write_text(path, json.dumps(content, indent=indent) + "\n", shared=shared)


@contextmanager
def atomic(path: str | Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` once the block ends without an error.

    The temporary name keeps the suffix, since libraries choose a format by it. An exception leaves no file behind; a
    killed process leaves a hidden `.tmp` file, which no rule takes for an output. The next attempt removes it.

    Args:
        path: the file, which one process at a time writes. In a job, the temporary name has the token of its lease: a
            process that was suspended, and whose lease was taken over, may go on while another one writes.
        shared: several processes may write the file at once; each has a temporary name of its own.

    Raises:
        UserError: the disk is full, the file reached the size that files may have, or another process has taken this
            job over (`lease.LeaseLostError`).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)

    def named(token: str) -> Path:
        return path.with_name("." + ".".join(filter(None, [path.stem, token, f"tmp{path.suffix}"])))

    temporary = named(secrets.token_hex(8) if shared else lease.token())
    try:
        with disk_errors_explained(path):
            for left in {temporary, named(lease.token(lease.TAKEN_OVER))}:
                left.unlink(missing_ok=True)
            yield temporary
            with open(temporary, "rb+") as written:
                os.fsync(written.fileno())
            lease.confirm()
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def damage_explained(path: str | Path, remedy: str) -> Iterator[None]:
    """Surround the code that reads a file in a format of a library.

    Libraries raise errors of every kind for a damaged file.

    Raises:
        FileNotFoundError: no such file.
        OSError: the disk reports an error.
        UserError: the file is damaged or of another kind; ends with the remedy.
    """
    try:
        yield
    except (UserError, MemoryError, FileNotFoundError):
        raise
    except Exception as error:
        if is_system_error(error, errno.EIO):  # of the disk, which says nothing of the file's content
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path)) from error
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise UserError(f"{path}: cannot be read ({reason}); {remedy}") from error


def check_claim(path: str | Path, claimed: int, remedy: str) -> None:
    """Check, before memory is taken for them, that a file can hold as many bytes as its header claims.

    Raises:
        UserError: it cannot, even if they are packed.
    """
    if claimed > (room := MOST_PACKED * Path(path).stat().st_size):
        raise UserError(f"{path}: claims {claimed} bytes of values, and can hold at most {room}; {remedy}")


@contextmanager
def disk_errors_explained(path: Path) -> Iterator[None]:
    """Surround the code that writes to `path`.

    Raises:
        UserError: the disk or the user's share of it is full, a file reached the size that files may have, or another
            process has taken this job over (`lease.LeaseLostError`).
    """
    try:
        lease.confirm()
        yield
    except Exception as error:
        if is_system_error(error, *DISK_FULL):
            raise disk_full(path) from error
        if is_system_error(error, errno.EFBIG):
            raise UserError(f"{path}: larger than files may be here; raise `ulimit -f` and run again") from error
        raise


def check_writable(folder: Path) -> None:
    """Return if files can be written to a folder, or if there is none yet.

    Raises:
        UserError: its file system is read-only, or the user may not write there.
    """
    if folder.is_dir() and not os.access(folder, os.W_OK):
        raise UserError(
            f"{folder}: no file can be written there; mount it writable or run in another folder, and run again"
        )


def check_readable(path: str | Path) -> None:
    """Read a file to its end: some libraries take an error of the disk for damage or for the end of the file.

    Raises:
        OSError: the disk reports an error; with the name of the file.
    """
    with read_errors_named(path), open(path, "rb", buffering=0) as file:
        while file.read(READ_AT_ONCE):
            pass


@contextmanager
def read_errors_named(path: str | Path) -> Iterator[None]:
    """Surround the code that reads `path`: an `OSError` without the name of a file gets this one."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(path)
        raise


def disk_full(path: Path) -> UserError:
    """The error for a full disk below `path`, which is a file or a folder."""
    free = shutil.disk_usage(path if path.is_dir() else path.parent).free
    return UserError(f"{path}: the disk is full ({free / 1e6:.0f} MB left); free space and run again")
