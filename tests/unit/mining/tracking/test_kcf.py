import csv

import cv2
import numpy as np
import pytest
from worlds.films import BOX, HEIGHT, WIDTH, film, texture, write_film
from worlds.rough_films import encode

from tracklearn.errors import UserError
from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.tables import FRAMES, write_table
from tracklearn.mining.tracking import kcf as module
from tracklearn.mining.tracking.kcf import Track, Tracking, bounded, track_shard
from tracklearn.mining.tracking.opencv_kcf import fast_side
from tracklearn.videos import frames
from tracklearn.videos.deadline import TimeLimitError
from tracklearn.videos.frames import read_frames
from tracklearn.videos.manifest import Row, write_manifest

SMALL = {"height": HEIGHT, "width": WIDTH, "box": BOX}


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def accept(path, *rows):
    accepted = [dict(zip(("video_id", "frame", "x", "y"), row, strict=True), verdict="accepted") for row in rows]
    write_table(
        path, FRAMES, [*accepted, {"video_id": rows[0][0], "frame": 15, "verdict": "rejected", "reason": "noise"}]
    )


@pytest.fixture
def track(films, tmp_path):
    def run(*rows, **settings):
        accept(tmp_path / "frames.csv", *rows)
        metrics = track_shard(
            manifest=settings.pop("manifest", films / "manifest.tsv"),
            frames_table=tmp_path / "frames.csv",
            tracks_table=tmp_path / "tracks.csv",
            **(SMALL | settings),
        )
        return metrics, read(tmp_path / "tracks.csv")

    return run


@pytest.mark.parametrize(
    ("settings", "near"), [({}, 2), ({"side": 24}, 6), ({"side": 200}, 2), ({"tracker": "opencv", "peak": 0.5}, 4)]
)
def test_the_box_follows_the_object(track, settings, near):
    """The square moves by (1.4, 0.7) a frame, so the box by (42, 21); accepted frames may overlap.

    At a side of 24 a cell is 16 px. OpenCV's filter moves by whole pixels of the frames it sees, so it may
    end two of them away.
    """
    metrics, rows = track(("moving", 0, 45, 65), ("moving", 13, 58, 71), ("moving", 44, 89, 87), **settings)
    assert metrics == {"accepted": 3, "tracked": 3, "lost": 0}
    for row in rows:
        assert int(row["last_frame"]) == int(row["frame"]) + 30
        assert int(row["tracked_x"]) - int(row["x"]) == pytest.approx(42, abs=near)
        assert int(row["tracked_y"]) - int(row["y"]) == pytest.approx(21, abs=near)
        assert row["tracked_w"] == row["tracked_h"] == row["w"] == str(BOX)
        assert 0.4 < float(row["score"]) <= 1.01
        assert row["status"] == "tracked"


def test_the_video_may_end_before(track):
    metrics, rows = track(("moving", 45, 90, 88))
    assert metrics == {"accepted": 1, "tracked": 0, "lost": 1}
    assert (rows[0]["status"], rows[0]["reason"], rows[0]["last_frame"]) == ("lost", "video ended", "")
    assert track(("moving", 45, 90, 88), frames=29)[1][0]["status"] == "tracked"


def test_resampled_frames_are_followed(track):
    """15 frames at 15 a second are 30 native ones; at 40 a second the film has but its own."""
    _, rows = track(("moving", 0, 45, 65), ("moving", 44, 89, 87), frames=15, resample_fps=15)
    assert [row["last_frame"] for row in rows] == ["30", "74"]
    assert [int(row["tracked_x"]) - int(row["x"]) for row in rows] == pytest.approx([42, 42], abs=4)
    assert track(("moving", 46, 91, 88), frames=15, resample_fps=15)[1][0]["reason"] == "video ended"
    assert track(("moving", 0, 45, 65), frames=15, resample_fps=40)[1][0]["last_frame"] == "15"


def test_a_peak_that_none_reaches_loses_every_track(track):
    assert track(("moving", 0, 45, 65), peak=1.0)[1][0]["reason"] == "lost"


