"""Pairs to give away: patch shards as WebDataset tars with one Parquet table of all pairs, and back, byte for byte.

python -m tracklearn.patches.webdataset results/patches OUT
python -m tracklearn.patches.webdataset --back OUT SHARDS

OUT/00000.tar holds three members for each pair of the shard 00000.h5, in the order of the shard:

| member              | content                                                                                      |
|---------------------|----------------------------------------------------------------------------------------------|
| `{key}.json`        | `shard`, `row`, `video`, `frames` (numbers in the file, -1 if unknown), `boxes` (x, y, w, h of |
|                     | query and tracked patch in the resized frame, pixels) and `score`; null is an unknown number |
| `{key}.query.jpg`   | the JPEG file of the query                                                                   |
| `{key}.tracked.jpg` | the JPEG file of the tracked patch                                                           |

The key is `{shard}-{row}`: WebDataset takes the text before a name's first dot for a sample's key. Equal shards give
equal tars. OUT/pairs.parquet has the key, the columns of `patches.index` and the checksum of each member; columns that
only an index can fill are null without one. Its metadata hold each shard's size, quality and digest, and the version
of HDF5.
"""

import argparse
import hashlib
import io
import json
import re
import sys
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tracklearn.errors import UserError
from tracklearn.files import atomic, damage_explained
from tracklearn.patches.index import SCHEMA
from tracklearn.patches.store import PatchStore
from tracklearn.patches.writing import Pair, write_shard

INDEX = "pairs.parquet"
FORMAT = b"tracklearn-webdataset-1"  # key of the table's metadata
KINDS = ("json", "query.jpg", "tracked.jpg")  # sorted, as tar sorts the names
CHECKSUMS = [f"{kind.removesuffix('.jpg')}_crc32" for kind in KINDS]
COLUMNS = pa.schema([("key", pa.string()), *SCHEMA, *((name, pa.uint32()) for name in CHECKSUMS)])
HDF5 = h5py.version.hdf5_version
GET_AGAIN = "copy it again from where it was made"
MINE_AGAIN = "run `snakemake --cores 8 pairs` again"


def write_tars(shards: str | Path, out: str | Path) -> dict[str, int]:
    """Write the patch shards of a folder as tars, and the table of their pairs.

    Args:
        shards: a folder of patch shards, with an index `pairs.parquet` or without one. Shards that the index does not
            know, from an earlier list of videos, are left out unless they are empty.
        out: the folder for `{shard}.tar` and `pairs.parquet`; no tar of another shard may lie there.

    Returns:
        The numbers of `shards` and `pairs`.

    Raises:
        UserError: `out` is the folder of the shards or holds a tar of another shard; there is no shard, a shard is
            broken or has a dot in its name, the index is unreadable or does not belong to the shards, or the disk is
            full.
    """
    if Path(out).resolve() == Path(shards).resolve():
        raise UserError(f"{out}: the folder of the shards, whose {INDEX} would be lost; give another folder to write")
    index = Path(shards, INDEX)
    known = _read(index, ["shard"])["shard"].unique().to_pylist() if index.exists() else None
    paths = [path for path in sorted(Path(shards).glob("[!.]*.h5")) if _is_wanted(path, known)]
    if not paths:
        raise UserError(f"{Path(shards).absolute()}: no patch shard (*.h5) there; give the folder of `snakemake pairs`")
    if missing := set(known or ()) - {path.stem for path in paths}:
        raise UserError(f"{index}: lists pairs of {min(missing)}.h5, which is not there; {MINE_AGAIN}")
    if strays := {path.stem for path in Path(out).glob("[!.]*.tar")} - {path.stem for path in paths}:
        raise UserError(f"{out}: holds {min(strays)}.tar, which no shard here makes; delete it or give another folder")
    described: dict[str, dict[str, Any]] = {}
    pairs = 0
    with atomic(Path(out, INDEX)) as temporary, pq.ParquetWriter(temporary, COLUMNS) as writer:
        for path in paths:
            store = PatchStore(path)
            store.verify()
            rows = _read(index, SCHEMA.names, path.stem) if known is not None else _rows_without_index(store, pairs)
            if len(rows) != len(store):
                raise UserError(f"{index}: {len(rows)} pairs of {path}, which holds {len(store)}; {MINE_AGAIN}")
            keys, checksums = _write_tar(Path(out, f"{path.stem}.tar"), store)
            columns = {"key": keys} | {name: rows[name] for name in SCHEMA.names}
            writer.write_table(pa.table(columns | dict(zip(CHECKSUMS, checksums.T, strict=True)), COLUMNS))
            described[path.stem] = {"pairs": len(store), **_attributes(path), "sha256": _sha256(path), "hdf5": HDF5}
            pairs += len(store)
        writer.add_key_value_metadata({FORMAT: json.dumps(described)})
    return {"shards": len(paths), "pairs": pairs}


