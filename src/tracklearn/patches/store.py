"""Reading a patch shard (its layout: `format`): tables by HDF5, patches in any order through a memory map."""

import mmap
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache, cached_property, lru_cache
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejpeg
from h5py import h5a, h5d, h5f, h5s

from tracklearn.errors import UserError
from tracklearn.files import check_claim, damage_explained
from tracklearn.hdf5 import check_heaps
from tracklearn.machine.open_files import raise_open_files
from tracklearn.patches.format import TABLES, VERSION, jpeg_shape, table_lengths

PACK_AGAIN = "pack the shard again"
MOST_HEAP = 1 << 24  # bytes of texts in one heap; HDF5 makes heaps of 4,096
LARGEST_PATCH = 8192  # pixels


class _Header(NamedTuple):
    """What a training needs of every shard before its first batch; one opening of the file reads all of it."""

    pairs: int
    size: int
    video_of_pair: np.ndarray
    video_ids: list[str]


class _Map(NamedTuple):
    """A file in memory, and the same bytes as uint8."""

    memory: mmap.mmap
    data: np.ndarray


class PatchStore:
    """One patch shard. A table is read at its first use, patches through a memory map.

    Threads and forked processes may share a `PatchStore`.

    Raises:
        UserError: the first access finds that the file is not a patch shard of this format version. A later access
            finds that the file was cut short or overwritten, or that it was removed and its map is closed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._tables: dict[str, np.ndarray] = {}

    @cached_property
    def _header(self) -> _Header:
        with _opened(self.path) as file:
            names = [name.decode() for name in _dataset(file, "video_ids")]
            header = _Header(_number(file, "pairs"), _number(file, "size"), _dataset(file, "video"), names)
        self._check_length_of("video", header.video_of_pair, header.pairs)
        video = header.video_of_pair
        if not 0 < header.size <= LARGEST_PATCH:
            raise UserError(
                f"{self.path}: patches of {header.size} pixels, expected at most {LARGEST_PATCH}; {PACK_AGAIN}"
            )
        if len(unlisted := np.flatnonzero((video < 0) | (video >= len(names)))):
            raise UserError(f"{self.path}: pair {unlisted[0]} belongs to no listed video; {PACK_AGAIN}")
        return header

    @cached_property
    def _bounds(self) -> np.ndarray:
        """int64 (2 N + 1,): patch p is bytes `_bounds[p]` to `_bounds[p + 1]` of the file."""
        with _opened(self.path) as file:
            offsets, jpeg = _dataset(file, "offsets"), h5d.open(file, b"jpeg")
            (jpeg_bytes,), start = jpeg.shape, jpeg.get_offset() or 0
        self._check_length_of("offsets", offsets, len(self))
        if len(empty := np.flatnonzero(np.diff(offsets) <= 0)):
            raise UserError(f"{self.path}: pair {empty[0] // 2} has a patch without bytes; {PACK_AGAIN}")
        if offsets[0] != 0 or offsets[-1] != jpeg_bytes:
            first, last = offsets[0], offsets[-1]
            raise UserError(
                f"{self.path}: offsets run from {first} to {last}, expected 0 to {jpeg_bytes}; {PACK_AGAIN}"
            )
        return offsets + start

    def _table(self, name: str) -> np.ndarray:
        """A dataset other than `jpeg`. Two threads that ask at the same time both read it; the values are the same."""
        if name not in self._tables:
            with _opened(self.path) as file:
                values = _dataset(file, name)
            self._check_length_of(name, values, len(self))
            self._tables[name] = values
        return self._tables[name]

    def _check_length_of(self, name: str, values: np.ndarray, pairs: int) -> None:
        if len(values) != (expected := table_lengths(pairs)[name]):
            raise UserError(f"{self.path}: {len(values)} {name}, expected {expected} for {pairs} pairs; {PACK_AGAIN}")

    def __len__(self) -> int:
        return self._header.pairs

    @property
    def size(self) -> int:
        """Side of a patch in pixels."""
        return self._header.size

    @property
    def video_ids(self) -> list[str]:
        """The shard's videos, in the order in which their pairs were written."""
        return self._header.video_ids

    @property
    def video_of_pair(self) -> np.ndarray:
        """int32 (N,): each pair's index into `video_ids`."""
        return self._header.video_of_pair

    @property
    def frames(self) -> np.ndarray:
        """int64 (N, 2): frame numbers of the file, of query and tracked patch."""
        return self._table("frames")

    @property
    def boxes(self) -> np.ndarray:
        """float32 (N, 2, 4): x, y, w, h of query and tracked patch in the resized frame."""
        return self._table("boxes")

    @property
    def scores(self) -> np.ndarray:
        """float32 (N,): the tracker's score of the tracked box."""
        return self._table("scores")

    def _map(self) -> _Map:
        """The whole file. Its length is checked each time: reading past a cut ends the process (SIGBUS)."""
        mapped = _map_cache()(self)
        self._check_length(mapped.memory.size())
        return mapped

    def _check_length(self, length: int) -> None:
        if length < (needed := int(self._bounds[-1])):
            raise UserError(f"{self.path}: cut to {length} bytes, expected {needed}; {PACK_AGAIN}")

    def jpeg(self, patch: int) -> np.ndarray:
        """The bytes of one patch as a uint8 view of the memory map; `patch` is 2 i (query) or 2 i + 1 (tracked)."""
        start, stop = self._bounds[patch : patch + 2]
        return self._map().data[start:stop]

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Query and tracked patch of one pair, uint8 RGB (S, S, 3) each."""
        both = np.empty((2, self.size, self.size, 3), np.uint8)
        self.decode(index, both)
        return both[0], both[1]

    def decode(self, index: int, out: np.ndarray) -> None:
        """Decode one pair into `out`, uint8 (2, S, S, 3)."""
        if not 0 <= index < len(self):
            raise IndexError(f"pair {index} of {len(self)} in {self.path}")
        data, bounds = self._map().data, self._bounds
        try:
            for half in (0, 1):
                patch = 2 * index + half
                simplejpeg.decode_jpeg(data[bounds[patch] : bounds[patch + 1]], "RGB", buffer=out[half])
        except ValueError as error:
            raise UserError(f"{self.path}: pair {index} cannot be decoded ({error}); {PACK_AGAIN}") from error

    def read_ahead(self, index: int) -> None:
        """Ask the system to read a pair from disk, and return at once.

        Without this call, decoding stops at each page of the pair until that page is read from disk, and the system's
        own reading ahead loads several times as many bytes as the pair has.
        """
        start, stop = int(self._bounds[2 * index]), int(self._bounds[2 * index + 2])
        start -= start % mmap.PAGESIZE
        self._map().memory.madvise(mmap.MADV_WILLNEED, start, stop - start)

    def verify(self) -> int:
        """Check every table, and every patch against its checksum and size; returns the number of pairs.

        Raises:
            UserError: names the file and the first broken pair.
        """
        for name in table_lengths(len(self)):
            self._table(name)
        self._map()
        for patch, expected in enumerate(self._table("crc32")):
            name = f"{self.path}: pair {patch // 2} ({'tracked' if patch % 2 else 'query'})"
            data = self.jpeg(patch)
            checksum = zlib.crc32(data.data)
            if checksum != expected:
                raise UserError(f"{name}: checksum {checksum:08x}, expected {expected:08x}; {PACK_AGAIN}")
            shape = jpeg_shape(data, name)
            if shape != (self.size, self.size):
                measures = f"the patch measures {shape[0]} x {shape[1]} pixels, expected {self.size} x {self.size}"
                raise UserError(f"{name}: {measures}; {PACK_AGAIN}")
        return len(self)


@cache
def _map_cache() -> Callable[[PatchStore], _Map]:
    """`_map_file` with a cache for this process.

    Each map holds an open file. If there are too many, the least recently read map is closed.
    """
    return lru_cache(maxsize=3 * raise_open_files() // 4)(_map_file)


def _map_file(store: PatchStore) -> _Map:
    """The whole file of a patch shard."""
    try:
        file = os.open(store.path, os.O_RDONLY)  # half the time of Python's open()
        try:
            store._check_length(os.fstat(file).st_size)
            memory = mmap.mmap(file, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(file)
    except OSError as error:
        raise _unreadable(store.path, error) from error
    return _Map(memory, np.frombuffer(memory, np.uint8))


# The functions of the HDF5 library itself open a thousand shards in a fraction of a second; h5py's files, attributes
# and datasets take several times as long.
@contextmanager
def _opened(path: Path) -> Iterator[h5f.FileID]:
    try:
        file = h5f.open(os.fsencode(path), h5f.ACC_RDONLY)
    except OSError as error:
        raise _unreadable(path, error) from error
    with damage_explained(path, PACK_AGAIN), closing(file):
        version = _number(file, "format_version") if h5a.exists(file, b"format_version") else None
        if version != VERSION:
            raise UserError(f"{path}: patch shard format {version}, expected {VERSION}; {PACK_AGAIN}")
        yield file


def _unreadable(path: Path, error: OSError) -> UserError:
    reason = os.strerror(error.errno).lower() if error.errno else "truncated or no HDF5 file"
    return UserError(f"{path}: {reason}, expected a patch shard; {PACK_AGAIN}")


def _number(file: h5f.FileID, name: str) -> int:
    """An attribute that is an integer."""
    value = np.empty((), np.int64)
    h5a.open(file, name.encode()).read(value)
    return int(value)


def _dataset(file: h5f.FileID, name: str) -> np.ndarray:
    """A whole table; strings are objects of type bytes."""
    dataset = h5d.open(file, name.encode())
    path, dtype = os.fsdecode(file.name), np.dtype(TABLES[name][0])
    if dataset.dtype != dtype or dataset.shape[1:] != TABLES[name][1] or not dataset.shape:
        found, expected = f"{dataset.dtype} {dataset.shape}", f"{dtype} {('N', *TABLES[name][1])}"
        raise UserError(f"{path}: {name} is {found}, expected {expected}; {PACK_AGAIN}")
    check_claim(path, prod(dataset.shape) * dtype.itemsize, PACK_AGAIN)
    if dtype.kind == "O" and dataset.get_offset() is not None:
        _check_texts(path, dataset.get_offset(), prod(dataset.shape))
    values = np.empty(dataset.shape, dataset.dtype)
    dataset.read(h5s.ALL, h5s.ALL, values)
    return values


def _check_texts(path: str, offset: int, count: int) -> None:
    """Check the heaps that hold the texts of a dataset; on disk, a text is a length, a heap and a number in it."""
    with open(path, "rb") as file:
        file.seek(offset)
        texts = np.frombuffer(file.read(16 * count), [("length", "<u4"), ("heap", "<u8"), ("number", "<u4")])
        for heap in np.unique(texts["heap"]).tolist():
            file.seek(min(heap, 2**62))
            head = file.read(16)
            check_heaps(path, head + file.read(min(int.from_bytes(head[8:], "little"), MOST_HEAP)), PACK_AGAIN)
