import csv

import numpy as np
import pytest
from worlds.films import BOX, HEIGHT, WIDTH, film, texture, write_film
from worlds.rough_films import encode

from tracklearn.errors import UserError
from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.tables import FRAMES, write_table
from tracklearn.mining.tracking import kcf as module
from tracklearn.mining.tracking.kcf import track_shard
from tracklearn.videos import frames
from tracklearn.videos.deadline import TimeLimitError
from tracklearn.videos.frames import read_frames
from tracklearn.videos.manifest import ManifestRow, write_manifest

FRAME = {"height": HEIGHT, "width": WIDTH}
QUERY = ("moving", 0, 45, 65)  # video_id, frame, x, y


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def one_video(path):
    """A manifest of one video, named by the stem of its file."""
    write_manifest(path.with_suffix(".tsv"), [ManifestRow(path.stem, "", str(path), "ok")])
    return path.with_suffix(".tsv")


@pytest.fixture
def track(films, tmp_path):
    """Tracks accepted frames with the given settings; returns the metrics and the table's rows."""

    def run(*queries, manifest=films / "manifest.tsv", resample_fps=None, timeout=None, report=None, **tracking):
        accepted = [
            dict(zip(("video_id", "frame", "x", "y"), query, strict=True), verdict="accepted") for query in queries
        ]
        rejected = {"video_id": queries[0][0], "frame": 15, "verdict": "rejected", "reason": "noise"}
        write_table(tmp_path / "frames.csv", FRAMES, [*accepted, rejected])
        metrics = track_shard(
            manifest=manifest,
            frames_table=tmp_path / "frames.csv",
            tracks_table=tmp_path / "tracks.csv",
            box=BOX,
            frame=FRAME,
            tracking=tracking,
            resample_fps=resample_fps,
            timeout=timeout,
            report=report or (lambda step, values: None),
        )
        return metrics, read(tmp_path / "tracks.csv")

    return run


@pytest.mark.parametrize(
    ("settings", "near"), [({}, 2), ({"side": 24}, 6), ({"side": 200}, 2), ({"tracker": "opencv", "peak": 0.5}, 4)]
)
def test_the_box_follows_the_object(track, settings, near):
    """The square moves by (1.4, 0.7) a frame, so the box moves by (42, 21); the tracks overlap in time.

    At a side of 24 pixels a cell covers 16 pixels of the frame. OpenCV's filter moves by whole pixels of the reduced
    frames, so it may end two of them away.
    """
    metrics, rows = track(QUERY, ("moving", 13, 58, 71), ("moving", 44, 89, 87), **settings)
    assert metrics == {"accepted": 3, "tracked": 3, "lost": 0}
    for row in rows:
        assert int(row["last_frame"]) == int(row["frame"]) + 30
        assert int(row["tracked_x"]) - int(row["x"]) == pytest.approx(42, abs=near)
        assert int(row["tracked_y"]) - int(row["y"]) == pytest.approx(21, abs=near)
        assert row["tracked_w"] == row["tracked_h"] == row["w"] == str(BOX)
        assert 0.4 < float(row["score"]) <= 1.01
        assert row["status"] == "tracked"


def test_a_video_may_end_too_soon(track):
    metrics, rows = track(("moving", 45, 90, 88))
    assert metrics == {"accepted": 1, "tracked": 0, "lost": 1}
    assert (rows[0]["status"], rows[0]["reason"], rows[0]["last_frame"]) == ("lost", "video ended", "")
    assert track(("moving", 45, 90, 88), frames=29)[1][0]["status"] == "tracked"


def test_boxes_are_tracked_over_resampled_frames(track):
    """15 frames at 15 a second are 30 frames of the file, which has no more than 30 a second."""
    _, rows = track(QUERY, ("moving", 44, 89, 87), frames=15, resample_fps=15)
    assert [row["last_frame"] for row in rows] == ["30", "74"]
    assert [int(row["tracked_x"]) - int(row["x"]) for row in rows] == pytest.approx([42, 42], abs=4)
    assert track(("moving", 46, 91, 88), frames=15, resample_fps=15)[1][0]["reason"] == "video ended"
    assert track(QUERY, frames=15, resample_fps=40)[1][0]["last_frame"] == "15"


def test_every_track_is_lost_at_a_peak_that_none_reaches(track):
    assert track(QUERY, peak=1.0)[1][0]["reason"] == "lost"


def test_the_object_may_leave_the_frame(track, tmp_path):
    write_film(tmp_path / "leaving.mp4", film(32, step=(3.5, 0), start=(120, 60)))
    _, rows = track(("leaving", 0, 125, 65), manifest=one_video(tmp_path / "leaving.mp4"), visible=0.9)
    assert (rows[0]["status"], rows[0]["reason"]) == ("lost", "left the frame")
    assert rows[0]["tracked_x"] == ""
    assert 0 < int(rows[0]["last_frame"]) <= 30


@pytest.mark.parametrize(
    ("tracker", "other"), [("hog", texture(HEIGHT, WIDTH, 9)), ("opencv", np.zeros((HEIGHT, WIDTH, 3), np.uint8))]
)
def test_the_box_is_lost_at_a_cut(track, tmp_path, tracker, other):
    """OpenCV's tracker does not notice a cut to a scene with as much texture."""
    write_film(tmp_path / "cut.mp4", [frame if index < 10 else other for index, frame in enumerate(film(32))])
    _, rows = track(("cut", 0, 45, 65), manifest=one_video(tmp_path / "cut.mp4"), tracker=tracker)
    assert (rows[0]["status"], rows[0]["reason"]) == ("lost", "lost")
    assert int(rows[0]["last_frame"]) == 10


