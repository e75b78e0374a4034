import json
import subprocess
import sys

import numpy as np
import pytest
import simplejpeg
from worlds.pairs import SIDE, smooth_patch, some_pairs

from tracklearn.errors import UserError
from tracklearn.patches.store import PatchStore
from tracklearn.patches.writing import Pair, resized, write_shard, write_summary


def test_jpeg_files_are_stored_untouched(tmp_path):
    data = simplejpeg.encode_jpeg(smooth_patch(0), 70)
    write_shard(tmp_path / "a.h5", [Pair("v", (0, 0), np.zeros((2, 4)), 0, data, data)], size=SIDE, quality=95)
    assert PatchStore(tmp_path / "a.h5").jpeg(1).tobytes() == data


def test_an_empty_shard_is_a_shard(tmp_path):
    counts = write_shard(tmp_path / "a.h5", [], size=SIDE, quality=95)
    assert counts == {"pairs": 0, "patches": 0, "videos": 0}
    store = PatchStore(tmp_path / "a.h5")
    assert len(store) == 0
    assert store.verify() == 0
    assert store.video_ids == []


def test_a_failed_write_leaves_the_old_shard(shard):
    before = shard.read_bytes()

    def failing():
        yield from some_pairs(2)
        raise RuntimeError("the machine stopped")

    with pytest.raises(RuntimeError):
        write_shard(shard, failing(), size=SIDE, quality=95)
    assert shard.read_bytes() == before
    assert [path.name for path in shard.parent.iterdir()] == ["00000.h5"]


def test_patches_of_another_size_are_refused(tmp_path):
    pairs = [Pair("fly", (60, 90), np.zeros((2, 4)), 0, smooth_patch(0), smooth_patch(1)[:20])]
    with pytest.raises(
        UserError, match=r"pair 0 of video fly, frame 60: the patch has 20 x 32 pixels, expected 32 x 32"
    ):
        write_shard(tmp_path / "a.h5", pairs, size=SIDE, quality=95)
    with pytest.raises(UserError, match="frame 60: not a JPEG"):
        write_shard(tmp_path / "a.h5", [pairs[0]._replace(query=b"<html>")], size=SIDE, quality=95)


def test_what_was_written_is_counted(tmp_path):
    counts = write_shard(tmp_path / "a.h5", some_pairs(5), size=SIDE, quality=95)
    assert counts == {"pairs": 5, "patches": 10, "videos": 2}
    write_summary(tmp_path / "a.json", counts, {"video ended": 2, "near duplicate": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {
        **counts,
        "reasons": {"near duplicate": 1, "video ended": 2},
    }


def test_the_same_pairs_give_the_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_shard(tmp_path / name, some_pairs(3), size=SIDE, quality=95)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize("size", [8, 64])
def test_a_resized_patch_keeps_its_colours(size):
    patch = smooth_patch(0)
    found = resized(patch, size)
    assert found.shape == (size, size, 3)
    assert np.abs(found.mean((0, 1)) - patch.mean((0, 1))).max() < 1


@pytest.mark.parametrize("module", ["packing", "published", "writing"])
def test_who_writes_a_shard_imports_no_reading(module):
    """An edit of reading must not pack again, see `experiment.code_digests`."""
    code = (
        f"import sys, tracklearn.patches.{module}; print(sorted(name for name in sys.modules if 'patches.s' in name))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