def test_the_object_may_leave_the_frame(track, tmp_path):
    write_film(tmp_path / "leaving.mp4", film(32, step=(3.5, 0), start=(120, 60)))
    write_manifest(tmp_path / "m.tsv", [Row("leaving", "", str(tmp_path / "leaving.mp4"), "ok")])
    _, rows = track(("leaving", 0, 125, 65), manifest=tmp_path / "m.tsv", visible=0.9)
    assert (rows[0]["status"], rows[0]["reason"]) == ("lost", "left the frame")
    assert rows[0]["tracked_x"] == ""
    assert 0 < int(rows[0]["last_frame"]) <= 30


@pytest.mark.parametrize(
    ("tracker", "other"), [("hog", texture(HEIGHT, WIDTH, 9)), ("opencv", np.zeros((HEIGHT, WIDTH, 3), np.uint8))]
)
def test_a_cut_loses_the_object(track, tmp_path, tracker, other):
    """OpenCV's goes on where the other scene is as rich as the first."""
    write_film(tmp_path / "cut.mp4", [frame if index < 10 else other for index, frame in enumerate(film(32))])
    write_manifest(tmp_path / "m.tsv", [Row("cut", "", str(tmp_path / "cut.mp4"), "ok")])
    _, rows = track(("cut", 0, 45, 65), manifest=tmp_path / "m.tsv", tracker=tracker)
    assert (rows[0]["status"], rows[0]["reason"]) == ("lost", "lost")
    assert int(rows[0]["last_frame"]) == 10


def test_a_video_may_take_only_so_long(track):
    _, rows = track(("moving", 0, 45, 65), timeout=1e-6)
    assert rows[0]["reason"].startswith("video failed: ")


@pytest.mark.parametrize("error", [TimeLimitError("time limit of 9 s"), UserError("cannot be read on")])
def test_what_had_arrived_before_a_failure_is_tracked(track, monkeypatch, error):
    """Reading ends at frame 40: the first box has arrived, the second not, and for the third the film is too short."""
    queries = [("moving", 0, 45, 65), ("moving", 20, 65, 75), ("moving", 60, 105, 95)]
    whole = track(*queries)[1]

    def broken(*args, **settings):
        for index, image in read_frames(*args, **settings):
            if index == 40:
                raise error
            yield index, image

    monkeypatch.setattr(module, "read_frames", broken)
    metrics, rows = track(*queries)
    assert rows[0] == whole[0]
    assert [row["reason"] for row in rows] == ["", f"video failed: {error}", "video ended"]
    assert metrics == {"accepted": 3, "tracked": 1, "lost": 2}


@pytest.mark.parametrize("overlays", [True, False])
def test_boxes_keep_off_black_bars(tmp_path, overlays):
    """The square wanders down behind a bar of 40 px at the bottom of the frame, and the box stops above it."""
    write_film(tmp_path / "wide.mp4", (letterboxed(frame, 40) for frame in film(75, start=(20, 55))))
    write_manifest(tmp_path / "m.tsv", [Row("wide", "", str(tmp_path / "wide.mp4"), "ok")])
    shard = {"manifest": tmp_path / "m.tsv", "frames_table": tmp_path / "frames.csv"}
    filter_shard(**shard, overlays=overlays, every=5, **SMALL)
    track_shard(**shard, tracks_table=tmp_path / "tracks.csv", **SMALL)
    accepted = [row for row in read(tmp_path / "frames.csv") if row["verdict"] == "accepted"]
    pictures = {tuple(row[name] for name in ("left", "top", "right", "bottom")) for row in accepted}
    tracked = [int(row["tracked_y"]) for row in read(tmp_path / "tracks.csv") if row["status"] == "tracked"]
    assert len(tracked) >= 3
    if overlays:
        (picture,) = pictures
        assert [int(at) for at in picture] == pytest.approx([0, 40, WIDTH, HEIGHT - 40], abs=1)
        assert max(tracked) == int(picture[3]) - BOX
    else:
        assert pictures == {("", "", "", "")}
        assert max(tracked) > HEIGHT - 40 - BOX


def letterboxed(frame, bar):
    """The frame with black bars at the top and at the bottom."""
    frame = frame.copy()
    frame[:bar] = frame[-bar:] = 0
    return frame