def read_tars(folder: str | Path, shards: str | Path) -> dict[str, int]:
    """Write the patch shards that `write_tars` turned into the tars of a folder.

    Args:
        folder: the tars and their `pairs.parquet`.
        shards: the folder for `{shard}.h5`.

    Returns:
        The numbers of `shards`, of `pairs`, and of shards that are `equal` to the originals byte for byte. A shard that
        is not holds the same pairs in other bytes, as another version of HDF5 may write them.

    Raises:
        UserError: a tar is missing or cut short, a member is missing or was changed (the message names it), the table
            is unreadable, or the disk is full.
    """
    table = Path(folder, INDEX)
    described = _described(table)
    equal = pairs = 0
    for shard, entry in described.items():
        rows = _read(table, ["key", *CHECKSUMS], shard)
        members = _members(Path(folder, f"{shard}.tar"), rows["key"].to_pylist(), [rows[name] for name in CHECKSUMS])
        out = Path(shards, f"{shard}.h5")
        pairs += write_shard(out, map(_pair, members), size=entry["size"], quality=entry["quality"])["pairs"]
        equal += _sha256(out) == entry["sha256"]
    return {"shards": len(described), "pairs": pairs, "equal": equal}


def _is_wanted(path: Path, known: Sequence[str] | None) -> bool:
    if "." in path.stem:
        raise UserError(f"{path}: a shard with a dot in its name has no WebDataset key; rename the file")
    return known is None or path.stem in known or not len(PatchStore(path))


def _write_tar(path: Path, store: PatchStore) -> tuple[list[str], np.ndarray]:
    """Write the tar of a shard; returns the key of each pair, and the checksums of its members, uint32 (N, 3)."""
    keys = [f"{store.path.stem}-{row:06d}" for row in range(len(store))]
    checksums = np.empty((len(store), len(KINDS)), np.uint32)
    with atomic(path) as temporary, tarfile.open(temporary, "w") as tar:
        for row, key in enumerate(keys):
            described = json.dumps(_described_pair(store, row)).encode()
            contents = (described, store.jpeg(2 * row).tobytes(), store.jpeg(2 * row + 1).tobytes())
            for kind, data in zip(KINDS, contents, strict=True):
                member = tarfile.TarInfo(f"{key}.{kind}")  # of 1970, and of no user
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            checksums[row] = [zlib.crc32(data) for data in contents]
            tar.members.clear()  # type: ignore[attr-defined]  # its list of members would grow with the shard
    return keys, checksums


def _described_pair(store: PatchStore, row: int) -> dict[str, Any]:
    boxes, score = store.boxes[row].tolist(), store.scores[row].item()
    return {
        "shard": store.path.stem,
        "row": row,
        "video": store.video_ids[store.video_of_pair[row]],
        "frames": store.frames[row].tolist(),
        "boxes": [[_or_null(value) for value in box] for box in boxes],
        "score": _or_null(score),
    }


