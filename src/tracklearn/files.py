"""Files appear whole or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracklearn.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
LIMITED = errno.EFBIG


@contextmanager
def atomic(path: str | Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` once the block ends without an error.

    The temporary name keeps the suffix, since libraries choose a format by it. A killed process leaves at most a
    hidden `.tmp` file, which no rule takes for an output and the next attempt writes over; an exception leaves nothing.

    Args:
        path: the file, which one process at a time writes.
        shared: several may write it at once; each then has a temporary name of its own.

    Raises:
        UserError: the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f".{secrets.token_hex(8)}" if shared else ""
    temporary = path.with_name(f".{path.stem}{writer}.tmp{path.suffix}")
    try:
        with room(path):
            temporary.unlink(missing_ok=True)
            yield temporary
            with open(temporary, "rb+") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def room(path: Path) -> Iterator[None]:
    """Surround what writes to `path`.

    Raises:
        UserError: the disk is full, or the user's share of it; or a file reached the size that files may have.
    """
    try:
        yield
    except Exception as error:
        if any(_is(error, code) for code in FULL):
            raise disk_full(path) from error
        if _is(error, LIMITED):
            raise UserError(f"{path}: larger than files may be here; raise `ulimit -f` and run again") from error
        raise


def _is(error: Exception, code: int) -> bool:
    """Whether the system said so; safetensors has an error type of its own, with the system's words in it."""
    return getattr(error, "errno", None) == code or os.strerror(code) in str(error)


def disk_full(path: Path) -> UserError:
    """What to tell the user when `path`, or something in it if it is a folder, finds no room."""
    free = shutil.disk_usage(path if path.is_dir() else path.parent).free
    return UserError(f"{path}: the disk is full ({free / 1e6:.0f} MB left); free space and run again")
