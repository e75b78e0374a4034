"""Whatever a crawl brings home is mined, or rejected with a reason, by all three stages; nothing crashes or hangs."""

import json
import re

import pytest
from worlds.films import BOX, HEIGHT, WIDTH
from worlds.rough_films import rough_films

from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.tables import FRAMES, TRACKS, read_table
from tracklearn.mining.tracking.kcf import track_shard
from tracklearn.patches.packing import pack_shard
from tracklearn.patches.store import PatchStore
from tracklearn.videos.manifest import Row, write_manifest

FRAME = {"height": HEIGHT, "width": WIDTH}
MINED = (
    *("plain", "portrait", "rotated", "upside_down", "one_fps", "fast", "variable", "ten_bit", "av1", "odd", "odd_444"),
    *("alpha", "full_range", "gray16", "corrupt", "turns_on_the_way", "eight_k", "cut_mid_gop"),
)
REJECTED = {
    "tiny": "too few points",
    "two_rows": "too few points",
    "sound": "video failed: .*sound.m4a: no video stream",
    "one_frame": "video failed: no two frames in a row can be decoded",
    "no_key_frame": "video failed: .*none of its 39 frames can be decoded",
    "noise": "video failed: .*none of its 64 frames can be decoded",
}


class Mined:
    """What one run of the three stages says of each video."""

    def __init__(self, videos, folder, *, every=10, frames=3):
        write_manifest(folder / "manifest.tsv", [Row(name, "", str(path), "ok") for name, path in videos.items()])
        inputs = {"manifest": folder / "manifest.tsv", "frames_table": folder / "frames.csv"}
        filter_shard(**inputs, every=every, box=BOX, threads=2, **FRAME)
        tables = {"tracks_table": folder / "tracks.csv"}
        track_shard(**inputs, **tables, box=BOX, frames=frames, threads=2, **FRAME)
        outputs = {"store": folder / "s.h5", "summary": folder / "s.json", "sheet": folder / "s.png"}
        shard = {"manifest": inputs["manifest"]} | tables
        pack_shard(**shard, **outputs, size=BOX, duplicate_bits=None, min_change=None, threads=2, **FRAME)
        self.frames = read_table(folder / "frames.csv", FRAMES)
        self.tracks = read_table(folder / "tracks.csv", TRACKS)
        self.store = PatchStore(folder / "s.h5")
        self.summary = json.loads((folder / "s.json").read_text())

    def of(self, name):
        """Rows of both tables of one video."""
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
    """Each gives pairs whose boxes lie inside its frames, upright or not."""
    store = mined.store
    pairs = [index for index in range(len(store)) if store.video_ids[store.videos[index]] == name]
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
    """Of two frames the first can be judged, but not followed."""
    frames, tracks = mined.of("two_frames")
    assert [row["verdict"] for row in frames] == ["accepted"]
    assert [row["reason"] for row in tracks] == ["video ended"]


def test_corrupt_packets_cost_their_group_only(mined):
    """Of a key frame every 12, packets 20 to 25 are noise: frames 0 and 40 and on are mined."""
    frames, _ = mined.of("corrupt")
    candidates = {int(row["frame"]) for row in frames}
    assert {0, 10, 40, 50, 60} <= candidates


def test_a_picture_that_turns_is_mined_as_it_began(mined):
    frames, _ = mined.of("turns_on_the_way")
    assert {int(row["frame"]) for row in frames} == {0, 10, 20}  # 30 has no next frame of its shape


@pytest.mark.real
def test_rough_files(real_data, tmp_path):
    """Alpha, no length, broken sound, one frame, an empty file, a web page, cut and corrupt ones."""
    files = {path.name: path for path in sorted((real_data / "videos_rough").iterdir())}
    mined = Mined(files, tmp_path, every=30)
    reasons = {name: {row["reason"].split(":")[0] for row in mined.of(name)[0]} for name in files}
    assert set(reasons) == set(files)
    assert all(reasons.values())
    assert reasons["empty.mp4"] == reasons["html_page.mp4"] == {"video failed"}
    for name in ("corrupt_packets.mp4", "cut_middle.mkv", "failing_audio.mp4", "no_duration.webm", "transparent.webm"):
        assert len(mined.of(name)[0]) > 1
