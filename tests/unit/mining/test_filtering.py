import csv
from pathlib import Path

import numpy as np
import pytest
from worlds.films import BOX, HEIGHT, WIDTH

from tracklearn.errors import UserError
from tracklearn.mining import filtering as module
from tracklearn.mining.filtering import Points, _limited, candidate_frames, filter_shard, judge, uncertain
from tracklearn.settings.mining import Filtering
from tracklearn.videos.deadline import TimeLimitError
from tracklearn.videos.manifest import ManifestRow, write_manifest
from tracklearn.videos.shard_loop import AHEAD

FRAME = {"height": HEIGHT, "width": WIDTH}


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def filter_films(films, tmp_path_factory):
    """Filters the films with the given settings; returns the metrics and the table's path."""

    def run(*, manifest=films / "manifest.tsv", threads=2, resample_fps=None, **filtering):
        table = tmp_path_factory.mktemp("filter") / "frames.csv"
        metrics = filter_shard(
            manifest=manifest,
            frames_table=table,
            frame=FRAME,
            filtering={"box": BOX} | filtering,
            resample_fps=resample_fps,
            threads=threads,
        )
        return metrics, table

    return run


@pytest.fixture(scope="module")
def filtered(filter_films):
    return filter_films(every=15)


def reasons(table, video_id="moving"):
    return {row["reason"] for row in read(table) if row["video_id"] == video_id}


def test_every_candidate_has_its_verdict(filtered):
    metrics, table = filtered
    rows = read(table)
    verdicts = {
        name: [(r["frame"], r["verdict"]) for r in rows if r["video_id"] == name]
        for name in ("moving", "still", "panning")
    }
    assert verdicts["moving"] == [(str(frame), "accepted") for frame in range(0, 75, 15)]
    assert verdicts["still"] == verdicts["panning"] == [("0", "rejected"), ("15", "rejected"), ("30", "rejected")]
    assert reasons(table, "still") == reasons(table, "panning") == {"noise"}
    assert metrics == {
        "candidates": 11,
        "accepted": 5,
        "unreadable_videos": 2,
        "unfinished_videos": 0,
        "overlaid_points": sum(int(row["overlaid"] or 0) for row in rows),
        "rejected/noise": 6,
    }
    assert {row["surf"] for row in rows} == {"fast-hessian"}
    assert {row["flow"] for row in rows if row["frame"]} == {"lucas-kanade"}


def test_videos_that_cannot_be_read_have_a_row(filtered):
    rows = {row["video_id"]: row for row in read(filtered[1]) if not row["frame"]}
    assert set(rows) == {"broken", "gone"}
    assert rows["gone"]["reason"] == "video failed: HTTP error 404"
    assert "broken.mp4" in rows["broken"]["reason"]


def test_the_query_box_lies_on_the_object(filtered):
    """The square of 110 pixels starts at (30, 40) and moves by (1.4, 0.7) a frame; a box covers at most 81% of it."""
    covered = []
    for row in read(filtered[1]):
        if row["verdict"] != "accepted":
            continue
        frame, x, y = (int(row[name]) for name in ("frame", "x", "y"))
        spans = ((x, 30 + 1.4 * frame), (y, 40 + 0.7 * frame))
        width, height = (max(0, min(at + BOX, square + 110) - max(at, square)) for at, square in spans)
        covered.append(width * height / 110**2)
        assert 0 <= x <= WIDTH - BOX
        assert 0 <= y <= HEIGHT - BOX
        assert 0.25 <= float(row["fraction"]) <= 0.75
        assert int(row["inside"]) <= int(row["moving"]) <= int(row["points"])
    assert min(covered) > 0.5
    assert np.mean(covered) > 0.65


def test_threads_change_nothing(filter_films, filtered):
    assert filter_films(every=15, threads=1)[1].read_text() == filtered[1].read_text()


def test_the_share_of_moving_points_decides(filter_films):
    assert reasons(filter_films(every=60, camera=0.26, noise=0.1)[1]) == {"camera"}


