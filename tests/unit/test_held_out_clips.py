import hashlib
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def clips():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(Path(__file__).parents[2]), *sys.path])
        yield importlib.import_module("benchmarks.clips")


def test_the_clips_with_the_smallest_digests_are_held_out(clips, tmp_path):
    names = [f"{number:03}.mp4" for number in range(30)]
    for name in [*names, "clips.tsv"]:
        (tmp_path / name).touch()
    chosen_on, held_out = ([clip.name for clip in part] for part in clips.web_clips(tmp_path))
    digest = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    assert len(held_out) == 20
    assert sorted(chosen_on + held_out) == names
    assert max(digest[name] for name in held_out) < min(digest[name] for name in chosen_on)


def test_the_interval_is_over_clips(clips):
    """Two clips, one wholly alike and one not at all: a draw takes one of them twice in half of the cases."""
    assert clips.bootstrap(np.array([3, 0]), np.array([3, 3])) == (0.5, 0.0, 1.0)
    assert clips.bootstrap(np.array([1, 2, 3]), np.array([2, 4, 6])) == (0.5, 0.5, 0.5)
