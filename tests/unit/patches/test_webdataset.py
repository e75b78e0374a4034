"""Shards as WebDataset tars and back; the standard library and WebDataset's naming rule read the tars here."""

import json
import re
import shutil
import tarfile
import zlib

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from worlds.pairs import SIDE, some_pairs

from tracklearn.errors import UserError
from tracklearn.patches import webdataset
from tracklearn.patches.index import SCHEMA, write_index
from tracklearn.patches.store import PatchStore
from tracklearn.patches.webdataset import HDF5, main, read_tars, write_tars
from tracklearn.patches.writing import Pair, write_shard


@pytest.fixture
def folder(tmp_path):
    """Three shards: six pairs, none, and three imported pairs whose frames, boxes and scores are unknown."""
    unknown = (pair._replace(frames=(-1, -1), boxes=np.full((2, 4), np.nan), score=np.nan) for pair in some_pairs(3))
    for name, pairs in (("00000", some_pairs(6)), ("00001", []), ("00002", unknown)):
        write_shard(tmp_path / f"shards/{name}.h5", pairs, size=SIDE, quality=95)
    return tmp_path / "shards"


@pytest.fixture
def tars(folder, tmp_path):
    write_tars(folder, tmp_path / "tars")
    return tmp_path / "tars"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def samples(path):
    """Samples as WebDataset groups them: the key is the name up to its first dot, the rest names the field."""
    grouped = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, field = re.fullmatch(r"((?:.*/|)[^.]+)[.]([^/]*)", member.name).groups()
            assert key not in list(grouped)[:-1]  # the members of a sample are neighbours
            grouped.setdefault(key, {})[field] = tar.extractfile(member).read()
    return grouped


def test_shards_come_back_byte_for_byte(folder, tars, tmp_path):
    assert read_tars(tars, tmp_path / "back") == {"shards": 3, "pairs": 9, "equal": 3}
    assert contents(tmp_path / "back") == contents(folder)


def test_a_sample_holds_a_pair(folder, tars):
    store = PatchStore(folder / "00000.h5")
    read = samples(tars / "00000.tar")
    assert list(read) == [f"00000-00000{row}" for row in range(6)]
    for row, sample in enumerate(read.values()):
        assert list(sample) == ["json", "query.jpg", "tracked.jpg"]
        assert sample["query.jpg"] == store.jpeg(2 * row).tobytes()
        assert sample["tracked.jpg"] == store.jpeg(2 * row + 1).tobytes()
    assert json.loads(read["00000-000004"]["json"]) == {
        "shard": "00000",
        "row": 4,
        "video": "bee",
        "frames": [120, 150],
        "boxes": [[4, 5, 6, 7], [8, 9, 10, 11]],
        "score": pytest.approx(0.4, abs=1e-7),
    }


def test_what_is_unknown_is_null(tars):
    def refuse(constant):
        raise AssertionError(constant)  # NaN is no JSON

    entry = json.loads(samples(tars / "00002.tar")["00002-000000"]["json"], parse_constant=refuse)
    assert entry["score"] is None
    assert entry["boxes"] == [[None] * 4] * 2
    first = pq.read_table(tars / "pairs.parquet").to_pylist()[6]
    assert (first["shard"], first["score"], first["first_frame"], first["query_x"]) == ("00002", None, None, None)


def test_equal_shards_give_equal_files_without_times_and_owners(folder, tars, tmp_path):
    write_tars(folder, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tars)
    with tarfile.open(tars / "00000.tar") as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(each.mtime, each.uid, each.gid, each.uname, each.gname, each.mode) for each in members} == {
        (0, 0, 0, "", "", 0o644)
    }


def test_the_table_has_the_index_and_the_checksum_of_each_member(folder, tmp_path):
    shards = [folder / f"0000{number}.h5" for number in range(3)]
    write_index(stores=shards, manifests=[], index=folder / "pairs.parquet")
    write_tars(folder, tmp_path / "tars")
    table = pq.read_table(tmp_path / "tars/pairs.parquet")
    assert table.select(SCHEMA.names).equals(pq.read_table(folder / "pairs.parquet"))
    rows = table.to_pylist()
    assert [row["pair"] for row in rows] == list(range(9))
    for row in rows:
        sample = samples(tmp_path / f"tars/{row['shard']}.tar")[row["key"]]
        found = [zlib.crc32(sample[field]) for field in ("json", "query.jpg", "tracked.jpg")]
        assert found == [row["json_crc32"], row["query_crc32"], row["tracked_crc32"]]
    assert read_tars(tmp_path / "tars", tmp_path / "back")["equal"] == 3


def test_without_an_index_the_table_says_what_the_shards_know(folder, tars):
    write_index(stores=sorted(folder.glob("*.h5")), manifests=[], index=folder / "pairs.parquet")
    assert pq.read_table(tars / "pairs.parquet", columns=SCHEMA.names).equals(pq.read_table(folder / "pairs.parquet"))


def test_shards_of_an_earlier_list_are_left_out(folder, tmp_path):
    write_index(stores=[folder / "00000.h5"], manifests=[], index=folder / "pairs.parquet")
    assert write_tars(folder, tmp_path / "tars") == {"shards": 2, "pairs": 6}
    assert sorted(path.name for path in (tmp_path / "tars").iterdir()) == ["00000.tar", "00001.tar", "pairs.parquet"]


def test_scores_and_boxes_keep_every_bit(tmp_path):
    rng = np.random.default_rng(0)
    (patch,) = (pair.query for pair in some_pairs(1))
    pairs = [
        Pair("v", (0, 30), rng.random((2, 4), np.float32) * 300, rng.random(dtype=np.float32), patch, patch)
        for _ in range(50)
    ]
    write_shard(tmp_path / "shards/00000.h5", pairs, size=SIDE, quality=95)
    write_tars(tmp_path / "shards", tmp_path / "tars")
    read_tars(tmp_path / "tars", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "shards")


