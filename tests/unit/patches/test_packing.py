import json

import cv2
import numpy as np
import pytest
import simplejpeg
from worlds.films import BOX, HEIGHT, WIDTH, film, texture

from tracklearn.errors import UserError
from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.tables import TRACKS, write_table
from tracklearn.mining.tracking.kcf import track_shard
from tracklearn.patches.packing import contact_sheet, import_pairs, pack_shard
from tracklearn.patches.store import PatchStore
from tracklearn.videos.manifest import Row, write_manifest

FRAME = {"height": HEIGHT, "width": WIDTH}


def tracked(video, frame, corner, last, to):
    start = {"video_id": video, "frame": frame, "x": corner[0], "y": corner[1], "w": BOX, "h": BOX}
    end = {"last_frame": last, "tracked_x": to[0], "tracked_y": to[1], "tracked_w": BOX, "tracked_h": BOX}
    return start | end | {"score": 0.9, "status": "tracked"}


@pytest.fixture
def pack(films, tmp_path):
    def run(*rows, **settings):
        write_table(tmp_path / "tracks.csv", TRACKS, rows)
        outputs = {"store": tmp_path / "s.h5", "summary": tmp_path / "s.json", "sheet": tmp_path / "s.png"}
        inputs = {"manifest": films / "manifest.tsv", "tracks_table": tmp_path / "tracks.csv"}
        metrics = pack_shard(**inputs, **outputs, **({"size": BOX} | FRAME | settings))
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


def test_frames_that_have_gone_are_counted(pack):
    metrics, store, summary = pack(tracked("broken", 0, (0, 0), 30, (0, 0)), tracked("moving", 60, (0, 0), 90, (0, 0)))
    assert metrics["pairs"] == len(store) == 0
    assert summary["reasons"] == {"frames could not be decoded again": 2}


def test_a_picture_that_stands_still_gives_no_pair(pack):
    """In still.mp4 nothing moves; in moving.mp4 the square is the same thirty frames on, but elsewhere."""
    still, moving = tracked("still", 0, (45, 65), 30, (45, 65)), tracked("moving", 0, (45, 65), 30, (75, 80))
    metrics, store, summary = pack(still, moving)
    assert store.video_ids == ["moving"]
    assert summary["reasons"] == {"nothing moved": 1}
    assert metrics["unchanged"] == 1
    assert len(pack(still, moving, min_change=None)[1]) == 2


def test_near_duplicates_of_a_video_are_dropped(pack):
    """The boxes of the second row follow those of the first, a frame later; the third ones lie elsewhere."""
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


def test_progress_is_told_after_each_video(pack):
    points = []
    rows = (tracked("moving", 0, (45, 65), 30, (75, 80)), tracked("still", 0, (0, 0), 30, (50, 50)))
    pack(*rows, report=lambda step, values: points.append((step, values["pairs"], values["minutes_left"])))
    assert [(step, pairs) for step, pairs, _ in points] == [(1, 1), (2, 2), (3, 2), (4, 2), (5, 2)]
    assert points[-1][2] == 0


def test_a_box_outside_the_frame_is_an_error(pack):
    with pytest.raises(UserError, match=r"box \[250, 0, 99, 99\] does not lie in a frame of \(224, 300\)"):
        pack(tracked("moving", 0, (250, 0), 30, (0, 0)))


def test_the_sheet_shows_query_above_tracked(pack, tmp_path):
    rows = [tracked("moving", frame, (45, 65), frame + 30, (75, 80)) for frame in range(20)]
    _, store, _ = pack(*rows, duplicate_bits=None)
    sheet = cv2.imread(str(tmp_path / "s.png"))[:, :, ::-1]
    assert sheet.shape[1] == 12 * 116
    for half, patch in enumerate(store.pair(0)):
        shown = sheet[112 * half : 112 * half + 112, :112]
        assert np.abs(shown.astype(int) - cv2.resize(patch, (112, 112), interpolation=cv2.INTER_AREA)).max() <= 1
    assert (sheet[226:250, :112] < 100).any()  # the caption


def test_the_sheet_of_an_empty_shard(tmp_path):
    PatchStore.write(tmp_path / "a.h5", [], size=BOX)
    contact_sheet(PatchStore(tmp_path / "a.h5"), tmp_path / "a.png")
    assert (cv2.imread(str(tmp_path / "a.png")) < 100).any()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "patches"
    folder.mkdir()
    for index in range(6):
        (folder / f"{index}.jpg").write_bytes(simplejpeg.encode_jpeg(texture(32, 32, index), 80))
    cv2.imwrite(str(folder / "big.png"), texture(64, 64, 9))
    (folder / "bad.jpg").write_bytes(b"nothing")
    return folder


