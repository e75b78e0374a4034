"""Memory that is kept is not taken anew: counted by the system, in page faults."""

import resource
import sys

import pytest
import torch

from tracklearn.training.memory import memory_kept


def faults():
    """Page faults of ten tensors of 40 MB, one after the other."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.zeros(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_pages_are_kept_in_the_block_only():
    with memory_kept():
        faults()
        kept = faults()
    assert kept < 100
    assert faults() > 10 * (kept + 100)
