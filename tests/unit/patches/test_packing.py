import json

import numpy as np
import pytest
from worlds.films import BOX, HEIGHT, WIDTH, film

from tracklearn.errors import UserError
from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.tables import TRACKS, write_table
from tracklearn.mining.tracking.kcf import track_shard
from tracklearn.patches.packing import pack_shard
from tracklearn.patches.store import PatchStore
from tracklearn.report import silent
from tracklearn.videos.manifest import ManifestRow, write_manifest

FRAME = {"height": HEIGHT, "width": WIDTH}


def tracked(video, frame, corner, last, to):
    start = {"video_id": video, "frame": frame, "x": corner[0], "y": corner[1], "w": BOX, "h": BOX}
    end = {"last_frame": last, "tracked_x": to[0], "tracked_y": to[1], "tracked_w": BOX, "tracked_h": BOX}
    return start | end | {"score": 0.9, "status": "tracked"}


@pytest.fixture
def pack(films, tmp_path):
    def run(*rows, timeout=None, threads=1, report=silent, **packing):
        write_table(tmp_path / "tracks.csv", TRACKS, rows)
        metrics = pack_shard(
            manifest=films / "manifest.tsv",
            tracks_table=tmp_path / "tracks.csv",
            store=tmp_path / "s.h5",
            summary=tmp_path / "s.json",
            frame=FRAME,
            packing={"size": BOX} | packing,
            timeout=timeout,
            threads=threads,
            report=report,
        )
        return metrics, PatchStore(tmp_path / "s.h5"), json.loads((tmp_path / "s.json").read_text())

    return run


def test_patches_are_the_boxes_of_the_frames(pack):
    """Against the frames before they were encoded; the second track starts where the first one ends."""
    lost = {"video_id": "still", "frame": 0, "status": "lost", "reason": "video ended"}
    failed = {"video_id": "still", "frame": 15, "status": "lost", "reason": "video failed: s.mp4: no such file"}
    rows = (tracked("moving", 0, (45, 65), 30, (75, 80)), tracked("moving", 30, (75, 80), 60, (105, 95)), lost, failed)
    metrics, store, summary = pack(*rows, threads=2, duplicate_bits=None)
    assert metrics == {"pairs": 2, "patches": 4, "videos": 1, "unchanged": 0, "near_duplicates": 0}
    assert summary == {"pairs": 2, "patches": 4, "videos": 1, "reasons": {"video ended": 1, "video failed": 1}}
    assert store.verify() == 2
    frames = list(film(61))
    expected = [
        [frames[0][65:164, 45:144], frames[30][80:179, 75:174]],
        [frames[30][80:179, 75:174], frames[60][95:194, 105:204]],
    ]
    for index, pair in enumerate(expected):
        for patch, truth in zip(store.pair(index), pair, strict=True):
            assert np.abs(patch.astype(int) - truth).mean() < 8
    assert store.frames.tolist() == [[0, 30], [30, 60]]
    assert store.boxes[1].tolist() == [[75, 80, BOX, BOX], [105, 95, BOX, BOX]]


def test_patches_are_resized_to_the_stores_size(pack):
    _, store, _ = pack(tracked("moving", 0, (45, 65), 30, (75, 80)), size=48)
    assert store.pair(0)[0].shape == (48, 48, 3)


def test_frames_that_can_no_longer_be_read_are_counted(pack):
    metrics, store, summary = pack(tracked("broken", 0, (0, 0), 30, (0, 0)), tracked("moving", 60, (0, 0), 90, (0, 0)))
    assert metrics["pairs"] == len(store) == 0
    assert summary["reasons"] == {"frames could not be decoded again": 2}


def test_a_frozen_picture_gives_no_pair(pack):
    """In still.mp4 nothing moves; in moving.mp4 the square looks the same later, but its box has moved."""
    still, moving = tracked("still", 0, (45, 65), 30, (45, 65)), tracked("moving", 0, (45, 65), 30, (75, 80))
    metrics, store, summary = pack(still, moving)
    assert store.video_ids == ["moving"]
    assert summary["reasons"] == {"nothing moved": 1}
    assert metrics["unchanged"] == 1
    assert len(pack(still, moving, min_change=None)[1]) == 2