def refused(function, *arguments):
    with pytest.raises(UserError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def place_of(tar_path, name):
    """Where the content of a member begins, and its length."""
    with tarfile.open(tar_path) as tar:
        member = tar.getmember(name)
        return member.offset_data, member.size


@pytest.mark.parametrize("kind", ["json", "query.jpg", "tracked.jpg"])
def test_a_changed_member_is_named(tars, tmp_path, kind):
    data = bytearray((tars / "00000.tar").read_bytes())
    start, length = place_of(tars / "00000.tar", f"00000-000003.{kind}")
    data[start + length // 2] ^= 1
    (tars / "00000.tar").write_bytes(data)
    message = refused(read_tars, tars, tmp_path / "back")
    assert f"00000.tar: the member 00000-000003.{kind} was changed" in message
    assert not list((tmp_path / "back").glob("*"))


def test_a_tar_that_was_cut_short_names_the_member(tars, tmp_path):
    path = tars / "00000.tar"
    whole = path.read_bytes()
    start, length = place_of(path, "00000-000003.query.jpg")
    cuts = {
        start + length // 2: "inside the member 00000-000003.query.jpg",
        start - 512: "before the member 00000-000003.query.jpg",  # between two members
        start - 100: "before the member 00000-000003.query.jpg",  # inside a header
        0: "",
    }
    for cut, where in cuts.items():
        path.write_bytes(whole[:cut])
        message = refused(read_tars, tars, tmp_path / "back")
        assert message.startswith(f"{path}: cut short") and where in message, cut
    path.unlink()
    assert f"{path}: No such file" in refused(read_tars, tars, tmp_path / "back")


def test_a_member_too_many_or_in_another_place_is_named(tars, tmp_path):
    shutil.copy(tars / "00000.tar", tars / "00001.tar")
    assert "a member 00000-000000.json that pairs.parquet does not list" in refused(read_tars, tars, tmp_path / "back")
    shutil.copy(tars / "00002.tar", tars / "00000.tar")
    expected = "the member 00002-000000.json stands where 00000-000000.json was expected"
    assert expected in refused(read_tars, tars, tmp_path / "back")


def test_broken_tables_and_folders_are_refused_in_a_line(folder, tars, tmp_path, capsys):
    assert "no patch shard" in refused(write_tars, tars, tmp_path / "out")
    pq.write_table(pa.table({"shard": ["00000"]}), folder / "pairs.parquet")
    assert "not a readable table of pairs" in refused(write_tars, folder, tmp_path / "out")
    write_index(stores=[folder / "00000.h5"], manifests=[], index=folder / "pairs.parquet")
    write_shard(folder / "00000.h5", some_pairs(5), size=SIDE, quality=95)
    assert "6 pairs of" in refused(write_tars, folder, tmp_path / "out")
    (folder / "00000.h5").unlink()
    assert "lists pairs of 00000.h5, which is not there" in refused(write_tars, folder, tmp_path / "out")
    shutil.copy(folder / "00002.h5", folder / "a.b.h5")
    assert "a shard with a dot in its name" in refused(write_tars, folder, tmp_path / "out")
    assert not (tmp_path / "out/pairs.parquet").exists()
    pq.write_table(pa.table({"key": ["a"]}), tars / "pairs.parquet")
    assert "not a table of tracklearn-webdataset-1" in refused(read_tars, tars, tmp_path / "back")
    (tars / "pairs.parquet").write_bytes(b"no table")
    assert main(["--back", str(tars), str(tmp_path / "back")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_says_what_it_wrote(folder, tmp_path, capsys):
    assert main([str(folder), str(tmp_path / "tars")]) == 0
    assert main(["--back", str(tmp_path / "tars"), str(tmp_path / "back")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{tmp_path / 'tars'}: 9 pairs of 3 shards; a tar for each shard, and pairs.parquet"
    assert said[1] == f"{tmp_path / 'back'}: 9 pairs of 3 shards; 3 shards equal the originals byte for byte"


def test_the_folder_of_the_shards_keeps_its_index(folder):
    write_index(stores=sorted(folder.glob("*.h5")), manifests=[], index=folder / "pairs.parquet")
    before = contents(folder)
    for same in (folder, folder / "../shards"):
        assert "the folder of the shards, whose pairs.parquet would be lost" in refused(write_tars, folder, same)
    assert contents(folder) == before


def test_a_tar_of_a_shard_that_is_gone_is_named(folder, tars):
    (folder / "00001.h5").unlink()
    before = contents(tars)
    assert f"{tars}: holds 00001.tar, which no shard here makes; delete it" in refused(write_tars, folder, tars)
    assert contents(tars) == before
    (tars / "00001.tar").unlink()
    assert write_tars(folder, tars) == {"shards": 2, "pairs": 9}


@pytest.mark.parametrize(("version", "reason"), [(None, ""), ("1.8.0", f" (HDF5 1.8.0 there, {HDF5} here)")])
def test_other_bytes_name_the_versions_of_hdf5_only_where_they_differ(
    folder, tmp_path, capsys, monkeypatch, version, reason
):
    with h5py.File(folder / "00000.h5", "a") as file:
        file.attrs["note"] = "one attribute more"
    with monkeypatch.context() as patched:
        patched.setattr(webdataset, "HDF5", version or HDF5)
        write_tars(folder, tmp_path / "tars")
    assert main(["--back", str(tmp_path / "tars"), str(tmp_path / "back")]) == 0
    said = capsys.readouterr().out.strip()
    assert said.endswith(f"2 shards equal the originals byte for byte, 1 hold the same pairs in other bytes{reason}")
