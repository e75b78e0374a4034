import os
import shutil
import tracemalloc
from functools import lru_cache

import h5py
import numpy as np
import pytest
import simplejpeg
from worlds.pairs import SIDE, first_byte, smooth_patch, some_pairs

from tracklearn.errors import UserError
from tracklearn.patches.store import _map_cache, _map_file
from tracklearn.patches.subset import Subset
from tracklearn.patches.writing import write_shard


def test_a_subset_spans_shards(shards):
    subset = Subset(shards)
    assert len(subset) == 10
    assert subset.video_ids == ["ant", "bee", "cow"]
    later = [subset.video_ids.index(pair.video_id) for pair in some_pairs(4, videos=("bee", "cow"), start=6)]
    assert subset.video_of_pair.tolist() == [0, 0, 0, 1, 1, 1, *later]
    patches = subset.pairs([9, 0, 6, 0])
    assert patches.shape == (4, 2, SIDE, SIDE, 3)
    for row, index in enumerate([9, 0, 6, 0]):
        assert np.abs(patches[row, 0].astype(int) - smooth_patch(2 * index)).mean() < 2
        assert np.abs(patches[row, 1].astype(int) - smooth_patch(2 * index + 1)).mean() < 2


def test_patches_are_decoded_into_given_memory(shards):
    subset = Subset(shards)
    out = np.zeros((2, 2, SIDE, SIDE, 3), np.uint8)
    assert subset.pairs([3, 8], out=out) is out
    assert np.array_equal(out, subset.pairs([3, 8]))


def test_a_subset_takes_as_many_patches_as_it_is_asked_for(shards):
    assert len(Subset(shards, 14)) == 7
    assert Subset(shards, 14).video_of_pair.shape == (7,)
    assert len(Subset(shards, 12).stores) == 1  # nothing of the other shards is opened
    with pytest.raises(IndexError, match=r"7\.\.7 of a subset of 7"):
        Subset(shards, 14).pairs([7])


def test_a_subset_that_cannot_be_filled_takes_what_there_is_and_says_so(shards, caplog):
    assert len(Subset(shards, 1500)) == 10
    (line,) = caplog.messages
    assert line.startswith(
        "a subset of 1500 patches: only 20 were mined in 3 shards, and these are used; for more, delete"
    )
    assert len(Subset(shards, 20, strict=True)) == 10


def test_a_strict_subset_that_cannot_be_filled_says_how_many_there_are(shards):
    with pytest.raises(
        UserError, match=r"of 1500 patches: only 20 were mined in 3 shards; run again.* `strict: false`"
    ):
        Subset(shards, 1500, strict=True)


def test_a_number_of_patches_that_makes_no_pairs_is_an_error(shards):
    with pytest.raises(UserError, match="expected a positive even number"):
        Subset(shards, 7)


