import os
import resource
import tracemalloc
import zlib
from functools import lru_cache

import h5py
import numpy as np
import pytest
import simplejpeg

from tracklearn.errors import UserError
from tracklearn.patches.store import OPEN_MAPS, Pair, PatchStore, Subset, _mapped

SIZE = 32


def smooth_patch(seed):
    """A smooth colour picture, which JPEG keeps nearly as it is."""
    rng = np.random.default_rng([7, seed])
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    mix = rng.uniform(0, 80, (3, 3))
    return np.stack([20 + a + b * x + c * y for a, b, c in mix], -1).astype(np.uint8)


def some_pairs(count, *, videos=("ant", "bee"), start=0):
    for index in range(start, start + count):
        boxes = np.arange(8).reshape(2, 4) + index
        video = videos[index * len(videos) // (start + count)]
        yield Pair(
            video,
            (30 * index, 30 * index + 30),
            boxes,
            index / 10,
            smooth_patch(2 * index),
            smooth_patch(2 * index + 1),
        )


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "00000.h5"
    PatchStore.write(path, some_pairs(6), size=SIZE, attrs={"shard": "00000"})
    return path


def place(path, patch):
    """First byte of a patch in its file."""
    with h5py.File(path) as file:
        return int(file["jpeg"].id.get_offset() + file["offsets"][patch])


def test_a_written_pair_is_read_back(shard):
    store = PatchStore(shard)
    assert len(store) == 6
    query, tracked = store.pair(4)
    assert query.shape == tracked.shape == (SIZE, SIZE, 3)
    assert np.abs(query.astype(int) - smooth_patch(8)).mean() < 2
    assert np.abs(tracked.astype(int) - smooth_patch(9)).mean() < 2
    assert store.video_ids == ["ant", "bee"]
    assert store.videos.tolist() == [0, 0, 0, 1, 1, 1]
    assert store.frames[4].tolist() == [120, 150]
    assert store.boxes[4].tolist() == [[4, 5, 6, 7], [8, 9, 10, 11]]
    assert store.scores[4] == pytest.approx(0.4)
    assert store.attrs["shard"] == "00000"
    assert store.verify() == 6


def test_jpeg_files_are_stored_untouched(tmp_path):
    data = simplejpeg.encode_jpeg(smooth_patch(0), 70)
    PatchStore.write(tmp_path / "a.h5", [Pair("v", (0, 0), np.zeros((2, 4)), 0, data, data)], size=SIZE)
    assert PatchStore(tmp_path / "a.h5").jpeg(1).tobytes() == data


def test_the_file_is_what_its_docstring_says(shard):
    with h5py.File(shard) as file:
        assert file["jpeg"].chunks is None
        first = file["jpeg"][: file["offsets"][1]].tobytes()
        assert zlib.crc32(first) == file["crc32"][0]
        assert simplejpeg.decode_jpeg(first).shape == (SIZE, SIZE, 3)
        assert file.attrs["format_version"] == 1


def test_an_empty_shard_is_a_shard(tmp_path):
    PatchStore.write(tmp_path / "a.h5", [], size=SIZE)
    store = PatchStore(tmp_path / "a.h5")
    assert len(store) == 0
    assert store.verify() == 0
    assert store.video_ids == []
    assert len(Subset([tmp_path / "a.h5"])) == 0


def test_pair_outside_the_store(shard):
    with pytest.raises(IndexError, match="pair 6 of 6"):
        PatchStore(shard).pair(6)


def test_verify_names_the_file_and_the_broken_pair(shard):
    at = place(shard, 7) + 40
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
        ("offsets", 12, 10**6, "offsets end at 1000000"),
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
    with pytest.raises(UserError, match=r"pair 0 \(query\): a patch of \(32, 32\), expected \(99, 99\)"):
        PatchStore(shard).verify()
    with h5py.File(shard, "r+") as file:
        file.attrs["pairs"] = 5
    with pytest.raises(UserError, match="13 offsets, expected 11 for 5 pairs"):
        PatchStore(shard).verify()


def test_what_is_no_store_is_named(shard, tmp_path):
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


def test_a_shard_that_is_cut_after_its_tables_is_named(shard):
    content = shard.read_bytes()
    shard.write_bytes(content[: place(shard, 5)])
    with pytest.raises(UserError) as raised:
        Subset([shard])
    assert str(raised.value) == (f"{shard}: truncated or no HDF5 file, expected a patch store; pack the shard again")


def test_a_shard_that_goes_after_opening_is_named(shard):
    subset = Subset([shard])
    assert len(subset.videos) == 6
    shard.unlink()
    with pytest.raises(UserError) as raised:
        subset.pairs([2])
    assert str(raised.value) == f"{shard}: no such file or directory, expected a patch store; pack the shard again"


def test_a_shard_that_goes_after_its_first_pair_is_read_on_until_its_map_is_closed(shard):
    subset = Subset([shard])
    expected = subset.pairs([2])
    shard.unlink()
    assert (subset.pairs([2]) == expected).all()
    _mapped.cache_clear()
    with pytest.raises(UserError, match=r"00000\.h5: no such file or directory"):
        subset.pairs([2])


@pytest.mark.parametrize("mapped", [True, False])
def test_a_shard_that_is_cut_after_opening_is_named(shard, mapped):
    subset = Subset([shard])
    subset.pairs([2])
    if not mapped:
        _mapped.cache_clear()
    size, cut = place(shard, 12), place(shard, 5)
    os.truncate(shard, cut)
    with pytest.raises(UserError) as raised:
        subset.pairs([2])
    assert str(raised.value) == f"{shard}: cut to {cut} bytes, expected {size}; pack the shard again"


def test_a_patch_that_was_written_over_is_named(shard):
    subset, at = Subset([shard]), place(shard, 7)
    with open(shard, "r+b") as file:
        file.seek(at)
        file.write(bytes(20))
    with pytest.raises(UserError, match=r"00000\.h5: pair 3 cannot be decoded \(.+\); pack the shard again"):
        subset.pairs([0, 3])


def test_a_failed_write_leaves_the_old_shard(shard):
    before = shard.read_bytes()

    def failing():
        yield from some_pairs(2)
        raise RuntimeError("the machine stopped")

    with pytest.raises(RuntimeError):
        PatchStore.write(shard, failing(), size=SIZE)
    assert shard.read_bytes() == before
    assert [path.name for path in shard.parent.iterdir()] == ["00000.h5"]


def test_patches_of_another_size_are_refused(tmp_path):
    pairs = [Pair("fly", (60, 90), np.zeros((2, 4)), 0, smooth_patch(0), smooth_patch(1)[:20])]
    with pytest.raises(UserError, match=r"pair 0 of video fly, frame 60: a patch of \(20, 32\), expected \(32, 32\)"):
        PatchStore.write(tmp_path / "a.h5", pairs, size=SIZE)
    with pytest.raises(UserError, match="frame 60: not a JPEG"):
        PatchStore.write(tmp_path / "a.h5", [pairs[0]._replace(query=b"<html>")], size=SIZE)


@pytest.fixture
def shards(tmp_path):
    PatchStore.write(tmp_path / "0.h5", some_pairs(6), size=SIZE)
    PatchStore.write(tmp_path / "1.h5", [], size=SIZE)
    PatchStore.write(tmp_path / "2.h5", some_pairs(4, videos=("bee", "cow"), start=6), size=SIZE)
    return [tmp_path / f"{index}.h5" for index in range(3)]


def test_a_subset_spans_shards(shards):
    subset = Subset(shards)
    assert len(subset) == 10
    assert subset.video_ids == ["ant", "bee", "cow"]
    assert subset.videos.tolist() == [
        0,
        0,
        0,
        1,
        1,
        1,
        *(subset.video_ids.index(p.video) for p in some_pairs(4, videos=("bee", "cow"), start=6)),
    ]
    patches = subset.pairs([9, 0, 6, 0])
    assert patches.shape == (4, 2, SIZE, SIZE, 3)
    for row, index in enumerate([9, 0, 6, 0]):
        assert np.abs(patches[row, 0].astype(int) - smooth_patch(2 * index)).mean() < 2
        assert np.abs(patches[row, 1].astype(int) - smooth_patch(2 * index + 1)).mean() < 2


def test_patches_are_decoded_into_given_memory(shards):
    subset = Subset(shards)
    out = np.zeros((2, 2, SIZE, SIZE, 3), np.uint8)
    assert subset.pairs([3, 8], out=out) is out
    assert np.array_equal(out, subset.pairs([3, 8]))


def test_a_subset_takes_the_patches_it_was_asked_for(shards):
    assert len(Subset(shards, 14)) == 7
    assert Subset(shards, 14).videos.shape == (7,)
    assert len(Subset(shards, 12).stores) == 1  # nothing of the other shards is opened
    with pytest.raises(IndexError, match=r"7\.\.7 of a subset of 7"):
        Subset(shards, 14).pairs([7])


def test_a_subset_that_cannot_be_filled_says_how_many_there_are(shards):
    with pytest.raises(
        UserError, match=r"only 20 were mined in 3 shards; run again .*or add videos or lower `patches`"
    ):
        Subset(shards, 1500)
    with pytest.raises(UserError, match="expected a positive even number"):
        Subset(shards, 7)


def test_shards_of_two_sizes_do_not_mix(shards, tmp_path):
    PatchStore.write(tmp_path / "small.h5", [], size=16)
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
        file.attrs.update({"format_version": 1, "pairs": pairs, "size": SIZE, "quality": 95})


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
        videos = subset.videos
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


def test_there_are_fewer_maps_than_files_that_a_process_may_open():
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 0 < OPEN_MAPS == _mapped.cache_info().maxsize < limit


def test_more_shards_than_maps_are_read_all_the_same(shards, monkeypatch):
    few = lru_cache(maxsize=7)(_mapped.__wrapped__)
    monkeypatch.setattr("tracklearn.patches.store._mapped", few)
    subset = Subset([shards[0]] * 100)
    assert len(subset) == 600
    assert (subset.pairs(np.arange(0, 600, 6)) == subset.pairs([0])).all()
    assert few.cache_info().currsize == 7


def test_forked_processes_read_through_the_same_store(shards):
    subset = Subset(shards)
    expected = subset.pairs([0, 9])
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(subset.pairs([0, 9]), expected) else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
