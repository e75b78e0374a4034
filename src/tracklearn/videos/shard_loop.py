"""The loop over a shard's videos: several videos at once, each with a time limit, results in the order of the list."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tracklearn.machine.threads import one_opencv_thread
from tracklearn.videos.deadline import time_limit
from tracklearn.videos.manifest import ManifestRow

Result = TypeVar("Result")

AHEAD = 4  # videos begun a thread before their results are fetched; the pairs of a video take some 4 MB


def each_video(
    work: Callable[[ManifestRow], Result], videos: Sequence[ManifestRow], *, threads: int, timeout: float | None = None
) -> Iterator[tuple[ManifestRow, Result]]:
    """Run `work` on `threads` videos at once, and yield each video with its result in the order of `videos`.

    The videos run in threads because decoding, SURF, optical flow and KCF release Python's lock; OpenCV's own threads
    are switched off meanwhile. At most `AHEAD` videos for each thread are begun before the first result is fetched, so
    the results that wait for a slow video do not grow with the shard.

    Args:
        work: function of one video.
        videos: rows of the shard's manifest.
        threads: videos at once.
        timeout: seconds that one video may take; after them its next packet raises `TimeLimitError` inside `work`.
    """

    def limited(video: ManifestRow) -> Result:
        with time_limit(timeout):
            return work(video)

    waiting: deque[tuple[ManifestRow, Future[Result]]] = deque()

    def first_result() -> tuple[ManifestRow, Result]:
        video, job = waiting.popleft()
        return video, job.result()

    pool = ThreadPoolExecutor(threads)
    with one_opencv_thread():
        try:
            for video in videos:
                waiting.append((video, pool.submit(limited, video)))
                if len(waiting) >= AHEAD * threads:
                    yield first_result()
            while waiting:
                yield first_result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
