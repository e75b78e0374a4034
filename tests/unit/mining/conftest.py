from pathlib import Path

import numpy as np
import pytest

from mining.films import film, write_film
from tracklearn.videos.frames import read_frames
from tracklearn.videos.manifest import Row, write_manifest


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> Path:
    """A folder with moving.mp4 (75 frames), still.mp4, panning.mp4 and a manifest of them and of a failed video."""
    folder = tmp_path_factory.mktemp("films")
    write_film(folder / "moving.mp4", film(75))
    write_film(folder / "still.mp4", film(35, step=(0, 0)))
    write_film(folder / "panning.mp4", film(35, step=(0, 0), pan=2))
    (folder / "broken.mp4").write_bytes(b"<html>not found</html>" * 10)
    rows = [Row(name, name, str(folder / f"{name}.mp4"), "ok") for name in ("moving", "still", "panning", "broken")]
    rows.append(Row("gone", "gone", status="failed", reason="HTTP error 404"))
    write_manifest(folder / "manifest.tsv", rows)
    return folder


@pytest.fixture(scope="session")
def real_frames(real_data) -> list[np.ndarray]:
    """Luma of a frame of each of some real clips."""
    clips = ("bottles.mp4", "cat.mp4", "cockatoo.mp4", "cups.mp4", "mmaction_test.mp4", "persons.mp4")
    return [next(read_frames(real_data / "videos" / clip, indices=[20]))[1] for clip in clips]
