import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader
from worlds.pairs import SIDE, first_byte

import tracklearn
from tracklearn.errors import UserError
from tracklearn.patches.index import write_index
from tracklearn.patches.store import PatchStore
from tracklearn.patches.writing import write_shard


@pytest.mark.usefixtures("shards")
def test_items_are_the_pairs_of_all_shards_in_order(tmp_path):
    pairs = tracklearn.pairs(tmp_path)
    assert len(pairs) == 10
    assert pairs.video_ids == ["ant", "bee", "cow"]
    query, tracked, video = pairs[6]
    expected = PatchStore(tmp_path / "2.h5").pair(0)
    assert query.dtype == tracked.dtype == torch.uint8
    assert query.shape == (3, SIDE, SIDE)
    assert np.array_equal(query.permute(1, 2, 0), expected[0])
    assert np.array_equal(tracked.permute(1, 2, 0), expected[1])
    assert pairs.video_ids[video] == "cow"
    with pytest.raises(IndexError):
        pairs[10]


def test_the_index_says_which_shards_count_and_in_which_order(tmp_path, shards):
    write_index(stores=shards[:0:-1], manifests=[], index=tmp_path / "pairs.parquet")
    pairs = tracklearn.pairs(tmp_path)
    assert (len(pairs), pairs.video_ids) == (4, ["cow"])
    write_index(stores=[shards[2], shards[0]], manifests=[], index=tmp_path / "pairs.parquet")
    assert np.array_equal(tracklearn.pairs(tmp_path)[4][0].permute(1, 2, 0), PatchStore(shards[0]).pair(0)[0])
    shards[0].write_bytes(shards[2].read_bytes())  # mined again since
    with pytest.raises(
        UserError, match=r"pairs.parquet: 10 pairs, but its shards hold 8; run `snakemake --cores 8 pairs` again$"
    ):
        tracklearn.pairs(tmp_path)


@pytest.mark.usefixtures("shards")
@pytest.mark.parametrize("damage", ["empty", "text", "cut", "other columns"])
def test_a_broken_index_is_a_one_line_error(tmp_path, shards, damage):
    index = tmp_path / "pairs.parquet"
    write_index(stores=shards, manifests=[], index=index)
    if damage == "other columns":
        pq.write_table(pa.table({"pair": [0]}), index)
    else:
        index.write_bytes({"empty": b"", "text": b"no parquet", "cut": index.read_bytes()[:-50]}[damage])
    with pytest.raises(UserError, match=r"pairs\.parquet: not a readable index of pairs; delete it and run .* again$"):
        tracklearn.pairs(tmp_path)


@pytest.mark.usefixtures("shards")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_every_pair_once(tmp_path, method):
    pairs = tracklearn.pairs(tmp_path)
    loader = DataLoader(pairs, batch_size=4, shuffle=True, num_workers=2, multiprocessing_context=method)
    batches = list(loader)
    assert [query.shape for query, _, _ in batches] == [(4, 3, SIDE, SIDE)] * 2 + [(2, 3, SIDE, SIDE)]
    seen = torch.cat([torch.stack([query, tracked], 1) for query, tracked, _ in batches])
    stored = torch.stack([torch.stack([query, tracked]) for query, tracked, _ in pairs])
    assert sorted(map(bytes, seen.numpy())) == sorted(map(bytes, stored.numpy()))
    videos = torch.cat([video for _, _, video in batches])
    assert sorted(videos.tolist()) == sorted(video for _, _, video in pairs)


@pytest.mark.usefixtures("shards")
def test_a_pickled_dataset_reads_the_same_pairs(tmp_path):
    pairs = tracklearn.pairs(tmp_path)
    pairs[0]  # a map of the file is open
    assert torch.equal(pickle.loads(pickle.dumps(pairs))[3][0], pairs[3][0])


def test_a_folder_without_shards_or_pairs(tmp_path):
    (tmp_path / ".00000.tmp.h5").write_bytes(b"a shard that is being written")
    with pytest.raises(UserError, match=r"no patch shard \(\*.h5\) there; `snakemake --cores 8 pairs` mines some$"):
        tracklearn.pairs(tmp_path)
    with pytest.raises(UserError, match="none: no patch shard"):
        tracklearn.pairs(tmp_path / "none")
    write_shard(tmp_path / "00000.h5", [], size=SIDE, quality=95)
    with pytest.raises(UserError, match=r"no pair in its shards; .*pairs.html tells why"):
        tracklearn.pairs(tmp_path)


@pytest.mark.usefixtures("shards")
def test_a_shard_that_was_cut_short_is_named(tmp_path):
    whole = (tmp_path / "2.h5").read_bytes()
    (tmp_path / "2.h5").write_bytes(whole[: first_byte(tmp_path / "2.h5", 3)])
    with pytest.raises(
        UserError, match=r"2.h5: truncated or no HDF5 file, expected a patch shard; pack the shard again"
    ):
        tracklearn.pairs(tmp_path)
