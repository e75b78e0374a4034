"""The patch store: pairs of JPEG patches in HDF5 shards, read at random through a memory map.

Patch `2 i` of a shard is the query of pair `i`, patch `2 i + 1` the tracked one. The datasets of a shard of N pairs
of V videos, with patches of S x S pixels:

| name        | type, shape        | what                                                              |
|-------------|--------------------|-------------------------------------------------------------------|
| `jpeg`      | uint8 (bytes,)     | the JPEG files one after the other, contiguous                     |
| `offsets`   | int64 (2 N + 1,)   | patch `p` is `jpeg[offsets[p]:offsets[p + 1]]`                     |
| `crc32`     | uint32 (2 N,)      | checksum of each patch's bytes                                     |
| `video`     | int32 (N,)         | index into `video_ids`                                             |
| `video_ids` | string (V,)        |                                                                   |
| `frames`    | int64 (N, 2)       | native frame numbers of query and tracked patch                    |
| `boxes`     | float32 (N, 2, 4)  | x, y, w, h of both in the resized frame, pixels                    |
| `scores`    | float32 (N,)       | the tracker's score of the last box                                |

Attributes: `format_version`, `pairs`, `size` (S), `quality`, and what the writer adds.
"""

import mmap
import os
import resource
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import simplejpeg
from h5py import h5a, h5d, h5f, h5s

from tracklearn.errors import UserError
from tracklearn.files import atomic

FORMAT_VERSION = 1
MOST_FILES = 2**14


def _file_limit() -> int:
    """How many files this process may have open, often 1,024, after it was raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= allowed:
        return allowed
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


OPEN_MAPS = 3 * _file_limit() // 4  # each map holds an open file
Array = np.ndarray


def encode(patch: Array, quality: int) -> bytes:
    """JPEG file of a patch, uint8 RGB (S, S, 3). ASSUME: 4:2:0, as the videos themselves store colour."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(patch), quality, "RGB", "420")


class Pair(NamedTuple):
    """What one pair is written from; a patch is uint8 RGB (S, S, 3), or the bytes of a JPEG file of that size."""

    video: str
    frames: tuple[int, int]
    boxes: Any  # (2, 4): x, y, w, h of query and tracked box
    score: float
    query: Array | bytes
    tracked: Array | bytes


class _Index(NamedTuple):
    """What a training wants of every shard before its first batch, read in one go."""

    pairs: int
    size: int
    video: Array
    video_ids: list[str]