def imported(folder, text, shard=0, pairs_per_shard=10):
    (folder / "list.txt").write_text(text)
    store = folder / f"{shard}.h5"
    metrics = import_pairs(
        folder=folder,
        pairs_list=folder / "list.txt",
        shard=shard,
        pairs_per_shard=pairs_per_shard,
        store=store,
        summary=folder / "s.json",
        sheet=folder / "s.png",
        size=32,
    )
    return metrics, PatchStore(store)


def test_the_authors_list_becomes_shards(folder):
    text = "0.jpg 7\n/1.jpg 7\n2.jpg 7\n3.jpg 7\n4.jpg 8\n5.jpg 8\n"
    metrics, first = imported(folder, text, 0, 2)
    assert metrics == {"pairs": 2, "patches": 4, "videos": 1}
    assert first.verify() == 2
    assert first.jpeg(3).tobytes() == (folder / "3.jpg").read_bytes()
    assert first.frames.tolist() == [[-1, -1], [-1, -1]]
    metrics, second = imported(folder, text, 1, 2)
    assert metrics == {"pairs": 1, "patches": 2, "videos": 1}
    assert second.video_ids == ["8"]
    assert json.loads((folder / "s.json").read_text()) == {"pairs": 1, "patches": 2, "videos": 1, "reasons": {}}
    assert (folder / "s.png").is_file()
    blank = "\n" + text.replace("2.jpg", "\n \n2.jpg") + "\n"
    assert imported(folder, blank, 1, 2)[1].video_ids == ["8"]
    with pytest.raises(UserError, match="line 5: a query without a tracked patch"):
        imported(folder, text.replace("5.jpg 8\n", ""), 1, 2)


def test_pictures_of_another_size_are_resized(folder):
    _, store = imported(folder, "0.jpg 1\nbig.png 1\n")
    expected = cv2.resize(cv2.imread(str(folder / "big.png"))[:, :, ::-1], (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(store.pair(0)[1].astype(int) - expected).mean() < 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.jpg 1\n1.jpg\n", "line 2: '1.jpg', expected `path label`"),
        ("0.jpg 1\n1.jpg 1\n9.jpg 2\n2.jpg 2\n", "line 3: no file"),
        ("0.jpg 1\n1.jpg 1\n2.jpg 2\n3.jpg 3\n", "line 4: label 3, expected 2 as in the line before"),
        ("0.jpg 1\n1.jpg 1\n2.jpg 1\n", "line 3: a query without a tracked patch"),
        ("0.jpg 1\n\n\nbad.jpg 1\n", "line 4: .*bad.jpg is no picture that can be read"),
        ("0.jpg 1\nbad.jpg 1\n", "line 2: .*bad.jpg is no picture that can be read"),
    ],
)
def test_each_error_names_its_line(folder, text, message):
    with pytest.raises(UserError, match=message):
        imported(folder, text)


@pytest.mark.real
def test_a_real_clip_from_end_to_end(real_data, tmp_path):
    clip = real_data / "videos" / "arm_wrestling.mp4"
    write_manifest(tmp_path / "m.tsv", [Row("arms", "", str(clip), "ok")])
    names = {name: tmp_path / name for name in ("frames.csv", "tracks.csv", "s.h5", "s.json", "s.png")}
    filter_shard(manifest=tmp_path / "m.tsv", frames_table=names["frames.csv"])
    track_shard(manifest=tmp_path / "m.tsv", frames_table=names["frames.csv"], tracks_table=names["tracks.csv"])
    metrics = pack_shard(
        manifest=tmp_path / "m.tsv",
        tracks_table=names["tracks.csv"],
        store=names["s.h5"],
        summary=names["s.json"],
        sheet=names["s.png"],
    )
    store = PatchStore(names["s.h5"])
    assert metrics["pairs"] == store.verify() >= 2
    assert store.size == 227
    left, top = store.boxes[..., 0], store.boxes[..., 1]
    assert (left >= 0).all()
    assert (left <= 600 - 227).all()
    assert (top >= 0).all()
    assert (top <= 448 - 227).all()
