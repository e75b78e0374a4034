"""Every rough video of a crawl is mined or rejected with a reason by all three stages; nothing crashes or hangs."""

import json
import re

import numpy as np
import pytest
from worlds.films import BOX, HEIGHT, WIDTH
from worlds.rough_films import rough_films

from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.tables import FRAMES, TRACKS, read_table
from tracklearn.mining.tracking.kcf import track_shard
from tracklearn.patches.packing import pack_shard
from tracklearn.patches.store import PatchStore
from tracklearn.videos.manifest import ManifestRow, write_manifest

MINED = (
    *("plain", "portrait", "rotated", "upside_down", "mirrored", "anamorphic", "one_fps", "fast", "variable"),
    *("ten_bit", "av1", "odd", "odd_444", "alpha", "full_range", "gray16", "corrupt", "turns_on_the_way", "eight_k"),
    "cut_mid_gop",
)
REJECTED = {
    "tiny": "too few points",
    "two_rows": "too few points",
    "audio_only": "video failed: .*audio_only.m4a: no video stream",
    "one_frame": "video failed: no two consecutive frames can be decoded",
    "no_key_frame": "video failed: .*none of its 39 frames can be decoded",
    "noise": "video failed: .*none of its 64 frames can be decoded",
}


class Mined:
    """The results of one run of the three stages."""

    def __init__(self, videos, folder, *, every=10):
        manifest, frames_table, tracks_table = (folder / name for name in ("m.tsv", "frames.csv", "tracks.csv"))
        write_manifest(manifest, [ManifestRow(name, "", str(path), "ok") for name, path in videos.items()])
        shard = {"manifest": manifest, "frame": {"height": HEIGHT, "width": WIDTH}, "threads": 2}
        filter_shard(**shard, frames_table=frames_table, filtering={"every": every, "box": BOX})
        track_shard(**shard, frames_table=frames_table, tracks_table=tracks_table, box=BOX, tracking={"frames": 3})
        packing = {"size": BOX, "duplicate_bits": None, "min_change": None}
        outputs = {"store": folder / "s.h5", "summary": folder / "s.json"}
        pack_shard(**shard, tracks_table=tracks_table, **outputs, packing=packing)
        self.frames = read_table(frames_table, FRAMES)
        self.tracks = read_table(tracks_table, TRACKS)
        self.store = PatchStore(folder / "s.h5")
        self.summary = json.loads((folder / "s.json").read_text())

    def of(self, name):
        """Rows of one video in both tables."""
        return [[row for row in table if row["video_id"] == name] for table in (self.frames, self.tracks)]


@pytest.fixture(scope="module")
def mined(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rough")
    return Mined(rough_films(folder), folder)


def test_every_video_is_accounted_for(mined):
    assert {row["video_id"] for row in mined.frames} == {*MINED, *REJECTED, "two_frames"}
    assert all(row["reason"] for row in mined.frames)
    assert all(row["reason"] or row["status"] == "tracked" for row in mined.tracks)
    accepted = [(row["video_id"], row["frame"]) for row in mined.frames if row["verdict"] == "accepted"]
    assert accepted == [(row["video_id"], row["frame"]) for row in mined.tracks]
    assert mined.store.verify() == mined.summary["pairs"] == len(accepted) - sum(mined.summary["reasons"].values())


@pytest.mark.parametrize("name", MINED)
def test_rough_videos_that_are_mined(mined, name):
    """Each gives pairs whose boxes lie inside its upright frames."""
    store = mined.store
    pairs = [index for index in range(len(store)) if store.video_ids[store.video_of_pair[index]] == name]
    assert pairs
    for index in pairs:
        height, width = (WIDTH, HEIGHT) if name == "portrait" else (HEIGHT, WIDTH)
        assert (store.boxes[index][:, 0] <= width - BOX).all()
        assert (store.boxes[index][:, 1] <= height - BOX).all()


@pytest.mark.parametrize("name", REJECTED)
def test_rough_videos_that_are_rejected(mined, name):
    frames, tracks = mined.of(name)
    assert tracks == []
    assert len({row["reason"] for row in frames}) == 1
    assert re.match(REJECTED[name], frames[0]["reason"])


def test_a_video_that_ends_too_soon(mined):
    """The first of two frames can be judged, but its box cannot be tracked over three frames."""
    frames, tracks = mined.of("two_frames")
    assert [row["verdict"] for row in frames] == ["accepted"]
    assert [row["reason"] for row in tracks] == ["video ended"]


def test_corrupt_packets_cost_only_the_frames_up_to_the_next_key_frame(mined):
    """Every 12th frame is a key frame, and packets 20 to 25 are noise: frames 0, 10 and from 40 on are mined."""
    frames, _ = mined.of("corrupt")
    candidates = {int(row["frame"]) for row in frames}
    assert {0, 10, 40, 50, 60} <= candidates


def test_boxes_lie_where_the_object_is_shown(mined):
    """The square is at the left of the film, so its mirror image lies 90 pixels away and more."""
    store, first = mined.store, {}
    for index in np.argsort(store.frames[:, 0], kind="stable"):
        first.setdefault(store.video_ids[store.video_of_pair[index]], (store.frames[index], store.boxes[index]))
    frames, boxes = first["plain"]
    assert (boxes[:, 0] + BOX / 2 < WIDTH / 2 - 30).all()
    for name in ("rotated", "upside_down", "mirrored", "anamorphic"):
        np.testing.assert_array_equal(first[name][0], frames)
        np.testing.assert_allclose(first[name][1], boxes, atol=15)


def test_a_video_that_turns_is_mined_in_its_first_orientation(mined):
    frames, _ = mined.of("turns_on_the_way")
    assert {int(row["frame"]) for row in frames} == {0, 10, 20}  # frame 31 is the first in portrait


@pytest.mark.real
def test_rough_files(real_data, tmp_path):
    """Videos with alpha, without duration, with broken audio, cut, corrupt, of one frame; an empty file; a web page."""
    files = {path.name: path for path in sorted((real_data / "videos_rough").iterdir())}
    mined = Mined(files, tmp_path, every=30)
    reasons = {name: {row["reason"].split(":")[0] for row in mined.of(name)[0]} for name in files}
    assert set(reasons) == set(files)
    assert all(reasons.values())
    assert reasons["empty.mp4"] == reasons["html_page.mp4"] == {"video failed"}
    for name in ("corrupt_packets.mp4", "cut_middle.mkv", "failing_audio.mp4", "no_duration.webm", "transparent.webm"):
        assert len(mined.of(name)[0]) > 1