class PatchStore:
    """One shard. Tables are read when they are asked for, patches through a memory map: threads and forked processes
    may share it.

    Raises:
        UserError: at the first access, when the file is no patch store of this format version; at a later one, when it
            has been cut short or written over, or removed and its map closed since.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._tables: dict[str, Array] = {}

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """The shard's attributes: `pairs`, `size`, `quality` and what its writer added."""
        with _opened(self.path) as file:
            return dict(h5py.File(file).attrs)

    @cached_property
    def _index(self) -> _Index:
        with _opened(self.path) as file:
            names = [name.decode() for name in _dataset(file, "video_ids")]
            return _Index(_number(file, "pairs"), _number(file, "size"), _dataset(file, "video"), names)

    @cached_property
    def _places(self) -> Array:
        """int64 (2 N + 1,): patch p is bytes `_places[p]` to `_places[p + 1]` of the file."""
        with _opened(self.path) as file:
            return _dataset(file, "offsets") + _jpeg_position(file)[0]

    def _table(self, name: str) -> Array:
        """A dataset other than `jpeg`; two threads that ask at once both read it, to the same end."""
        if name not in self._tables:
            with _opened(self.path) as file:
                self._tables[name] = _dataset(file, name)
        return self._tables[name]

    def __len__(self) -> int:
        return self._index.pairs

    @property
    def size(self) -> int:
        """Side of a patch in pixels."""
        return self._index.size

    @property
    def video_ids(self) -> list[str]:
        """The shard's videos, in the order in which their pairs were written."""
        return self._index.video_ids

    @property
    def videos(self) -> Array:
        """int32 (N,): each pair's index into `video_ids`."""
        return self._index.video

    @property
    def frames(self) -> Array:
        """int64 (N, 2): native frame numbers of query and tracked patch."""
        return self._table("frames")

    @property
    def boxes(self) -> Array:
        """float32 (N, 2, 4): x, y, w, h of query and tracked patch in the resized frame."""
        return self._table("boxes")

    @property
    def scores(self) -> Array:
        """float32 (N,): the tracker's score of the tracked box."""
        return self._table("scores")

    def _map(self) -> "_Map":
        """The whole file; its length is looked at each time, since to read what was cut off ends a process (SIGBUS)."""
        mapped = _mapped(self)
        self._check_length(mapped.memory.size())
        return mapped

    def _check_length(self, held: int) -> None:
        if held < (needed := int(self._places[-1])):
            raise UserError(f"{self.path}: cut to {held} bytes, expected {needed}; pack the shard again")

    def jpeg(self, patch: int) -> Array:
        """The bytes of one patch as a uint8 view of the memory map; `patch` is 2 i (query) or 2 i + 1 (tracked)."""
        start, stop = self._places[patch : patch + 2]
        return self._map().data[start:stop]

    def pair(self, index: int) -> tuple[Array, Array]:
        """Query and tracked patch of one pair, uint8 RGB (S, S, 3) each."""
        both = np.empty((2, self.size, self.size, 3), np.uint8)
        self.decode(index, both)
        return both[0], both[1]

    def decode(self, index: int, out: Array) -> None:
        """Decode one pair into `out`, uint8 (2, S, S, 3)."""
        if not 0 <= index < len(self):
            raise IndexError(f"pair {index} of {len(self)} in {self.path}")
        data, places = self._map().data, self._places
        try:
            for half in (0, 1):
                patch = 2 * index + half
                simplejpeg.decode_jpeg(data[places[patch] : places[patch + 1]], "RGB", buffer=out[half])
        except ValueError as error:
            raise UserError(f"{self.path}: pair {index} cannot be decoded ({error}); pack the shard again") from error

    def fetch(self, index: int) -> None:
        """Have the system read a pair from disk, without waiting for it.

        Left to page faults, one process waits for one page after the other, and the system reads ahead what nobody
        asked for: with its usual settings, several times the bytes of a pair.
        """
        start, stop = int(self._places[2 * index]), int(self._places[2 * index + 2])
        start -= start % mmap.PAGESIZE
        self._map().memory.madvise(mmap.MADV_WILLNEED, start, stop - start)

    def verify(self) -> int:
        """Check every table and every patch against its checksum and size; returns the number of pairs.

        Raises:
            UserError: naming the file and the first pair that is broken.
        """
        self._verify_tables()
        for patch, expected in enumerate(self._table("crc32")):
            name = f"{self.path}: pair {patch // 2} ({'tracked' if patch % 2 else 'query'})"
            data = self.jpeg(patch)
            checksum = zlib.crc32(data.data)
            if checksum != expected:
                raise UserError(f"{name}: checksum {checksum:08x}, expected {expected:08x}; pack the shard again")
            shape = _jpeg_shape(data, name)
            if shape != (self.size, self.size):
                raise UserError(f"{name}: a patch of {shape}, expected {(self.size, self.size)}; pack the shard again")
        return len(self)

    def _verify_tables(self) -> None:
        count, offsets, video = len(self), self._table("offsets"), self.videos
        for name, rows in (("offsets", 2 * count + 1), ("crc32", 2 * count), *((n, count) for n in _PER_PAIR)):
            if len(self._table(name)) != rows:
                raise UserError(
                    f"{self.path}: {len(self._table(name))} {name}, expected {rows} for {count} pairs; "
                    "pack the shard again"
                )
        with _opened(self.path) as file:
            _, size = _jpeg_position(file)
        bad = np.flatnonzero(np.diff(offsets) <= 0)
        if len(bad):
            raise UserError(f"{self.path}: pair {bad[0] // 2} has a patch without bytes; pack the shard again")
        if offsets[0] != 0 or offsets[-1] != size:
            raise UserError(f"{self.path}: offsets end at {offsets[-1]}, expected {size} bytes; pack the shard again")
        bad = np.flatnonzero((video < 0) | (video >= len(self.video_ids)))
        if len(bad):
            raise UserError(f"{self.path}: pair {bad[0]} belongs to no listed video; pack the shard again")

    @staticmethod
    def write(
        path: str | Path,
        pairs: Iterable[Pair],
        *,
        size: int,
        quality: int = 95,
        attrs: Mapping[str, Any] | None = None,
    ) -> int:
        """Write a shard from pairs of `size` x `size` patches, whole or not at all; returns the number of pairs.

        Arrays become JPEGs of `quality`; bytes are taken as they are.

        Raises:
            UserError: a patch has another size or is no JPEG, naming its video and frame; or the disk is full.
        """
        patches: list[bytes] = []
        rows: list[Pair] = []
        for pair in pairs:
            name = f"{path}: pair {len(rows)} of video {pair.video}, frame {pair.frames[0]}"
            patches += [_encoded(patch, size, quality, name) for patch in (pair.query, pair.tracked)]
            rows.append(pair._replace(query=b"", tracked=b""))
        with atomic(path) as temporary, h5py.File(temporary, "w", libver="latest") as file:
            _write_tables(file, rows)
            _write_patches(file, patches)
            file.attrs.update({"format_version": FORMAT_VERSION, "pairs": len(rows), "size": size, "quality": quality})
            file.attrs.update(attrs or {})
        return len(rows)


