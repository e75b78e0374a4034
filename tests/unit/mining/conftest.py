import numpy as np
import pytest

from tracklearn.videos.frames import read_frames


@pytest.fixture(scope="session")
def real_frames(real_data) -> list[np.ndarray]:
    """Luma of one frame of each of six real clips, uint8 (448, 600)."""
    clips = ("bottles.mp4", "cat.mp4", "cockatoo.mp4", "cups.mp4", "mmaction_test.mp4", "persons.mp4")
    return [next(read_frames(real_data / "videos" / clip, size=(448, 600), indices=[20]))[1] for clip in clips]