def _or_null(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value


def _pair(contents: tuple[bytes, bytes, bytes]) -> Pair:
    described, query, tracked = contents
    entry = json.loads(described)
    boxes = np.array(entry["boxes"], np.float32)  # null becomes NaN
    score = np.nan if entry["score"] is None else entry["score"]
    return Pair(entry["video"], tuple(entry["frames"]), boxes, score, query, tracked)


def _members(path: Path, keys: Sequence[str], checksums: Sequence[pa.ChunkedArray]) -> Iterator[tuple[Any, ...]]:
    """The bytes of the three members of each pair, in the order of `KINDS`, checked."""
    try:
        with tarfile.open(path, "r:") as tar:
            for number, key in enumerate(keys):
                contents = [_member(path, tar, f"{key}.{kind}") for kind in KINDS]
                for kind, data, expected in zip(KINDS, contents, checksums, strict=True):
                    if zlib.crc32(data) != expected[number].as_py():
                        raise UserError(f"{path}: the member {key}.{kind} was changed; {GET_AGAIN}")
                yield tuple(contents)
                tar.members.clear()  # type: ignore[attr-defined]
            if (further := tar.next()) is not None:
                raise UserError(f"{path}: a member {further.name} that {INDEX} does not list; {GET_AGAIN}")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; {GET_AGAIN}") from error
    except tarfile.TarError as error:
        raise UserError(f"{path}: cut short, or no tar ({error}); {GET_AGAIN}") from error


def _member(path: Path, tar: tarfile.TarFile, name: str) -> bytes:
    """The bytes of the next member, which must have this name."""
    member = tar.next()
    if member is None:
        raise UserError(f"{path}: cut short: it ends before the member {name}; {GET_AGAIN}")
    if member.name != name or not member.isreg() or member.issparse():
        raise UserError(f"{path}: the member {member.name} stands where {name} was expected; {GET_AGAIN}")
    try:
        file = tar.extractfile(member)
        assert file is not None  # a regular file
        return file.read()
    except tarfile.ReadError as error:
        raise UserError(f"{path}: cut short: it ends inside the member {name}; {GET_AGAIN}") from error


def _read(path: Path, columns: Sequence[str], shard: str | None = None) -> pa.Table:
    """Some columns of a table of pairs; of one shard, only its row groups are read."""
    try:
        return pq.read_table(path, columns=list(columns), filters=shard and [("shard", "=", shard)])
    except MemoryError:
        raise
    except Exception as error:  # Arrow raises errors of every kind
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: not a readable table of pairs ({reason}); make it again") from error


def _described(table: Path) -> Mapping[str, dict[str, Any]]:
    try:
        metadata = pq.read_metadata(table).metadata or {}
    except MemoryError:
        raise
    except Exception as error:  # Arrow raises errors of every kind
        raise UserError(f"{table}: not a readable table of pairs ({error}); {GET_AGAIN}") from error
    if FORMAT not in metadata:
        raise UserError(f"{table}: not a table of {FORMAT.decode()}; expected the one that was written with the tars")
    with damage_explained(table, GET_AGAIN):
        described: dict[str, dict[str, Any]] = json.loads(metadata[FORMAT])
        for shard, entry in described.items():
            # The names become those of files, which must lie in the folders of tars and shards.
            if not re.fullmatch(r"[^./\\\0-\x1f][^./\\\0-\x1f]{0,99}", shard):
                raise UserError(f"{table}: {shard!r} is no name of a shard; {GET_AGAIN}")
            for name, kind in {"pairs": int, "size": int, "quality": int, "sha256": str, "hdf5": str}.items():
                if type(entry[name]) is not kind:
                    raise UserError(f"{table}: {name} of shard {shard} is {entry[name]!r}; {GET_AGAIN}")
    return described


def _versions(folder: Path) -> str:
    """The versions of HDF5 where the tars were written and here, if they differ."""
    there = {entry["hdf5"] for entry in _described(folder / INDEX).values()} - {HDF5}
    return f" (HDF5 {', '.join(sorted(there))} there, {HDF5} here)" if there else ""


def _rows_without_index(store: PatchStore, first: int) -> pa.Table:
    """What the shard itself knows of its pairs; places in the video's own pixels, times and sources are null."""
    count, video_ids = len(store), np.array(store.video_ids, object)
    columns = {
        "pair": np.arange(first, first + count),
        "shard": [store.path.stem] * count,
        "row": np.arange(count, dtype=np.int32),
        "video": video_ids[store.video_of_pair] if count else [],
        "first_frame": pa.array(store.frames[:, 0], mask=store.frames[:, 0] < 0),
        "last_frame": pa.array(store.frames[:, 1], mask=store.frames[:, 1] < 0),
        "score": pa.array(store.scores, from_pandas=True),
    }
    unknown = {name: pa.nulls(count, SCHEMA.field(name).type) for name in SCHEMA.names if name not in columns}
    return pa.table({**columns, **unknown}).select(SCHEMA.names)


def _attributes(path: Path) -> dict[str, int]:
    with damage_explained(path, MINE_AGAIN), h5py.File(path) as file:
        return {name: int(file.attrs[name]) for name in ("size", "quality")}


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert a folder and say what was written; the result is the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tracklearn.patches.webdataset",
        description="Convert a folder of patch shards (HDF5) to WebDataset tars and a Parquet table of pairs, or back.",
    )
    parser.add_argument(
        "source", type=Path, help="folder of the patch shards; with --back, of the tars and their table"
    )
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--back", action="store_true", help="write the patch shards from the tars")
    given = parser.parse_args(arguments)
    try:
        if given.back:
            done = read_tars(given.source, given.out)
            others = done["shards"] - done["equal"]
            note = f"{done['equal']} shards equal the originals byte for byte"
            note += f", {others} hold the same pairs in other bytes{_versions(given.source)}" if others else ""
        else:
            done = write_tars(given.source, given.out)
            note = f"a tar for each shard, and {INDEX}"
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{given.out}: {done['pairs']:,} pairs of {done['shards']} shards; {note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
