"""Limits of working memory, and what a cluster is asked for. None of them changes a result."""

from collections.abc import Callable

DECODED_IMAGES_BYTES = 8e9  # decoded photos that a training keeps in memory; the others are decoded again each time
BOOTSTRAP_VALUES = 4_000_000  # values of one working array of the bootstrap: 32 MB in double precision

JOB_MB = 8000
"""Memory of a process without decoded images, in MB.

A step of the full network on a CPU takes 2.8 GB at 256 images. In the small world, scripts with a network take 0.5 to
2.7 GB, and other scripts take 0.1 to 0.35 GB (docs/workflow.md).
"""
TRAINING_MB = JOB_MB + round(DECODED_IMAGES_BYTES / 1e6)
"""Memory of each process of a training that keeps decoded images, in MB."""


def memory(megabytes: int) -> Callable[[object, int], int]:
    """What a rule asks for: after a failure, which may have been for want of memory, the next attempt gets more.

    Returns:
        The memory in MB by wildcards and `attempt`, which counts from 1: each attempt gets as much again.
    """
    return lambda wildcards, attempt: attempt * megabytes