def test_a_frame_without_texture_is_rejected():
    flat = np.full((HEIGHT, WIDTH), 9, np.uint8)
    expected = {"points": 0, "overlaid": 0, "verdict": "rejected", "reason": "too few points"}
    assert judge(flat, flat, Filtering(box=BOX)) == expected | {"flow": "lucas-kanade"}


def test_a_frame_with_too_few_points_is_rejected(filter_films):
    rows = read(filter_films(every=60, min_points=10_000)[1])
    assert {row["reason"] for row in rows if row["frame"]} == {"too few points"}


def points_of(moving, *, still=0.0, moved=2.0, count=100):
    """100 points, of which `moving` move by `moved` pixels and the others by `still`."""
    motion = np.zeros((count, 2), np.float32)
    motion[:, 0] = still
    motion[:moving, 0] = moved
    return Points(np.zeros((count, 2), np.float32), motion, np.zeros(count, bool), np.eye(3), "lucas-kanade")


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (points_of(19), False),
        (points_of(21), True),  # within 0.05 of 0.25
        (points_of(29), True),
        (points_of(31), False),
        (points_of(69, moved=0.9), False),
        (points_of(71, moved=0.9), True),  # within 0.05 of 0.75
        (points_of(81, moved=0.9), False),
        (points_of(50), False),
        (points_of(51), True),  # fewer than half are within a pixel of the camera's motion
        (points_of(100), True),
        (points_of(10, count=40), False),  # rejected, for the points are too few
    ],
)
def test_the_sparse_flow_is_uncertain_near_a_threshold_and_without_followers(points, expected):
    assert uncertain(points, Filtering()) == expected
    lost = points._replace(motion=np.append(points.motion, np.full((50, 2), np.nan, np.float32), axis=0))
    assert uncertain(lost, Filtering()) == expected  # a point that was not found again tells nothing


@pytest.mark.parametrize(
    ("settings", "flow"),
    [
        ({}, "lucas-kanade"),
        ({"noise": 0.33}, "farneback"),
        ({"noise": 0.1, "camera": 0.33}, "farneback"),
        ({"noise": 0.33, "margin": 0.0}, "lucas-kanade"),
        ({"noise": 0.33, "flow": "lucas-kanade"}, "lucas-kanade"),
        ({"flow": "farneback"}, "farneback"),
    ],
)
def test_dense_flow_decides_where_the_share_of_moving_points_is_near_a_threshold(films, settings, flow):
    """37% of the points of the first frame move."""
    _, image, next_image = next(candidate_frames(str(films / "moving.mp4"), (HEIGHT, WIDTH), resample_fps=None))
    given = Filtering(box=BOX, **settings)
    row = judge(image, next_image, given)
    assert row == judge(image, next_image, given.model_copy(update={"flow": flow}))
    assert row["flow"] == flow


def test_a_frame_of_which_too_few_points_are_found_again_is_rejected(monkeypatch):
    """20 of 60 points were followed."""
    motion = np.full((60, 2), np.nan, np.float32)
    motion[:20] = [[0, 0], [0, 1]] * 10
    points = Points(np.tile(np.float32([30, 30]), (60, 1)), motion, np.zeros(60, bool), np.eye(3), "lucas-kanade")
    monkeypatch.setattr(module, "points_with_motion", lambda *args: points)
    frame = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert judge(frame, frame, Filtering(box=BOX, min_points=21))["reason"] == "too few points"
    assert judge(frame, frame, Filtering(box=BOX, min_points=20))["verdict"] == "accepted"


