import logging
import threading
import time

import numpy as np
import pytest
from worlds.films import film
from worlds.rough_films import encode, joined

from tracklearn.errors import UserError
from tracklearn.mining import tables as shard
from tracklearn.mining.tables import AHEAD, Progress, each_video, sampled, spread, timeline
from tracklearn.report import progress as lines
from tracklearn.videos.deadline import check_time
from tracklearn.videos.manifest import Row
from tracklearn.videos.packets import packet_table


@pytest.mark.parametrize(
    ("fps", "resample_fps", "expected"),
    [
        (30.0, 30, list(range(12))),
        (60.0, 30, [0, 2, 4, 6, 8, 10]),
        (50.0, 20, [0, 3, 5, 8, 10]),  # 0, 2.5, 5, 7.5, 10: halves go up
        (25.0, 30, list(range(12))),  # never more than there are
        (29.97, 15, [0, 2, 4, 6, 8, 10]),
    ],
)
@pytest.mark.parametrize("times", [np.arange(12), 1001 * np.arange(12) - 7])
def test_frames_are_the_nearest_native_ones(times, fps, resample_fps, expected):
    assert sampled(times, fps / resample_fps) == expected


def test_one_frame():
    assert sampled(np.array([90]), 0.1) == sampled(np.array([90]), 10.0) == [0]


def test_uneven_frames_by_hand():
    """Frames 110 ms apart in the mean; samples every 110 ms: 0, 110 (nearest: 40), 220, 330, 440 (all 300), 550."""
    assert sampled(np.array([0, 10, 20, 40, 300, 550]), 1.0) == [0, 3, 4, 5]


@pytest.mark.parametrize("seed", range(6))
def test_samples_are_those_of_the_loop(seed):
    """Where no two frames are equally near."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(1, 1000, rng.integers(2, 40)))
    mean = (times[-1] - times[0]) / (len(times) - 1)
    step = float(rng.uniform(0.2, 4))
    samples = np.arange(0, len(times) - 0.5, step) * mean
    nearest = [int(np.argmin(np.abs(times - times[0] - sample))) for sample in samples]
    assert sampled(times, step) == list(dict.fromkeys(nearest))


def test_a_film_of_variable_rate_is_sampled_evenly_in_time(tmp_path):
    """20 frames at 50 a second, then 20 at 10: at 10 a second every fifth of the first, all of the others."""
    times = [*range(0, 400, 20), *range(400, 2400, 100)]
    path = encode(tmp_path / "variable.mkv", film(40), times=times)
    assert timeline(path, 10) == [*range(0, 20, 5), *range(20, 40)]
    assert timeline(path, 5) == [0, 10, *range(20, 40, 2)]
    assert timeline(path, None) == list(range(40))


def test_a_film_without_times_is_sampled_by_its_mean_rate(tmp_path):
    """Two broadcasts one after the other, whose times begin anew: 24 frames at 25 a second."""
    broadcast = encode(tmp_path / "one.ts", film(12), rate=25)
    path = joined(broadcast, broadcast, tmp_path / "two.ts")
    assert len(packet_table(path).times) == 0
    assert timeline(path, 12.5) == list(range(0, 24, 2))


def test_spreading():
    assert spread(list(range(9)), 3) == [0, 4, 8]
    assert spread(range(100, 110), 4) == [100, 103, 106, 109]
    assert spread([1, 2], 3) == [1, 2]
    assert spread([1, 2], 0) == []


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
    caplog.set_level(logging.INFO, lines.name)
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


def test_progress_is_told_to_people_every_ten_seconds(monkeypatch, caplog):
    clock = [1000.0]
    monkeypatch.setattr(shard.time, "monotonic", lambda: clock[0])
    caplog.set_level(logging.INFO, lines.name)
    videos = rows(40)
    progress = Progress("tracked", videos, lambda step, values: None)
    for video in videos:
        clock[0] += 4
        progress.add(video, 1)
    assert [int(line.split()[0]) for line in caplog.messages] == list(range(3, 40, 3))


def test_progress_of_videos_of_which_nothing_is_known():
    points = []
    videos = [Row("a", ""), Row("b", "")]
    progress = Progress("pairs", videos, lambda step, values: points.append(values))
    for video in videos:
        progress.add(video, 0)
    assert points[0]["minutes_left"] > 0
    assert points[1]["minutes_left"] == 0
