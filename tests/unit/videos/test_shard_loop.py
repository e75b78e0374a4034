import ctypes
import faulthandler
import os
import signal
import time

import pytest

from tracklearn.errors import UserError
from tracklearn.videos import shard_loop
from tracklearn.videos.deadline import check_time
from tracklearn.videos.manifest import ManifestRow
from tracklearn.videos.shard_loop import AHEAD, MOST_CRASHES, each_video


def some_videos(count):
    return [ManifestRow(f"v{number}", "", status="ok") for number in range(count)]


def results(work, videos, **options):
    """The results in the order of the videos, without those."""
    found = list(each_video(work, videos, **options))
    assert [video for video, _ in found] == videos
    return [result for _, result in found]


def crash(number=signal.SIGSEGV):
    faulthandler.disable()
    os.kill(os.getpid(), number)


def reading(act):
    """Work that reads its video as mining does: the result is the reason for which reading ended, or "read"."""

    def work(video):
        try:
            check_time()
            act(video)
            check_time()
        except UserError as error:
            return str(error)
        return "read"

    return work


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_videos(threads):
    def work(video):
        time.sleep(0.1 if video.video_id == "v0" else 0)
        return video.video_id

    videos = some_videos(20)
    assert results(work, videos, threads=threads) == [video.video_id for video in videos]


def test_videos_run_at_the_same_time(tmp_path):
    """Each of two videos waits until the other one has begun."""

    def work(video):
        (tmp_path / video.video_id).touch()
        for _ in range(600):
            if len(list(tmp_path.iterdir())) == 2:
                return "met"
            time.sleep(0.1)
        return "alone"

    assert results(work, some_videos(2), threads=2) == ["met", "met"]


def test_the_number_of_waiting_results_is_bounded(tmp_path):
    """Before the first result is there, at most AHEAD videos a process have begun, however large the shard is."""

    def begun():
        return {path.name for path in tmp_path.iterdir()}

    def work(video):
        (tmp_path / video.video_id).touch()
        if video.video_id == "v0":
            for _ in range(600):
                if len(begun()) >= AHEAD * 2:
                    break
                time.sleep(0.1)
            time.sleep(0.2)  # time to begin more
            return begun()
        return None

    first, *others = results(work, some_videos(100), threads=2)
    assert first == {f"v{number}" for number in range(AHEAD * 2)}
    assert others == [None] * 99


def test_the_time_limit_holds_for_each_video_alone():
    """It counts from the start of the video's own work, however long the video waited before."""

    def slow(video):
        if video.video_id == "v1":
            time.sleep(1)

    first, second, *others = results(reading(slow), some_videos(12), threads=1, timeout=0.9)
    assert second.startswith("time limit of 0.9 s; to try it again, raise mining.timeout")
    assert {first, *others} == {"read"}
    check_time()  # no limit holds after the loop


def test_an_error_ends_the_loop(tmp_path):
    def work(video):
        (tmp_path / video.video_id).touch()
        if video.video_id == "v0":
            raise UserError("the disk is full")

    with pytest.raises(UserError, match="the disk is full"):
        list(each_video(work, some_videos(50), threads=1))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_a_decoder_that_hangs_costs_one_video(monkeypatch, threads, caplog):
    """The call keeps Python's lock and never returns."""
    monkeypatch.setattr(shard_loop, "GRACE", 1.0)

    def hang(video):
        if video.video_id == "v1":
            ctypes.PyDLL(None).pause()

    found = results(reading(hang), some_videos(4), threads=threads, timeout=1.0)
    reason = (
        "time limit of 1 s, and a call did not return; to try it again, raise mining.timeout and run with --forcerun "
        "and the name of this table"
    )
    assert found == ["read", reason, "read", "read"]
    assert caplog.messages == [f"video v1: {reason}"]


def test_a_decoder_that_crashes_costs_one_video():
    numbers = {"v1": signal.SIGSEGV, "v4": signal.SIGABRT}

    def act(video):
        if video.video_id in numbers:
            crash(numbers[video.video_id])

    found = results(reading(act), some_videos(7), threads=2)
    remedy = "; to try it again, run with --forcerun and the name of this table"
    assert found == [
        "read",
        f"its process was ended by SIGSEGV (Segmentation fault){remedy}",
        *["read"] * 2,
        f"its process was ended by SIGABRT (Aborted){remedy}",
        *["read"] * 2,
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_video_whose_process_was_killed_is_tried_again(tmp_path, threads, caplog):
    """Memory may have run out by what another process did: its result is that of a quiet machine."""

    def act(video):
        if video.video_id == "v1" and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            crash(signal.SIGKILL)

    assert results(reading(act), some_videos(4), threads=threads) == ["read"] * 4
    assert caplog.messages == [
        "video v1: its process was ended by SIGKILL (as when memory runs out); it is tried once more"
    ]


def test_a_video_whose_process_is_killed_twice_is_an_error(tmp_path):
    def act(video):
        if video.video_id == "v1":
            (tmp_path / str(os.getpid())).touch()
            crash(signal.SIGKILL)

    message = "^video v1: its process was ended by SIGKILL .*, twice: use fewer threads or give the job more memory"
    with pytest.raises(UserError, match=message):
        results(reading(act), some_videos(4), threads=1)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_machine_on_which_every_video_crashes_is_an_error(tmp_path):
    def act(video):
        (tmp_path / video.video_id).touch()
        crash()

    message = rf"video v9: its process was ended by SIGSEGV .*; {MOST_CRASHES} processes in a row crashed: check memory"
    with pytest.raises(UserError, match=message):
        results(reading(act), some_videos(100), threads=1)
    assert len(list(tmp_path.iterdir())) == MOST_CRASHES


def test_crashes_apart_are_no_error():
    def act(video):
        if int(video.video_id[1:]) % MOST_CRASHES:
            crash()

    found = results(reading(act), some_videos(3 * MOST_CRASHES), threads=1)
    assert [reason == "read" for reason in found] == [place % MOST_CRASHES == 0 for place in range(len(found))]


def test_work_that_crashes_without_a_video_is_an_error():
    message = r"^video v0: its process was ended by SIGSEGV .*, although it opened no video: check memory and libraries"
    with pytest.raises(UserError, match=message):
        list(each_video(lambda _: crash(), some_videos(3), threads=1))


def test_work_that_hangs_without_a_video_is_an_error(monkeypatch):
    monkeypatch.setattr(shard_loop, "GRACE", 0.2)
    message = "^video v0: its process took too long, although it opened no video: check memory and libraries"
    with pytest.raises(UserError, match=message):
        list(each_video(lambda _: ctypes.PyDLL(None).pause(), some_videos(3), threads=1, timeout=0.2))


def test_a_loop_that_is_left_early_ends_its_processes(tmp_path):
    def work(video):
        (tmp_path / str(os.getpid())).touch()
        if video.video_id != "v0":
            ctypes.PyDLL(None).pause()

    loop = each_video(work, some_videos(3), threads=2)
    next(loop)
    loop.close()
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name), 0)
