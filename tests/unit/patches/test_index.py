import math

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from worlds.pairs import SIDE

from tracklearn.patches.index import BOXES, write_index
from tracklearn.patches.store import PatchStore
from tracklearn.patches.writing import Pair, write_shard
from tracklearn.videos.manifest import ManifestRow, write_manifest

FRAME = {"height": 100, "width": 200}
LANDSCAPE = ManifestRow("ant", "clips/ant.mp4", "clips/ant.mp4", "ok", fps=25.0, width=400, height=300)
PORTRAIT = ManifestRow("bee", "https://host/bee", "d/bee.mp4", "ok", fps=10.0, width=300, height=400)


def pair(video, frames, boxes, score):
    patch = np.full((SIDE, SIDE, 3), 90, np.uint8)
    return Pair(video, frames, np.array(boxes), score, patch, patch)


@pytest.fixture
def written(tmp_path):
    def write(*shards, manifests):
        stores = [tmp_path / f"{number:05d}.h5" for number in range(len(shards))]
        for store, pairs in zip(stores, shards, strict=True):
            write_shard(store, pairs, size=SIDE, quality=95)
        metrics = write_index(stores=stores, manifests=manifests, index=tmp_path / "pairs.parquet", frame=FRAME)
        return metrics, pd.read_parquet(tmp_path / "pairs.parquet")

    return write


def test_a_row_says_where_its_pair_is_in_the_video_and_in_the_shards(written, tmp_path):
    manifest = tmp_path / "00000.tsv"
    write_manifest(manifest, [PORTRAIT, ManifestRow("cow", "cow"), LANDSCAPE])
    first = [pair("ant", (50, 75), [[10, 20, 30, 40], [0, 0, 30, 40]], 0.5)]
    # A portrait video is mined in frames of 100 x 200 pixels.
    third = [pair("bee", (0, 30), [[50, 100, 20, 40], [0, 0, 20, 40]], 0.25)] * 2
    metrics, index = written(first, [], third, manifests=[manifest] * 3)
    assert metrics == {"pairs": 3}
    assert index["pair"].tolist() == [0, 1, 2]
    assert index["shard"].tolist() == ["00000", "00002", "00002"]
    assert index["row"].tolist() == [0, 0, 1]
    ant, bee = index.iloc[0], index.iloc[2]
    assert (ant["video"], ant["source"]) == ("ant", "clips/ant.mp4")
    assert (ant["first_frame"], ant["last_frame"], ant["first_time"], ant["last_time"]) == (50, 75, 2.0, 3.0)
    assert ant[BOXES].tolist() == [20, 60, 60, 120, 0, 0, 60, 120]  # twice as wide and three times as high
    assert (bee["video"], bee["source"], bee["last_time"], bee["score"]) == ("bee", "https://host/bee", 3.0, 0.25)
    assert bee[BOXES].tolist() == [150, 200, 60, 80, 0, 0, 60, 80]
    for row in index.itertuples():
        store = PatchStore(tmp_path / f"{row.shard}.h5")
        assert store.video_ids[store.video_of_pair[row.row]] == row.video
        assert tuple(store.frames[row.row]) == (row.first_frame, row.last_frame)


def test_what_is_unknown_of_imported_pairs_is_null(written, tmp_path):
    unknown = np.full((2, 4), np.nan)
    _, index = written([pair("label", (-1, -1), unknown, math.nan)], manifests=[])
    assert index.loc[0, ["pair", "shard", "row", "video"]].tolist() == [0, "00000", 0, "label"]
    others = pq.read_table(tmp_path / "pairs.parquet").drop_columns(["pair", "shard", "row", "video"])
    assert others.num_columns == 14
    assert {column.null_count for column in others.columns} == {1}


def test_no_pair_makes_an_empty_index(written):
    metrics, index = written([], manifests=[])
    assert metrics == {"pairs": 0}
    assert index.empty
