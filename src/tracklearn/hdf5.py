"""HDF5 files where the library does not cope: on a full disk, and with damaged heaps of texts."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tracklearn.errors import DISK_FULL, UserError
from tracklearn.files import atomic

TABLES = 2**16  # bytes that HDF5 needs beside the arrays of a file
KEEP_SIZE = 1  # linux/falloc.h
HEAP = b"GCOL\1\0\0\0"  # a global heap of HDF5 begins so


def check_heaps(path: str | Path, part: bytes, remedy: str) -> None:
    """Check the global heaps, which hold texts of any length, in a part of an HDF5 file.

    The library (2.0.0) loops for ever at an object of a damaged heap whose length is 0 or wraps around. Source: HDF5
    File Format Specification 3.0, III.E.

    Raises:
        UserError: such an object.
    """
    start = part.find(HEAP)
    while start >= 0:
        end = min(len(part), start + int.from_bytes(part[start + 8 : start + 16], "little"))
        place = start + 16
        while place + 16 <= end:
            index, length = struct.unpack_from("<H6xQ", part, place)
            taken = 16 + -(-length // 8) * 8 if index else length  # object 0 is the free rest, header included
            if taken < 16 or place + taken > end:
                raise UserError(f"{path}: a heap of texts is damaged; {remedy}")
            place += taken
        start = part.find(HEAP, max(end, start + 16))


@contextmanager
def new_hdf5(path: str | Path, size: int, **options: Any) -> Iterator[Any]:
    """Yield a new `h5py.File`, which is renamed to `path` once the block ends without an error.

    HDF5 cannot close a file that it could not write: the process crashes. The space is therefore reserved first.

    Args:
        path: the file.
        size: bytes of the arrays that will be written, before compression.
        options: of `h5py.File`.

    Raises:
        UserError: as `atomic`.
    """
    import h5py  # noqa: PLC0415 (most jobs write none)

    with atomic(path) as temporary:
        reserve(temporary, size + TABLES)
        with h5py.File(temporary, "w", **options) as file:
            reserve(temporary, size + TABLES)  # HDF5 has emptied the file
            yield file
        end = temporary.stat().st_size
        for length in (end + 1, end):  # gives back what is reserved beyond the end
            os.truncate(temporary, length)


def reserve(path: Path, size: int) -> None:
    """Reserve the first `size` bytes of a file on its disk; its length stays. Where that is impossible, do nothing.

    Raises:
        OSError: the disk is full.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "ab") as file:
        if hasattr(libc, "fallocate"):
            length = ctypes.c_int64(size)
            failed = libc.fallocate(file.fileno(), KEEP_SIZE, ctypes.c_int64(0), length)
            if failed and ctypes.get_errno() in DISK_FULL:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