@pytest.mark.parametrize("error", [TimeLimitError("time limit of 9 s"), UserError("reading broke off")])
def test_frames_judged_before_a_failure_are_kept(filter_films, filtered, monkeypatch, error):
    """Reading breaks off after the third candidate: three rows, and a row with the reason."""

    def broken(path, *args, **options):
        for place, found in enumerate(candidate_frames(path, *args, **options)):
            if place == 3 and Path(path).stem == "moving":
                raise error
            yield found

    monkeypatch.setattr(module, "candidate_frames", broken)
    metrics, table = filter_films(every=15)
    whole, cut = ([row for row in read(path) if row["video_id"] == "moving"] for path in (filtered[1], table))
    assert cut[:3] == whole[:3]
    assert [(row["frame"], row["verdict"], row["reason"]) for row in cut[3:]] == [
        ("", "rejected", f"video failed: {error}")
    ]
    assert metrics["candidates"] == filtered[0]["candidates"] - 2
    assert (metrics["accepted"], metrics["unreadable_videos"], metrics["unfinished_videos"]) == (3, 2, 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_video_that_crashes_the_decoder_has_a_row(filter_films, filtered, crash_at, threads):
    """All other rows are those of an undisturbed run."""
    crash_at("still")
    metrics, table = filter_films(every=15, threads=threads)
    others, rows = ([row for row in read(path) if row["video_id"] != "still"] for path in (filtered[1], table))
    assert rows == others
    [row] = [row for row in read(table) if row["video_id"] == "still"]
    assert (row["frame"], row["verdict"]) == ("", "rejected")
    assert row["reason"].startswith("video failed: its process was ended by SIGSEGV (Segmentation fault); to try it")
    assert metrics["unreadable_videos"] == filtered[0]["unreadable_videos"] + 1


class CountedRow(dict):
    """A row of a class that counts its living instances."""

    alive = most = 0

    def __new__(cls, *_args, **_values):
        CountedRow.alive += 1
        CountedRow.most = max(CountedRow.most, CountedRow.alive)
        return super().__new__(cls)

    def __del__(self):
        CountedRow.alive -= 1


def test_rows_are_written_one_video_after_the_other(filter_films, tmp_path, monkeypatch):
    """Of a shard of 100 videos only the rows of a few are in memory at once."""
    write_manifest(tmp_path / "m.tsv", [ManifestRow(f"v{number}", "", "v.mp4", "ok") for number in range(100)])
    row = {"frame": 0, "overlaid": 0, "verdict": "rejected", "reason": "noise"}
    monkeypatch.setattr(
        module, "judge_video", lambda video, **_: [CountedRow(row, video_id=video.video_id) for _ in "123"]
    )
    metrics, table = filter_films(manifest=tmp_path / "m.tsv", threads=1)
    assert metrics["rejected/noise"] == metrics["candidates"] == len(read(table)) == 300
    assert 3 <= CountedRow.most <= 3 * (AHEAD + 2)


def test_resampled_frames_are_judged_by_the_next_resampled_frame(filter_films):
    """moving.mp4 has 75 frames at 30 a second; at 10 a second every 5th of the 25 frames is every 15th of the file."""
    _, table = filter_films(resample_fps=10, every=5, moving_px=2)
    rows = [row for row in read(table) if row["video_id"] == "moving"]
    assert [row["frame"] for row in rows] == ["0", "15", "30", "45", "60"]
    assert {row["verdict"] for row in rows} == {"accepted"}  # the square moves by 3.4 pixels in three frames
    assert reasons(filter_films(every=15, moving_px=2)[1]) == {"noise"}


def test_the_limit_keeps_evenly_spread_frames():
    rows = [{"frame": frame, "verdict": "accepted", "reason": "motion"} for frame in range(9)]
    rows.insert(3, {"frame": 99, "verdict": "rejected", "reason": "noise"})
    kept = _limited(rows, 3)
    assert [row["frame"] for row in kept if row["verdict"] == "accepted"] == [0, 4, 8]
    assert kept[1]["reason"] == "more than max_pairs_per_video"
    assert kept[3]["reason"] == "noise"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"box": 227}, r"mining\.filter\.box is 227; expected at most the shorter side of the frame, 224"),
        ({"every": 0}, r"mining\.filter\.every is 0; expected a whole number, at least 1"),
        ({"noise": 0.8}, r"mining\.filter\.noise is 0\.8, camera 0\.75; expected noise < camera"),
        ({"surf": "sift"}, r"mining\.filter\.surf is 'sift'; expected one of fast-hessian, mahotas, opencv"),
    ],
)
def test_wrong_settings_are_named(filter_films, setting, message):
    with pytest.raises(UserError, match=message):
        filter_films(**setting)
