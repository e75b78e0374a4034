import csv
from pathlib import Path

import numpy as np
import pytest
from reference.mining import loops_best_box
from worlds.films import BOX, HEIGHT, WIDTH

from tracklearn.errors import UserError
from tracklearn.mining import filtering as module
from tracklearn.mining.filtering import Points, Rule, _limited, best_box, candidates, filter_shard, judge
from tracklearn.mining.tables import AHEAD
from tracklearn.videos.deadline import TimeLimitError
from tracklearn.videos.manifest import Row, write_manifest

SMALL = {"height": HEIGHT, "width": WIDTH, "box": BOX}


@pytest.mark.parametrize("seed", range(12))
def test_the_box_is_that_of_the_loop(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 26, (rng.integers(1, 25), 2)).astype(np.float32)
    size, box = (int(rng.integers(12, 22)), int(rng.integers(12, 25))), int(rng.integers(1, 12))
    assert best_box(points, size, box) == loops_best_box(points, size, box)


def test_the_box_is_centred_on_its_points():
    """By hand: four points around (20, 30) fit anywhere in a 15 px window; the centred one is taken."""
    points = np.float32([[18, 28], [22, 28], [18, 32], [22, 32], [55, 5]])
    assert best_box(points, (60, 80), 15) == (13, 23, 4)


def test_the_box_stays_inside_the_frame():
    assert best_box(np.float32([[79, 59]]), (60, 80), 15) == (65, 45, 1)
    assert best_box(np.float32([[3, 3]]), (15, 15), 15) == (0, 0, 1)


@pytest.fixture(scope="module")
def table(films, tmp_path_factory):
    out = tmp_path_factory.mktemp("filter") / "frames.csv"
    metrics = filter_shard(manifest=films / "manifest.tsv", frames_table=out, every=15, threads=2, **SMALL)
    return metrics, out


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_every_candidate_has_its_verdict(table):
    metrics, out = table
    rows = read(out)
    verdicts = {
        name: [(r["frame"], r["verdict"]) for r in rows if r["video_id"] == name]
        for name in ("moving", "still", "panning")
    }
    assert verdicts["moving"] == [(str(frame), "accepted") for frame in range(0, 75, 15)]
    assert verdicts["still"] == verdicts["panning"] == [("0", "rejected"), ("15", "rejected"), ("30", "rejected")]
    assert {row["reason"] for row in rows if row["video_id"] in ("still", "panning")} == {"noise"}
    assert metrics == {
        "candidates": 11,
        "accepted": 5,
        "unreadable_videos": 2,
        "unfinished_videos": 0,
        "overlaid_points": sum(int(row["overlaid"] or 0) for row in rows),
        "rejected/noise": 6,
    }
    assert {row["surf"] for row in rows} == {"fast-hessian"}


def test_videos_that_cannot_be_read_are_rows(table):
    rows = {row["video_id"]: row for row in read(table[1]) if not row["frame"]}
    assert set(rows) == {"broken", "gone"}
    assert rows["gone"]["reason"] == "video failed: HTTP error 404"
    assert "broken.mp4" in rows["broken"]["reason"]


def test_the_query_box_lies_on_the_object(table):
    """The square of 110 px starts at (30, 40) and moves by (1.4, 0.7) a frame; a box holds 81% of it at most."""
    held = []
    for row in read(table[1]):
        if row["verdict"] != "accepted":
            continue
        frame, x, y = (int(row[name]) for name in ("frame", "x", "y"))
        spans = ((x, 30 + 1.4 * frame), (y, 40 + 0.7 * frame))
        width, height = (max(0, min(at + BOX, square + 110) - max(at, square)) for at, square in spans)
        held.append(width * height / 110**2)
        assert 0 <= x <= WIDTH - BOX
        assert 0 <= y <= HEIGHT - BOX
        assert 0.25 <= float(row["fraction"]) <= 0.75
        assert int(row["inside"]) <= int(row["moving"]) <= int(row["points"])
    assert min(held) > 0.5
    assert np.mean(held) > 0.65


def test_threads_change_nothing(films, table, tmp_path):
    filter_shard(manifest=films / "manifest.tsv", frames_table=tmp_path / "one.csv", every=15, threads=1, **SMALL)
    assert (tmp_path / "one.csv").read_text() == table[1].read_text()


def test_the_shares_decide(films, tmp_path):
    filter_shard(
        manifest=films / "manifest.tsv", frames_table=tmp_path / "a.csv", every=60, camera=0.26, noise=0.1, **SMALL
    )
    assert {row["reason"] for row in read(tmp_path / "a.csv") if row["video_id"] == "moving"} == {"camera"}


def test_a_frame_without_texture():
    flat = np.full((HEIGHT, WIDTH), 9, np.uint8)
    expected = {"points": 0, "overlaid": 0, "verdict": "rejected", "reason": "too few points"}
    assert judge(flat, flat, Rule(box=BOX)) == expected


def test_fewer_points_than_asked_for(films, tmp_path):
    filter_shard(manifest=films / "manifest.tsv", frames_table=tmp_path / "a.csv", every=60, min_points=10_000, **SMALL)
    assert {row["reason"] for row in read(tmp_path / "a.csv") if row["frame"]} == {"too few points"}


