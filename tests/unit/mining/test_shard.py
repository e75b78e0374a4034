import logging
import threading
import time

import pytest

from tracklearn.errors import UserError
from tracklearn.mining import shard
from tracklearn.mining.shard import AHEAD, Progress, each_video, timeline
from tracklearn.videos.deadline import check_time
from tracklearn.videos.frames import Probe
from tracklearn.videos.manifest import Row


@pytest.mark.parametrize(
    ("fps", "resample_fps", "expected"),
    [
        (25.0, None, list(range(12))),
        (30.0, 30, list(range(12))),
        (60.0, 30, [0, 2, 4, 6, 8, 10]),
        (50.0, 20, [0, 3, 5, 8, 10]),  # 0, 2.5, 5, 7.5, 10: halves go up
        (25.0, 30, list(range(12))),  # never more than there are
        (29.97, 15, [0, 2, 4, 6, 8, 10]),
    ],
)
def test_frames_are_the_nearest_native_ones(fps, resample_fps, expected):
    found = Probe(frames=12, fps=fps, width=4, height=3, duration=12 / fps, rotation=0)
    assert timeline(found, resample_fps) == expected


def test_no_frames():
    assert timeline(Probe(frames=0, fps=25, width=4, height=3, duration=0, rotation=0), 10) == []


def rows(count):
    return [Row(f"v{number}", "", status="ok") for number in range(count)]


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_videos(threads):
    def work(video):
        time.sleep(0.01 if video.video_id == "v0" else 0)
        return video.video_id

    videos = rows(20)
    assert list(each_video(work, videos, threads=threads)) == [(video, video.video_id) for video in videos]


def test_results_that_wait_are_bounded():
    """While nothing is fetched, no more than AHEAD videos a thread are begun, however large the shard."""
    begun = []
    results = each_video(lambda video: begun.append(video.video_id), rows(100), threads=2)
    next(results)
    time.sleep(0.05)
    assert 1 <= len(begun) <= AHEAD * 2
    assert len(list(results)) == 99
    assert len(begun) == 100


def test_a_slow_video_meets_its_limit_alone():
    """The limit counts from the start of the video's own work, whatever waited before it."""

    def work(video):
        steps = 60 if video.video_id == "v1" else 2
        try:
            for _ in range(steps):
                time.sleep(0.01)
                check_time()
        except UserError as error:
            return str(error)
        return "done"

    found = [result for _, result in each_video(work, rows(12), threads=1, timeout=0.3)]
    assert found.pop(1).startswith("time limit of 0.3 s")
    assert found == ["done"] * 11
    check_time()  # no limit is left behind


def test_an_error_stops_the_videos_that_have_not_begun():
    begun, go = [], threading.Event()

    def work(video):
        begun.append(video.video_id)
        if video.video_id == "v0":
            raise UserError("the disk is full")
        go.wait(0.05)

    with pytest.raises(UserError, match="the disk is full"):
        list(each_video(work, rows(50), threads=1))
    assert len(begun) <= 2


def test_progress_goes_by_the_frames_that_are_done(monkeypatch, caplog):
    """By hand: 100 of 400 frames in 30 s leave 90 s; 12 pairs in half a minute are 24 a minute."""
    clock = [1000.0]
    monkeypatch.setattr(shard.time, "monotonic", lambda: clock[0])
    caplog.set_level(logging.INFO, "tracklearn.mining.shard")
    points = []
    videos = [Row("a", "", status="ok", frames=100), Row("b", "", status="ok", frames=300)]
    progress = Progress("pairs", videos, lambda step, values: points.append((step, values)))
    clock[0] += 30
    progress.add(videos[0], 12)
    clock[0] += 60
    progress.add(videos[1], 6)
    assert points == [
        (1, {"videos": 1, "pairs": 12, "pairs_per_minute": pytest.approx(24), "minutes_left": pytest.approx(1.5)}),
        (2, {"videos": 2, "pairs": 18, "pairs_per_minute": pytest.approx(12), "minutes_left": 0}),
    ]
    assert caplog.messages[0] == "1 of 2 videos, 12 pairs, 24.0 a minute, 1.5 minutes left"


def test_progress_of_videos_of_which_nothing_is_known():
    points = []
    videos = [Row("a", ""), Row("b", "")]
    progress = Progress("pairs", videos, lambda step, values: points.append(values))
    for video in videos:
        progress.add(video, 0)
    assert points[0]["minutes_left"] > 0
    assert points[1]["minutes_left"] == 0
