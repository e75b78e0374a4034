import pytest

from tracklearn.mining.shard import timeline
from tracklearn.videos.frames import Probe


@pytest.mark.parametrize(
    ("fps", "resample_fps", "expected"),
    [
        (25.0, None, list(range(12))),
        (30.0, 30, list(range(12))),
        (60.0, 30, [0, 2, 4, 6, 8, 10]),
        (50.0, 20, [0, 3, 5, 8, 10]),  # 0, 2.5, 5, 7.5, 10: halves go up
        (25.0, 30, list(range(12))),  # never more than there are
        (29.97, 15, [0, 2, 4, 6, 8, 10]),
    ],
)
def test_frames_are_the_nearest_native_ones(fps, resample_fps, expected):
    found = Probe(frames=12, fps=fps, width=4, height=3, duration=12 / fps, rotation=0)
    assert timeline(found, resample_fps) == expected


def test_no_frames():
    assert timeline(Probe(frames=0, fps=25, width=4, height=3, duration=0, rotation=0), 10) == []
