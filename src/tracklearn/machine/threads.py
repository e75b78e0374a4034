"""Limits on the threads of libraries."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def limit_threads(threads: int) -> None:
    """Limit BLAS, OpenMP, OpenCV, numba and torch to `threads` threads in this process."""
    for variable in ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR"):
        os.environ[f"{variable}_NUM_THREADS"] = str(threads)
    os.environ["OPENCV_FOR_THREADS_NUM"] = str(threads)
    # Libraries that are already loaded do not read these variables again; the others are not loaded here.
    if "numpy" in sys.modules:
        import threadpoolctl  # noqa: PLC0415

        threadpoolctl.threadpool_limits(limits=threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Limit OpenCV to one thread: for code whose own threads each work on a different image or video."""
    import cv2  # noqa: PLC0415 (every job imports this module, and many need no OpenCV)

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