def test_near_duplicates_of_a_video_are_dropped(pack):
    """The boxes of the second row follow those of the first a frame later; those of the third row lie elsewhere."""
    first, second = tracked("moving", 0, (35, 45), 30, (77, 66)), tracked("moving", 1, (36, 46), 31, (78, 67))
    other = tracked("moving", 2, (180, 110), 32, (190, 110))
    metrics, store, summary = pack(first, second, other)
    assert store.frames.tolist() == [[0, 30], [2, 32]]
    assert summary["reasons"] == {"near duplicate": 1}
    assert metrics["near_duplicates"] == 1
    assert len(pack(first, second, other, duplicate_bits=None)[1]) == 3


def test_the_same_picture_in_two_videos_is_no_near_duplicate(pack):
    rows = [tracked(name, 0, (45, 65), 30, (75, 80)) for name in ("still", "panning")]
    assert len(pack(*rows, duplicate_bits=64)[1]) == 2


def test_a_video_that_takes_too_long_is_counted(pack):
    metrics, _, summary = pack(tracked("moving", 0, (45, 65), 30, (75, 80)), timeout=0)
    assert metrics["pairs"] == 0
    assert summary["reasons"] == {"time limit": 1}


def test_a_video_that_crashes_the_decoder_is_counted(pack, crash_at, caplog):
    rows = (tracked("moving", 0, (45, 65), 30, (75, 80)), tracked("panning", 0, (45, 65), 30, (75, 80)))
    both = pack(*rows)[1]
    whole = [both.pair(0)[which].copy() for which in (0, 1)]
    assert both.video_ids == ["moving", "panning"]
    crash_at("panning")
    _, store, summary = pack(*rows)
    assert store.video_ids == ["moving"]
    for patch, before in zip(store.pair(0), whole, strict=True):
        np.testing.assert_array_equal(patch, before)
    assert summary["reasons"] == {"frames could not be decoded again": 1}
    assert "video panning: its process was ended by SIGSEGV" in caplog.text


def test_progress_is_reported_after_each_video(pack):
    points = []
    rows = (tracked("moving", 0, (45, 65), 30, (75, 80)), tracked("still", 0, (0, 0), 30, (50, 50)))
    pack(*rows, report=lambda step, values: points.append((step, values["pairs"], values["minutes_left"])))
    assert [(step, pairs) for step, pairs, _ in points] == [(1, 1), (2, 2), (3, 2), (4, 2), (5, 2)]
    assert points[-1][2] == 0


def test_a_box_outside_the_frame_is_an_error(pack):
    with pytest.raises(UserError, match=r"box \[250, 0, 99, 99\] does not lie in a frame of \(224, 300\)"):
        pack(tracked("moving", 0, (250, 0), 30, (0, 0)))


@pytest.mark.real
def test_a_real_clip_from_end_to_end(real_data, tmp_path):
    clip = real_data / "videos" / "arm_wrestling.mp4"
    write_manifest(tmp_path / "m.tsv", [ManifestRow("arms", "", str(clip), "ok")])
    names = {name: tmp_path / name for name in ("frames.csv", "tracks.csv", "s.h5", "s.json")}
    filter_shard(manifest=tmp_path / "m.tsv", frames_table=names["frames.csv"])
    tables = {"frames_table": names["frames.csv"], "tracks_table": names["tracks.csv"]}
    track_shard(manifest=tmp_path / "m.tsv", **tables, box=227)
    metrics = pack_shard(
        manifest=tmp_path / "m.tsv",
        tracks_table=names["tracks.csv"],
        store=names["s.h5"],
        summary=names["s.json"],
    )
    store = PatchStore(names["s.h5"])
    assert metrics["pairs"] == store.verify() >= 2
    assert store.size == 227
    left, top = store.boxes[..., 0], store.boxes[..., 1]
    assert (left >= 0).all()
    assert (left <= 600 - 227).all()
    assert (top >= 0).all()
    assert (top <= 448 - 227).all()


def test_an_invalid_setting_is_named(pack):
    with pytest.raises(UserError, match=r"patches\.quality is 200; expected a whole number from 1 to 100"):
        pack(quality=200)
