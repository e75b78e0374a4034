import threading
import time

import pytest

from tracklearn.errors import UserError
from tracklearn.videos.deadline import check_time
from tracklearn.videos.manifest import ManifestRow
from tracklearn.videos.shard_loop import AHEAD, each_video


def some_videos(count):
    return [ManifestRow(f"v{number}", "", status="ok") for number in range(count)]


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_videos(threads):
    def work(video):
        time.sleep(0.01 if video.video_id == "v0" else 0)
        return video.video_id

    videos = some_videos(20)
    assert list(each_video(work, videos, threads=threads)) == [(video, video.video_id) for video in videos]


def test_the_number_of_waiting_results_is_bounded():
    """After the first result was fetched, at most AHEAD videos a thread have begun, however large the shard is."""
    begun = []
    results = each_video(lambda video: begun.append(video.video_id), some_videos(100), threads=2)
    next(results)
    time.sleep(0.05)
    assert 1 <= len(begun) <= AHEAD * 2
    assert len(list(results)) == 99
    assert len(begun) == 100


def test_the_time_limit_holds_for_each_video_alone():
    """It counts from the start of the video's own work, however long the video waited before."""

    def work(video):
        steps = 60 if video.video_id == "v1" else 2
        try:
            for _ in range(steps):
                time.sleep(0.01)
                check_time()
        except UserError as error:
            return str(error)
        return "done"

    found = [result for _, result in each_video(work, some_videos(12), threads=1, timeout=0.3)]
    assert found.pop(1).startswith("time limit of 0.3 s")
    assert found == ["done"] * 11
    check_time()  # no limit holds after the loop


def test_an_error_stops_the_videos_that_have_not_begun():
    begun, go = [], threading.Event()

    def work(video):
        begun.append(video.video_id)
        if video.video_id == "v0":
            raise UserError("the disk is full")
        go.wait(0.05)

    with pytest.raises(UserError, match="the disk is full"):
        list(each_video(work, some_videos(50), threads=1))
    assert len(begun) <= 2
