import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest
from worlds.pairs import SIDE, first_byte, smooth_patch

from tracklearn.errors import UserError
from tracklearn.patches.store import PatchStore, _map_cache


def test_a_written_pair_is_read_back(shard):
    store = PatchStore(shard)
    assert len(store) == 6
    query, tracked = store.pair(4)
    assert query.shape == tracked.shape == (SIDE, SIDE, 3)
    assert np.abs(query.astype(int) - smooth_patch(8)).mean() < 2
    assert np.abs(tracked.astype(int) - smooth_patch(9)).mean() < 2
    assert store.video_ids == ["ant", "bee"]
    assert store.video_of_pair.tolist() == [0, 0, 0, 1, 1, 1]
    assert store.frames[4].tolist() == [120, 150]
    assert store.boxes[4].tolist() == [[4, 5, 6, 7], [8, 9, 10, 11]]
    assert store.scores[4] == pytest.approx(0.4)
    assert store.verify() == 6


def test_pair_outside_the_shard(shard):
    with pytest.raises(IndexError, match="pair 6 of 6"):
        PatchStore(shard).pair(6)


def test_verify_names_the_file_and_the_broken_pair(shard):
    at = first_byte(shard, 7) + 40
    content = bytearray(shard.read_bytes())
    content[at] ^= 255
    shard.write_bytes(content)
    with pytest.raises(UserError, match=r"00000\.h5: pair 3 \(tracked\): checksum"):
        PatchStore(shard).verify()


@pytest.mark.parametrize(
    ("name", "index", "value", "message"),
    [
        ("video", 2, 9, "pair 2 belongs to no listed video"),
        ("offsets", 4, 1, "pair 1 has a patch without bytes"),
        ("offsets", 12, 10**6, "offsets run from 0 to 1000000, expected 0 to"),
    ],
)
def test_verify_checks_the_tables(shard, name, index, value, message):
    with h5py.File(shard, "r+") as file:
        file[name][index] = value
    with pytest.raises(UserError, match=message):
        PatchStore(shard).verify()


def test_verify_checks_lengths_and_sizes(shard):
    with h5py.File(shard, "r+") as file:
        file.attrs["size"] = 99
    with pytest.raises(UserError, match=r"pair 0 \(query\): the patch measures 32 x 32 pixels, expected 99 x 99"):
        PatchStore(shard).verify()
    with h5py.File(shard, "r+") as file:
        file.attrs["pairs"] = 5
    with pytest.raises(UserError, match="6 video, expected 5 for 5 pairs"):
        PatchStore(shard).verify()


def test_what_is_no_patch_shard_is_named(shard, tmp_path):
    with pytest.raises(UserError, match=r"gone\.h5: no such file"):
        len(PatchStore(tmp_path / "gone.h5"))
    cut = tmp_path / "cut.h5"
    cut.write_bytes(shard.read_bytes()[:500])
    with pytest.raises(UserError, match=r"cut\.h5: truncated or no HDF5 file"):
        len(PatchStore(cut))
    with h5py.File(shard, "r+") as file:
        file.attrs["format_version"] = 2
    with pytest.raises(UserError, match="format 2, expected 1"):
        len(PatchStore(shard))


def test_there_are_fewer_maps_than_files_that_a_process_may_open():
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 0 < _map_cache().cache_info().maxsize < limit


PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 400))
from tracklearn.patches.store import PatchStore, _map_cache
from tracklearn.patches.subset import Subset
before = resource.getrlimit(resource.RLIMIT_NOFILE)
Subset([sys.argv[1]]).pairs([0])
print(before, resource.getrlimit(resource.RLIMIT_NOFILE), _map_cache().cache_info().maxsize)
"""


def test_the_limit_of_open_files_is_raised_at_the_first_patch_and_not_at_import(shard):
    printed = subprocess.check_output([sys.executable, "-c", PROGRAM, str(shard)], text=True)
    assert printed == "(200, 400) (400, 400) 300\n"
