"""Files appear whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracklearn.errors import UserError


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` once the block ends without an error.

    The temporary name keeps the suffix, since libraries choose a format by it. A killed process leaves at most a
    hidden `.tmp` file, which no rule takes for an output; an exception leaves nothing.

    Raises:
        UserError: the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            free = shutil.disk_usage(path.parent).free
            raise UserError(f"{path}: the disk is full ({free / 1e6:.0f} MB left); free space and run again") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
