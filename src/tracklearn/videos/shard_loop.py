"""The loop over a shard's videos: several videos at once, each with a time limit, results in the order of the list."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tracklearn.errors import UserError
from tracklearn.machine.threads import one_opencv_thread
from tracklearn.machine.workers import Lost, Workers
from tracklearn.videos.deadline import lost_error, no_reading, time_limit
from tracklearn.videos.manifest import ManifestRow

Result = TypeVar("Result")

AHEAD = 4  # videos begun a thread before their results are fetched; the pairs of a video take some 4 MB
GRACE = 60.0  # seconds beyond the time limit, to read to the next packet and to finish with what was read
MOST_CRASHES = 10  # of processes in a row, after which the fault is taken to lie in the machine and not in the videos

log = logging.getLogger(__name__)


def each_video(
    work: Callable[[ManifestRow], Result],
    videos: Sequence[ManifestRow],
    *,
    threads: int,
    timeout: float | None = None,
) -> Iterator[tuple[ManifestRow, Result]]:
    """Run `work` on `threads` videos at once, and yield each video with its result in the order of `videos`.

    The videos run in forked processes, because a broken video may crash a decoder, or keep it in a call that never
    returns. If a video does so, its process is killed, and `work` is called once more, in a new process where no video
    can be opened: then its result is that of an unreadable video. A video whose process is killed from outside, as by
    Linux when memory runs out, is tried once more. At most `AHEAD` videos for each process are begun
    before the first result is fetched, so the results that wait for a slow video do not grow with the shard.

    Args:
        work: function of one video; its result must pickle. What it changes in memory changes nothing here.
        videos: rows of the shard's manifest.
        threads: videos at once, each in a process of one thread.
        timeout: seconds that one video may take; after them its next packet raises `TimeLimitError` inside `work`, and
            after `GRACE` more seconds its process is killed.

    Raises:
        UserError: as `work`; or `MOST_CRASHES` processes in a row crashed, or one that opened no video, or a video's
            process was killed from outside twice.
    """
    tasks: deque[tuple[int, UserError | None]] = deque((place, None) for place in range(len(videos)))
    results: dict[int, Result] = {}
    crashes = 0  # in a row
    killed: set[int] = set()

    def limited(task: tuple[int, UserError | None]) -> Result:
        place, failure = task
        with no_reading(failure) if failure else time_limit(timeout):
            return work(videos[place])

    def begin(fetched: int) -> None:
        while workers.free and tasks and tasks[0][0] < fetched + AHEAD * threads:
            workers.begin(tasks.popleft())

    def settle(place: int, failure: UserError | None, outcome: Result | Lost) -> None:
        nonlocal crashes
        if not isinstance(outcome, Lost):
            results[place] = outcome
            crashes = crashes if failure else 0
            return
        name, what = f"video {videos[place].video_id}", f"its process {outcome.reason}"
        if outcome.killed:
            if place in killed:
                raise UserError(f"{name}: {what}, twice: use fewer threads or give the job more memory, and run again")
            log.warning("%s: %s; it is tried once more", name, what)
            killed.add(place)
            tasks.appendleft((place, failure))
            return
        machine = "check memory and libraries of this machine, and run again"
        if failure:
            raise UserError(f"{name}: {what}, although it opened no video: {machine}")
        crashes += outcome.exit_status is not None
        if crashes == MOST_CRASHES:
            raise UserError(f"{name}: {what}; {crashes} processes in a row crashed: {machine}")
        failure = lost_error(outcome, timeout, "mining.timeout")
        log.warning("%s: %s", name, failure)
        tasks.appendleft((place, failure))

    with one_opencv_thread(), Workers(limited, threads, limit=None if timeout is None else timeout + GRACE) as workers:
        for fetched, video in enumerate(videos):
            begin(fetched)
            while fetched not in results:
                for task, outcome in workers.outcomes():
                    settle(*task, outcome)
                begin(fetched)
            yield video, results.pop(fetched)