def test_the_time_of_a_video_is_limited(track):
    _, rows = track(QUERY, timeout=1e-6)
    assert rows[0]["reason"].startswith("video failed: time limit")


@pytest.mark.parametrize("error", [TimeLimitError("time limit of 9 s"), UserError("reading broke off")])
def test_boxes_that_arrived_before_a_failure_are_tracked(track, monkeypatch, error):
    """Reading breaks off at frame 40: the first box has arrived, the second has not, and the third never started."""
    queries = [QUERY, ("moving", 20, 65, 75), ("moving", 60, 105, 95)]
    whole = track(*queries)[1]

    def broken(*args, **options):
        for index, image in read_frames(*args, **options):
            if index == 40:
                raise error
            yield index, image

    monkeypatch.setattr(module, "read_frames", broken)
    metrics, rows = track(*queries)
    assert rows[0] == whole[0]
    assert [row["reason"] for row in rows] == ["", f"video failed: {error}", "video ended"]
    assert metrics == {"accepted": 3, "tracked": 1, "lost": 2}


def test_a_video_that_crashes_the_decoder_has_rows(track, crash_at):
    other = ("panning", 0, 45, 65)
    whole = track(QUERY, other)[1]
    crash_at("panning")
    metrics, rows = track(QUERY, other)
    assert rows[0] == whole[0]
    assert rows[0]["status"] == "tracked"
    assert rows[1]["reason"].startswith("video failed: its process was ended by SIGSEGV (Segmentation fault); to try")
    assert metrics == {"accepted": 2, "tracked": 1, "lost": 1}


@pytest.mark.parametrize("overlays", [True, False])
def test_boxes_keep_off_black_bars(tmp_path, overlays):
    """The square moves down behind a bar of 40 pixels at the bottom of the frame, and its box stops above the bar."""
    write_film(tmp_path / "wide.mp4", (letterboxed(frame, 40) for frame in film(75, start=(20, 55))))
    frames_table, tracks_table = tmp_path / "frames.csv", tmp_path / "tracks.csv"
    shard = {"manifest": one_video(tmp_path / "wide.mp4"), "frames_table": frames_table, "frame": FRAME}
    filter_shard(**shard, filtering={"overlays": overlays, "every": 5, "box": BOX})
    track_shard(**shard, tracks_table=tracks_table, box=BOX)
    accepted = [row for row in read(frames_table) if row["verdict"] == "accepted"]
    areas = {tuple(row[name] for name in ("left", "top", "right", "bottom")) for row in accepted}
    tracked = [int(row["tracked_y"]) for row in read(tracks_table) if row["status"] == "tracked"]
    assert len(tracked) >= 3
    if overlays:
        (area,) = areas
        assert [int(at) for at in area] == pytest.approx([0, 40, WIDTH, HEIGHT - 40], abs=1)
        assert max(tracked) == int(area[3]) - BOX
    else:
        assert areas == {("", "", "", "")}
        assert max(tracked) > HEIGHT - 40 - BOX


def letterboxed(frame, bar):
    """The frame with black bars of `bar` rows at the top and at the bottom."""
    frame = frame.copy()
    frame[:bar] = frame[-bar:] = 0
    return frame


@pytest.mark.parametrize("tracker", ["hog", "opencv"])
def test_decoding_ends_when_no_box_needs_a_frame(track, tmp_path, monkeypatch, tracker):
    """In a film of 75 frames without B-frames, the frames after the cut are not decoded."""
    images = [frame if index < 10 else np.zeros_like(frame) for index, frame in enumerate(film(75))]
    path = encode(tmp_path / "cut.mp4", images, options={"bf": "0", "g": "75", "sc_threshold": "0"})
    decoded, decode = [], frames._decode
    monkeypatch.setattr(frames, "_decode", lambda packet: decoded.extend(out := decode(packet)) or out)
    _, rows = track(("cut", 0, 45, 65), manifest=one_video(path), frames=60, tracker=tracker)
    assert (rows[0]["reason"], rows[0]["last_frame"]) == ("lost", "10")
    assert len(decoded) <= 1 + 11  # one of them by `probe`


def test_progress_is_reported(track):
    points = []
    track(QUERY, report=lambda step, values: points.append((step, values)))
    assert [step for step, _ in points] == list(range(1, len(points) + 1))
    assert points[-1][1]["tracked"] == 1


def test_a_video_that_was_deleted_has_a_row(track, tmp_path):
    _, rows = track(("v", 0, 45, 65), manifest=one_video(tmp_path / "v.mp4"))
    assert rows[0]["status"] == "lost"
    assert rows[0]["reason"].startswith("video failed: ")
    assert "v.mp4: no such file" in rows[0]["reason"]


def test_a_table_of_another_shard_is_refused(track):
    with pytest.raises(UserError, match=r"frames\.csv: video elsewhere is not in the manifest"):
        track(("elsewhere", 0, 45, 65))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"frames": 0}, r"mining\.track\.frames is 0; expected a whole number, at least 1"),
        ({"tracker": "sift"}, r"mining\.track\.tracker is 'sift'; expected one of hog, opencv"),
        ({"side": 8}, r"mining\.track\.side is 8; expected a whole number, at least 16"),
    ],
)
def test_wrong_settings_are_named(track, setting, message):
    with pytest.raises(UserError, match=message):
        track(QUERY, **setting)
