"""Memory between iterations."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


def keep_memory() -> None:
    """Have this process keep the memory it frees, from now on.

    The next iteration needs as much again. Given back, the system clears every page anew before it is used: a tenth of
    a step on a CPU, a quarter with bfloat16. There is no way back: glibc stops adapting its thresholds once one of them
    was set. Without glibc nothing changes.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)  # all from the heap
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