class Subset:
    """The first pairs of some shards, in the order given: a view that reads no patch before it is asked for.

    Args:
        paths: the shards.
        patches: how many patches to take, two a pair (ASSUME: the paper's 1.5M, 5M and 8M count patches); None takes
            all of them.

    Raises:
        UserError: the shards hold fewer patches than asked for, or patches of several sizes.
    """

    def __init__(self, paths: Sequence[str | Path], patches: int | None = None) -> None:
        if patches is not None and (patches <= 0 or patches % 2):
            raise UserError(
                f"a subset of {patches} patches: expected a positive even number, since pairs are counted by two"
            )
        self.stores: list[PatchStore] = []
        taken: list[int] = []
        for path in paths:
            left = None if patches is None else patches // 2 - sum(taken)
            if left == 0:
                break
            store = PatchStore(path)
            taken.append(len(store) if left is None else min(len(store), left))
            self.stores.append(store)
        if patches is not None and 2 * sum(taken) < patches:
            raise UserError(
                f"a subset of {patches} patches: only {2 * sum(taken)} were mined in {len(self.stores)} shards; "
                "run again (the plan then takes further shards of the list, if there are any), or add videos or lower "
                "`patches`"
            )
        self._starts = np.concatenate([[0], np.cumsum(taken, dtype=np.int64)])
        self._check_sizes()

    def _check_sizes(self) -> None:
        for store in self.stores:
            if store.size != self.size:
                raise UserError(f"{store.path}: patches of {store.size} px, {self.stores[0].path} has {self.size} px")

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def size(self) -> int:
        """Side of a patch in pixels."""
        return self.stores[0].size if self.stores else 0

    @cached_property
    def video_ids(self) -> list[str]:
        """Every video of the shards once, in order of appearance."""
        return list(dict.fromkeys(name for store in self.stores for name in store.video_ids))

    @cached_property
    def videos(self) -> Array:
        """int64 (N,): each pair's index into `video_ids`; a video that spans shards has one label."""
        label = {name: index for index, name in enumerate(self.video_ids)}
        videos = np.empty(len(self), np.int64)
        for store, start, stop in zip(self.stores, self._starts, self._starts[1:], strict=False):
            labels = np.array([label[name] for name in store.video_ids], np.int64)
            videos[start:stop] = labels[store.videos[: stop - start]]
        return videos

    def pairs(self, indices: Sequence[int] | Array, *, out: Array | None = None) -> Array:
        """Decode pairs: uint8 RGB (n, 2, S, S, 3), query first. Safe to call from several threads.

        `out` of that shape is filled and returned: decoding into memory used before is up to twice as fast.

        Raises:
            IndexError: an index outside 0..len - 1.
            UserError: a shard has been removed, cut short or written over since it was opened.
        """
        indices = np.asarray(indices, np.int64)
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(self):
            raise IndexError(f"pairs {indices.min()}..{indices.max()} of a subset of {len(self)}")
        if out is None:
            out = np.empty((len(indices), 2, self.size, self.size, 3), np.uint8)
        shards = np.searchsorted(self._starts, indices, side="right") - 1
        places = (indices - self._starts[shards]).tolist()
        chosen = [(self.stores[shard], place) for shard, place in zip(shards.tolist(), places, strict=True)]
        for store, place in chosen:
            store.fetch(place)
        for (store, place), both in zip(chosen, out, strict=True):
            store.decode(place, both)
        return out


