import json
from itertools import product

import numpy as np
import pytest
from worlds.films import BOX, HEIGHT, WIDTH, film

from tracklearn.errors import UserError
from tracklearn.mining.tables import FRAMES, TRACKS, write_table
from tracklearn.patches.controls import pack_any_frame, pack_one_patch, pack_untracked, random_corner, shares
from tracklearn.patches.packing import pack_shard
from tracklearn.patches.store import PatchStore
from tracklearn.ranking.direct import train_ranking
from tracklearn.videos.manifest import ManifestRow, write_manifest

FRAME = {"height": HEIGHT, "width": WIDTH}
ROWS = (
    ("moving", 0, (45, 65), 30, (75, 80)),
    ("moving", 30, (75, 80), 60, (105, 95)),
    ("still", 0, (9, 9), 30, (9, 9)),
)


def track(video, frame, corner, last, to):
    start = {"video_id": video, "frame": frame, "x": corner[0], "y": corner[1], "w": BOX, "h": BOX}
    end = {"last_frame": last, "tracked_x": to[0], "tracked_y": to[1], "tracked_w": BOX, "tracked_h": BOX}
    return start | end | {"score": 0.9, "status": "tracked"}


@pytest.fixture
def pack(films, tmp_path):
    """Packs pairs by a function of this room; returns its numbers, the shard and the summary."""

    def run(by, name, *rows, manifest=films / "manifest.tsv", **arguments):
        if rows:
            write_table(tmp_path / f"{name}.csv", TRACKS, [track(*row) for row in rows])
            arguments["tracks_table"] = tmp_path / f"{name}.csv"
        if by is not pack_one_patch:
            arguments |= {"manifest": manifest, "frame": FRAME}
        files = {"store": tmp_path / f"{name}.h5", "summary": tmp_path / f"{name}.json"}
        metrics = by(**files, packing=arguments.pop("packing", {"size": BOX}), **arguments)
        return metrics, PatchStore(files["store"]), json.loads(files["summary"].read_text())

    return run


@pytest.fixture
def tracked(pack, tmp_path):
    """Three tracked pairs; the last one, of a still film, does not change."""
    _, store, _ = pack(pack_shard, "tracked", *ROWS, packing={"size": BOX, "min_change": None})
    assert len(store) == 3
    write_table(tmp_path / "frames.csv", FRAMES, [])
    return store


@pytest.fixture
def untracked(pack, tracked, tmp_path):
    """Packs a control of the tracked pairs."""

    def run(kind, **arguments):
        given = {"kind": kind, "frames_table": tmp_path / "frames.csv", "tracked": tracked.path}
        return pack(pack_untracked, kind, **given | arguments)

    return run


def queries(store):
    return [store.jpeg(2 * index).tobytes() for index in range(len(store))]


@pytest.mark.parametrize("kind", ["still", "random-box"])
def test_a_control_has_the_queries_and_frames_of_the_tracked_pairs(untracked, tracked, kind):
    metrics, store, summary = untracked(kind)
    assert metrics == {"pairs": 3, "patches": 6, "videos": 2}
    assert summary == {"pairs": 3, "patches": 6, "videos": 2, "reasons": {}, "kind": kind, "tracked_pairs": 3}
    assert queries(store) == queries(tracked)
    assert store.frames.tolist() == tracked.frames.tolist()
    assert store.boxes[:, 0].tolist() == tracked.boxes[:, 0].tolist()
    assert (store.video_ids, store.video_of_pair.tolist()) == (tracked.video_ids, tracked.video_of_pair.tolist())
    assert np.isnan(store.scores).all() and store.verify() == 3


def test_a_still_pair_shows_the_place_of_the_query_in_the_frame_of_the_tracked_patch(untracked):
    """Against the frames before they were encoded: the square has moved on by (42, 21) pixels."""
    _, store, _ = untracked("still")
    frames = list(film(61))
    assert store.boxes[:2].tolist() == [[[45, 65, BOX, BOX]] * 2, [[75, 80, BOX, BOX]] * 2]
    for index, truth in enumerate((frames[30][65:164, 45:144], frames[60][80:179, 75:174])):
        assert np.abs(store.pair(index)[1].astype(int) - truth).mean() < 8


def test_a_random_box_lies_inside_the_frame_and_between_its_bars(untracked, tmp_path):
    _, first, _ = untracked("random-box")
    (x, y), truth = first.boxes[0, 1, :2].astype(int), list(film(31))[30]
    assert np.abs(first.pair(0)[1].astype(int) - truth[y : y + BOX, x : x + BOX]).mean() < 8
    drawn = first.boxes[:, 1].tolist()
    assert all(0 <= x <= WIDTH - BOX and 0 <= y <= HEIGHT - BOX and (w, h) == (BOX, BOX) for x, y, w, h in drawn)
    assert len({tuple(box) for box in drawn}) == 3
    bars = {"left": 40, "top": 60, "right": 40 + BOX, "bottom": 60 + BOX}  # room for one place
    write_table(tmp_path / "frames.csv", FRAMES, [{"video_id": "moving", "frame": 30, "verdict": "accepted"} | bars])
    _, second, _ = untracked("random-box")
    assert second.boxes[1, 1].tolist() == [40, 60, BOX, BOX]
    assert second.boxes[[0, 2], 1].tolist() == [drawn[0], drawn[2]]  # a draw depends on its own query alone


