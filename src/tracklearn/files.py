"""Files appear whole or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracklearn.errors import DISK_FULL, UserError, is_system_error


@contextmanager
def atomic(path: str | Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` once the block ends without an error.

    The temporary name keeps the suffix, since libraries choose a format by it. An exception leaves no file behind; a
    killed process leaves a hidden `.tmp` file, which no rule takes for an output and the next attempt overwrites.

    Args:
        path: the file, which one process at a time writes.
        shared: several processes may write the file at once; each has a temporary name of its own.

    Raises:
        UserError: the disk is full, or the file reached the size that files may have.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f".{secrets.token_hex(8)}" if shared else ""
    temporary = path.with_name(f".{path.stem}{writer}.tmp{path.suffix}")
    try:
        with disk_errors_explained(path):
            temporary.unlink(missing_ok=True)
            yield temporary
            with open(temporary, "rb+") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def disk_errors_explained(path: Path) -> Iterator[None]:
    """Surround the code that writes to `path`.

    Raises:
        UserError: the disk or the user's share of it is full, or a file reached the size that files may have.
    """
    try:
        yield
    except Exception as error:
        if is_system_error(error, *DISK_FULL):
            raise disk_full(path) from error
        if is_system_error(error, errno.EFBIG):
            raise UserError(f"{path}: larger than files may be here; raise `ulimit -f` and run again") from error
        raise


def disk_full(path: Path) -> UserError:
    """The error for a full disk below `path`, which is a file or a folder."""
    free = shutil.disk_usage(path if path.is_dir() else path.parent).free
    return UserError(f"{path}: the disk is full ({free / 1e6:.0f} MB left); free space and run again")