_PER_PAIR = ("video", "frames", "boxes", "scores")


class _Map(NamedTuple):
    memory: mmap.mmap
    data: Array  # the same bytes, uint8


@lru_cache(maxsize=OPEN_MAPS)
def _mapped(store: PatchStore) -> _Map:
    """A store's whole file; the least recently read map is closed first."""
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


# A thousand shards are opened in a fraction of a second by the functions of the HDF5 library itself; h5py's files,
# attributes and datasets take several times as long.
@contextmanager
def _opened(path: Path) -> Iterator[h5f.FileID]:
    try:
        file = h5f.open(os.fsencode(path), h5f.ACC_RDONLY)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        version = _number(file, "format_version") if h5a.exists(file, b"format_version") else None
        if version != FORMAT_VERSION:
            raise UserError(f"{path}: patch store format {version}, expected {FORMAT_VERSION}; pack the shard again")
        yield file
    finally:
        file.close()


def _unreadable(path: Path, error: OSError) -> UserError:
    reason = os.strerror(error.errno).lower() if error.errno else "truncated or no HDF5 file"
    return UserError(f"{path}: {reason}, expected a patch store; pack the shard again")


def _number(file: h5f.FileID, name: str) -> int:
    """An attribute that is an integer."""
    value = np.empty((), np.int64)
    h5a.open(file, name.encode()).read(value)
    return int(value)


def _dataset(file: h5f.FileID, name: str) -> Array:
    """A whole dataset; strings are objects of type bytes."""
    dataset = h5d.open(file, name.encode())
    values = np.empty(dataset.shape, dataset.dtype)
    dataset.read(h5s.ALL, h5s.ALL, values)
    return values


def _jpeg_position(file: h5f.FileID) -> tuple[int, int]:
    """First byte of `jpeg` in the file, and its size."""
    dataset = h5d.open(file, b"jpeg")
    return dataset.get_offset() or 0, dataset.shape[0]


def _encoded(patch: Array | bytes, size: int, quality: int, name: str) -> bytes:
    shape = _jpeg_shape(patch, name) if isinstance(patch, bytes) else patch.shape[:2]
    if shape != (size, size):
        raise UserError(f"{name}: a patch of {tuple(shape)}, expected {(size, size)}")
    if isinstance(patch, bytes):
        return patch
    return encode(patch, quality)


def _jpeg_shape(data: Array | bytes, name: str) -> tuple[int, int]:
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise UserError(f"{name}: not a JPEG ({error})") from error
    return height, width


def _write_tables(file: h5py.File, rows: Sequence[Pair]) -> None:
    label = {name: index for index, name in enumerate(dict.fromkeys(row.video for row in rows))}
    file["video_ids"] = np.array(list(label), dtype=h5py.string_dtype())
    file["video"] = np.array([label[row.video] for row in rows], np.int32)
    file["frames"] = np.array([row.frames for row in rows], np.int64).reshape(-1, 2)
    file["boxes"] = np.array([row.boxes for row in rows], np.float32).reshape(-1, 2, 4)
    file["scores"] = np.array([row.score for row in rows], np.float32)


def _write_patches(file: h5py.File, patches: Sequence[bytes]) -> None:
    offsets = np.concatenate([[0], np.cumsum([len(data) for data in patches], dtype=np.int64)])
    file["offsets"] = offsets.astype(np.int64)
    file["crc32"] = np.array([zlib.crc32(data) for data in patches], np.uint32)
    jpeg = file.create_dataset("jpeg", (int(offsets[-1]),), np.uint8)
    for data, start, stop in zip(patches, offsets[:-1], offsets[1:], strict=True):
        jpeg[start:stop] = np.frombuffer(data, np.uint8)