@pytest.mark.parametrize("tracker", ["hog", "opencv"])
def test_decoding_ends_with_the_last_box(track, tmp_path, monkeypatch, tracker):
    """Of a film without B-frames, 75 frames long, those after the cut are not decoded."""
    images = [frame if index < 10 else np.zeros_like(frame) for index, frame in enumerate(film(75))]
    path = encode(tmp_path / "cut.mp4", images, options={"bf": "0", "g": "75", "sc_threshold": "0"})
    write_manifest(tmp_path / "m.tsv", [Row("cut", "", str(path), "ok")])
    given, decode = [], frames._decode
    monkeypatch.setattr(frames, "_decode", lambda packet: given.extend(out := decode(packet)) or out)
    _, rows = track(("cut", 0, 45, 65), manifest=tmp_path / "m.tsv", frames=60, tracker=tracker)
    assert (rows[0]["reason"], rows[0]["last_frame"]) == ("lost", "10")
    assert len(given) <= 1 + 11  # one by `probe`


def test_progress_is_told(track):
    told = []
    track(("moving", 0, 45, 65), report=lambda step, values: told.append((step, values)))
    assert [step for step, _ in told] == list(range(1, len(told) + 1))
    assert told[-1][1]["tracked"] == 1


def test_a_video_that_has_gone_is_a_row(track, tmp_path):
    write_manifest(tmp_path / "m.tsv", [Row("v", "", str(tmp_path / "v.mp4"), "ok")])
    _, rows = track(("v", 0, 45, 65), manifest=tmp_path / "m.tsv")
    assert rows[0]["status"] == "lost"
    assert rows[0]["reason"].startswith("video failed: ")
    assert "v.mp4: no such file" in rows[0]["reason"]


def test_a_table_of_another_shard_is_refused(track):
    with pytest.raises(UserError, match=r"frames\.csv: video elsewhere is not in the manifest"):
        track(("elsewhere", 0, 45, 65))


@pytest.mark.parametrize(("tracker", "near"), [("hog", 0.5), ("opencv", 2)])
def test_one_step_of_a_track(tracker, near):
    """A track of 99 px at full scale: OpenCV halves boxes over 80 x 80, so it is exact to 2 px."""
    first, second = (
        cv2.warpAffine(texture(HEIGHT, WIDTH, 4), np.float32([[1, 0, d], [0, 1, -d]]), (WIDTH, HEIGHT)) for d in (0, 6)
    )
    if tracker == "hog":
        first, second = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second))
    track = Track(first, (101, 60), BOX, frame_size=(HEIGHT, WIDTH), tracking=Tracking(tracker=tracker))
    track.update(second)
    assert track.tracked == pytest.approx((107, 54), abs=near)
    assert track.score == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("side", "fast"), [(227, 225), (56.75, 56), (24.75, 25), (49.5, 49), (112, 112), (226, 225)])
def test_windows_are_never_of_prime_size(side, fast):
    """The window is twice as wide; where OpenCV halves it (a box over 80 x 80), the paper's box has the prime 227."""
    assert fast_side(side) == fast


def test_boxes_at_the_border():
    size = (0, 0, 300, 224)
    assert bounded((10, 20), 99, size, visible=0.75) == (10, 20)
    assert bounded((-20, 130), 99, size, visible=0.75) == (0, 125)
    assert bounded((-30, 20), 99, size, visible=0.75) is None
    assert bounded((301, 20), 99, size, visible=0.75) is None
    assert bounded((-98, 20), 99, size, visible=0.0) == (0, 20)
    assert bounded((5, 110), 99, (10, 20, 290, 190), visible=0.75) == (10, 91)
    assert bounded((5, 120), 99, (10, 20, 290, 190), visible=0.75) is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"frames": 0}, "tracking frames: 0, expected at least 1"),
        ({"tracker": "sift"}, "tracking tracker: sift, expected one of hog, opencv"),
        ({"side": 8}, "tracking side: 8, expected at least 16 px"),
        ({"padding": -1}, "tracking padding: -1, expected at least 0"),
        ({"rate": 2}, "tracking rate: 2, expected a share"),
        ({"visible": 2}, "tracking visible: 2, expected a share"),
    ],
)
def test_settings_that_cannot_be(track, setting, message):
    with pytest.raises(UserError, match=message):
        track(("moving", 0, 45, 65), **setting)