def test_every_place_of_a_random_box_has_the_same_chance():
    """Boxes of 5 x 4 pixels in an area of 7 x 5 pixels have 3 x 2 places; 100 draws of each are expected."""
    drawn = [random_corner("ant", frame, (5, 4), (10, 20, 17, 25)) for frame in range(600)]
    places = [*product((10, 11, 12), (20, 21))]
    assert {*drawn} == {*places}
    assert all(60 < drawn.count(place) < 140 for place in places)
    assert drawn[:50] == [random_corner("ant", frame, (5, 4), (10, 20, 17, 25)) for frame in range(50)]
    assert drawn != [random_corner("bee", frame, (5, 4), (10, 20, 17, 25)) for frame in range(600)]


def test_a_video_that_can_no_longer_be_read_is_counted(untracked, films, tmp_path):
    rows = [ManifestRow("moving", "", str(films / "moving.mp4"), "ok"), ManifestRow("still", "", "gone.mp4", "ok")]
    write_manifest(tmp_path / "manifest.tsv", rows)
    _, store, summary = untracked("still", manifest=tmp_path / "manifest.tsv")
    assert store.video_ids == ["moving"]
    assert (summary["pairs"], summary["tracked_pairs"]) == (2, 3)
    assert summary["reasons"] == {"frames could not be decoded again": 1}


def test_pairs_of_other_videos_are_an_error(untracked, tmp_path):
    write_manifest(tmp_path / "manifest.tsv", [ManifestRow("moving", "", "x.mp4", "ok")])
    with pytest.raises(
        UserError, match=r"tracked\.h5: video still is not in .*manifest\.tsv; delete the shard and run"
    ):
        untracked("still", manifest=tmp_path / "manifest.tsv")


def test_one_patch_is_the_query_twice(pack, tracked):
    metrics, store, summary = pack(pack_one_patch, "one", tracked=tracked.path)
    assert metrics == {"pairs": 3, "patches": 6, "videos": 2}
    assert summary == metrics | {"reasons": {}, "kind": "one-patch", "tracked_pairs": 3}
    assert queries(store) == queries(tracked) == [store.jpeg(2 * index + 1).tobytes() for index in range(3)]
    assert store.frames.tolist() == [[0, 0], [30, 30], [0, 0]]
    assert store.boxes[0].tolist() == [[45, 65, BOX, BOX]] * 2
    with pytest.raises(UserError, match=r"the patch has 99 x 99 pixels, expected 48 x 48"):
        pack(pack_one_patch, "one", tracked=tracked.path, packing={"size": 48})


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        ([2, 3], [9, 9], [2, 3]),
        ([2, 3, 1], [0, 9, 9], [0, 4, 2]),  # the two that are missing come from the others in turn
        ([5, 1, 1], [1, 2, 9], [1, 2, 4]),
        ([2, 2], [1, 1], [1, 1]),
        ([], [], []),
    ],
)
def test_what_some_videos_lack_comes_from_the_others(wanted, found, expected):
    assert shares(wanted, found) == expected


def test_rejected_frames_give_as_many_pairs_as_were_tracked(pack, tracked, films):
    """moving.mp4 has two tracked pairs and five others; still.mp4 has one, and its frames give none that changes."""
    others = [
        ("moving", frame, (40 + frame, 20 + 3 * frame), frame + 30, (82 + frame, 41)) for frame in range(2, 27, 6)
    ]
    rows = [*others, ("still", 2, (9, 9), 32, (9, 9)), ("panning", 2, (9, 9), 32, (40, 9))]
    packing = {"size": BOX, "duplicate_bits": None}
    metrics, store, summary = pack(pack_any_frame, "any", *rows, tracked=tracked.path, packing=packing)
    assert metrics == {"pairs": 3, "patches": 6, "videos": 1, "spare": 3}
    assert store.frames[:, 0].tolist() == [2, 14, 26]  # evenly chosen, from a video with tracked pairs first
    assert store.boxes[0].tolist() == [[42, 26, BOX, BOX], [84, 41, BOX, BOX]]
    assert store.scores.tolist() == pytest.approx([0.9] * 3)
    assert summary == {
        "pairs": 3,
        "patches": 6,
        "videos": 1,
        "reasons": {"nothing moved": 1, "more than the tracked pairs": 3},
        "kind": "any-frame",
        "tracked_pairs": 3,
    }
    _, everything, _ = pack(pack_shard, "all", *rows, packing=packing)
    assert [store.jpeg(patch).tobytes() for patch in range(6)] == [
        everything.jpeg(2 * pair + half).tobytes() for pair in (0, 2, 4) for half in (0, 1)
    ]


def test_what_the_videos_with_tracked_pairs_lack_comes_from_the_others(pack, tracked):
    rows = [*ROWS[:2], ("panning", 2, (9, 9), 32, (40, 9)), ("panning", 4, (90, 90), 34, (120, 90))]
    metrics, store, _ = pack(pack_any_frame, "any", *rows, tracked=tracked.path)
    assert (metrics["pairs"], metrics["spare"]) == (3, 1)
    assert [store.video_ids[video] for video in store.video_of_pair] == ["moving", "moving", "panning"]


def test_fewer_pairs_than_were_tracked_are_said_in_the_summary(pack, tracked):
    metrics, store, summary = pack(pack_any_frame, "any", ROWS[0], tracked=tracked.path)
    assert metrics == {"pairs": 1, "patches": 2, "videos": 1, "spare": 0}
    assert len(store) == 1
    assert summary | {"pairs": 1, "tracked_pairs": 3, "reasons": {}} == summary


def test_a_network_is_trained_on_the_pairs_of_a_control(untracked):
    _, store, _ = untracked("random-box")
    net = train_ranking(
        store.path,
        schedule={"lr": 0.01, "iterations": 1, "batch": 4, "random_iterations": 0},
        network={"width": 0.0625},
        loss={"augment": {"crop": [0.5, 1]}},
        threads=1,
    )
    assert net.input_size == BOX
