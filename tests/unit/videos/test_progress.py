import logging

import pytest

from tracklearn.report import progress as log
from tracklearn.videos import progress as module
from tracklearn.videos.manifest import ManifestRow
from tracklearn.videos.progress import ShardProgress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves: `clock[0] += seconds`."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_follows_from_the_frames_that_are_done(clock, caplog):
    """By hand: 100 of 400 frames in 30 s leave 90 s; 12 pairs in half a minute are 24 a minute."""
    caplog.set_level(logging.INFO, log.name)
    points = []
    videos = [ManifestRow("a", "", status="ok", frames=100), ManifestRow("b", "", status="ok", frames=300)]
    progress = ShardProgress("pairs", videos, lambda step, values: points.append((step, values)))
    clock[0] += 30
    progress.add(videos[0], 12)
    clock[0] += 60
    progress.add(videos[1], 6)
    assert points == [
        (1, {"videos": 1, "pairs": 12, "pairs_per_minute": pytest.approx(24), "minutes_left": pytest.approx(1.5)}),
        (2, {"videos": 2, "pairs": 18, "pairs_per_minute": pytest.approx(12), "minutes_left": 0}),
    ]
    assert caplog.messages[0] == "1 of 2 videos, 12 pairs, 24.0 a minute, 1.5 minutes left"


def test_a_line_is_logged_every_ten_seconds(clock, caplog):
    caplog.set_level(logging.INFO, log.name)
    videos = [ManifestRow(f"v{number}", "", status="ok") for number in range(40)]
    progress = ShardProgress("tracked", videos, lambda step, values: None)
    for video in videos:
        clock[0] += 4
        progress.add(video, 1)
    assert [int(line.split()[0]) for line in caplog.messages] == list(range(3, 40, 3))


def test_videos_of_unknown_length_count_alike():
    points = []
    videos = [ManifestRow("a", ""), ManifestRow("b", "")]
    progress = ShardProgress("pairs", videos, lambda step, values: points.append(values))
    for video in videos:
        progress.add(video, 0)
    assert points[0]["minutes_left"] > 0
    assert points[1]["minutes_left"] == 0