def test_fewer_points_than_asked_for_are_found_again(monkeypatch):
    """Of 60 points 20 were followed, all of one motion: their share says little."""
    lengths = np.full(60, np.nan, np.float32)
    lengths[:20] = [0, 1] * 10
    points = Points(np.tile(np.float32([30, 30]), (60, 1)), lengths, np.zeros(60, bool), np.eye(3))
    monkeypatch.setattr(module, "moving_points", lambda *args: points)
    frame = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert judge(frame, frame, Rule(box=BOX, min_points=21))["reason"] == "too few points"
    assert judge(frame, frame, Rule(box=BOX, min_points=20))["verdict"] == "accepted"


@pytest.mark.parametrize("error", [TimeLimitError("time limit of 9 s"), UserError("cannot be read on")])
def test_what_was_judged_before_a_failure_is_kept(films, table, tmp_path, monkeypatch, error):
    """After the third candidate reading ends: three rows and one that says why."""

    def broken(path, *args, **settings):
        for place, found in enumerate(candidates(path, *args, **settings)):
            if place == 3 and Path(path).stem == "moving":
                raise error
            yield found

    monkeypatch.setattr(module, "candidates", broken)
    metrics = filter_shard(manifest=films / "manifest.tsv", frames_table=tmp_path / "a.csv", every=15, **SMALL)
    whole, cut = ([row for row in read(path) if row["video_id"] == "moving"] for path in (table[1], tmp_path / "a.csv"))
    assert cut[:3] == whole[:3]
    assert [(row["frame"], row["verdict"], row["reason"]) for row in cut[3:]] == [
        ("", "rejected", f"video failed: {error}")
    ]
    assert metrics["candidates"] == table[0]["candidates"] - 2
    assert (metrics["accepted"], metrics["unreadable_videos"], metrics["unfinished_videos"]) == (3, 2, 1)


class Judged(dict):
    """A row that counts how many there are."""

    alive = most = 0

    def __init__(self, *args, **values):
        super().__init__(*args, **values)
        Judged.alive += 1
        Judged.most = max(Judged.most, Judged.alive)

    def __del__(self):
        Judged.alive -= 1


def test_rows_are_written_as_they_come(tmp_path, monkeypatch):
    """Of a shard of 100 videos the rows of a few are held at a time."""
    write_manifest(tmp_path / "m.tsv", [Row(f"v{number}", "", "v.mp4", "ok") for number in range(100)])
    row = {"frame": 0, "overlaid": 0, "verdict": "rejected", "reason": "noise"}
    monkeypatch.setattr(module, "judge_video", lambda video, **_: [Judged(row, video_id=video.video_id) for _ in "123"])
    metrics = filter_shard(manifest=tmp_path / "m.tsv", frames_table=tmp_path / "a.csv", **SMALL)
    assert metrics["rejected/noise"] == metrics["candidates"] == len(read(tmp_path / "a.csv")) == 300
    assert Judged.most <= 3 * (AHEAD + 2)


def test_resampled_frames_are_judged_by_the_next_resampled_one(films, tmp_path):
    """moving.mp4 has 75 frames at 30 a second: 25 at 10, of which every 5th one is every 15th native one."""
    settings = {"manifest": films / "manifest.tsv", "frames_table": tmp_path / "a.csv", "moving_px": 2, **SMALL}
    filter_shard(resample_fps=10, every=5, **settings)
    rows = [row for row in read(tmp_path / "a.csv") if row["video_id"] == "moving"]
    assert [row["frame"] for row in rows] == ["0", "15", "30", "45", "60"]
    assert {row["verdict"] for row in rows} == {"accepted"}  # 3.4 px in three native frames
    filter_shard(every=15, **settings)
    assert {row["reason"] for row in read(tmp_path / "a.csv") if row["video_id"] == "moving"} == {"noise"}


def test_the_limit_spreads_over_the_video():
    rows = [{"frame": frame, "verdict": "accepted", "reason": "motion"} for frame in range(9)]
    rows.insert(3, {"frame": 99, "verdict": "rejected", "reason": "noise"})
    kept = _limited(rows, 3)
    assert [row["frame"] for row in kept if row["verdict"] == "accepted"] == [0, 4, 8]
    assert kept[1]["reason"] == "more than max_pairs_per_video"
    assert kept[3]["reason"] == "noise"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"box": 227}, "mining box: 227, expected at most the frame's shorter side, 224"),
        ({"every": 0}, "mining every: 0, expected at least 1 frame"),
        ({"noise": 0.8}, "mining noise 0.8, camera 0.75: expected 0 <= noise < camera <= 1"),
        ({"flow": "dense"}, "mining flow: 'dense'"),
        ({"surf": "sift"}, "mining surf: 'sift'"),
    ],
)
def test_settings_that_cannot_be(films, tmp_path, setting, message):
    with pytest.raises(UserError, match=message):
        filter_shard(manifest=films / "manifest.tsv", frames_table=tmp_path / "a.csv", **(SMALL | setting))