@pytest.mark.parametrize("patches", [None, 6, 8, 12, 16, 18, 20])
@pytest.mark.parametrize(("first", "second"), [(4, 4), (6, 2), (2, None), (1000, 1000)])
def test_a_subset_contains_its_inner_subsets_whatever_the_shards_hold(shards, patches, first, second):
    inner = [(shards[:1], first), (shards[1:], second)]
    whole = Subset(shards, patches, inner=inner)
    chosen = fingerprints(whole)
    # By loops: the inner subsets' pairs one after the other, then what is left, each pair once.
    expected = [pair for part in inner for pair in fingerprints(Subset(*part))]
    expected += [pair for pair in fingerprints(Subset(shards)) if pair not in expected]
    assert chosen == expected[: None if patches is None else patches // 2]
    videos = dict(zip(fingerprints(Subset(shards)), names_of_videos(Subset(shards)), strict=True))
    assert names_of_videos(whole) == [videos[pair] for pair in chosen]
    out = np.empty((2, SIDE, SIDE, 3), np.uint8)
    for index, pair in enumerate(chosen):
        store, place = whole.place(index)
        store.decode(place, out)
        assert out.tobytes() == pair


def test_inner_subsets_that_overlap_are_taken_once(shards):
    assert sorted(fingerprints(Subset(shards, inner=[(shards, 6), (shards[:1], 10)]))) == sorted(
        fingerprints(Subset(shards))
    )


def fingerprints(subset):
    return [pair.tobytes() for pair in subset.pairs(range(len(subset)))]


def names_of_videos(subset):
    return [subset.video_ids[label] for label in subset.video_of_pair]


def test_shards_of_two_sizes_do_not_mix(shards, tmp_path):
    write_shard(tmp_path / "small.h5", [], size=16, quality=95)
    with pytest.raises(UserError, match=r"small\.h5: patches of 16 px, .*0\.h5 has 32 px"):
        Subset([*shards, tmp_path / "small.h5"])


def sparse_shard(path, *, first_video, pairs=4000, videos=100, bytes_a_patch=20_000):
    """A shard of the paper's size that takes little room on disk: only its last pair has bytes."""
    data = simplejpeg.encode_jpeg(smooth_patch(first_video), 95)
    with h5py.File(path, "w", libver="latest") as file:
        names = [f"video {first_video + index}" for index in range(videos)]
        file["video_ids"] = np.array(names, h5py.string_dtype())
        file["video"] = np.repeat(np.arange(videos, dtype=np.int32), pairs // videos)
        file["frames"] = np.zeros((pairs, 2), np.int64)
        file["boxes"] = np.zeros((pairs, 2, 4), np.float32)
        file["scores"] = np.zeros(pairs, np.float32)
        file["crc32"] = np.zeros(2 * pairs, np.uint32)
        offsets = np.arange(2 * pairs + 1) * bytes_a_patch
        offsets[-2:] = offsets[-3] + len(data) * np.array([1, 2])
        file["offsets"] = offsets
        file.create_dataset("jpeg", (offsets[-1],), np.uint8)[offsets[-3] :] = np.frombuffer(2 * data, np.uint8)
        file.attrs.update({"format_version": 1, "pairs": pairs, "size": SIDE, "quality": 95})


def test_shards_of_the_paper_s_size_are_opened_once_and_need_little_memory(tmp_path, monkeypatch):
    shards = [tmp_path / f"{index}.h5" for index in range(50)]
    for index, path in enumerate(shards):
        sparse_shard(path, first_video=100 * index)
    assert sum(path.stat().st_size for path in shards) > 7e9
    opened = []
    open_file = h5py.h5f.open
    monkeypatch.setattr("tracklearn.patches.store.h5f.open", lambda *given: opened.append(given) or open_file(*given))
    tracemalloc.start()
    try:
        subset = Subset(shards)
        videos = subset.video_of_pair
        assert len(opened) == 50
        last = np.arange(3999, 200_000, 4000)
        patches = subset.pairs(last)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**30 * 50 / 1000 / 2  # half of 1 GiB for 1,000 shards
    assert (np.bincount(videos) == 40).all()
    assert len(subset.video_ids) == 5000
    for row, index in enumerate(range(0, 5000, 100)):
        assert np.abs(patches[row].astype(int) - smooth_patch(index)).mean() < 2


def test_more_shards_than_maps_can_be_read(shards, tmp_path, monkeypatch):
    few = lru_cache(maxsize=7)(_map_file)
    monkeypatch.setattr("tracklearn.patches.store._map_cache", lambda: few)
    subset = Subset([shutil.copy(shards[0], tmp_path / f"copy{number}.h5") for number in range(100)])
    assert len(subset) == 600
    assert (subset.pairs(np.arange(0, 600, 6)) == subset.pairs([0])).all()
    assert few.cache_info().currsize == 7


def test_forked_processes_read_through_the_same_subset(shards):
    subset = Subset(shards)
    expected = subset.pairs([0, 9])
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(subset.pairs([0, 9]), expected) else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]


def test_a_shard_cut_after_its_tables_is_named(shard):
    content = shard.read_bytes()
    shard.write_bytes(content[: first_byte(shard, 5)])
    with pytest.raises(UserError) as raised:
        Subset([shard])
    assert str(raised.value) == (f"{shard}: truncated or no HDF5 file, expected a patch shard; pack the shard again")


def test_a_shard_removed_after_opening_is_named(shard):
    subset = Subset([shard])
    assert len(subset.video_of_pair) == 6
    shard.unlink()
    with pytest.raises(UserError) as raised:
        subset.pairs([2])
    assert str(raised.value) == f"{shard}: no such file or directory, expected a patch shard; pack the shard again"


def test_a_shard_removed_after_its_first_pair_is_read_until_its_map_is_closed(shard):
    subset = Subset([shard])
    expected = subset.pairs([2])
    shard.unlink()
    assert (subset.pairs([2]) == expected).all()
    _map_cache().cache_clear()
    with pytest.raises(UserError, match=r"00000\.h5: no such file or directory"):
        subset.pairs([2])


@pytest.mark.parametrize("mapped", [True, False])
def test_a_shard_cut_after_opening_is_named(shard, mapped):
    subset = Subset([shard])
    subset.pairs([2])
    if not mapped:
        _map_cache().cache_clear()
    size, cut = first_byte(shard, 12), first_byte(shard, 5)
    os.truncate(shard, cut)
    with pytest.raises(UserError) as raised:
        subset.pairs([2])
    assert str(raised.value) == f"{shard}: cut to {cut} bytes, expected {size}; pack the shard again"


def test_an_overwritten_patch_is_named(shard):
    subset, at = Subset([shard]), first_byte(shard, 7)
    with open(shard, "r+b") as file:
        file.seek(at)
        file.write(bytes(20))
    with pytest.raises(UserError, match=r"00000\.h5: pair 3 cannot be decoded \(.+\); pack the shard again"):
        subset.pairs([0, 3])
