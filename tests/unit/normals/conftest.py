import numpy as np
import pytest
from scipy.io import savemat
from worlds.rooms import room

from tracklearn.normals.camera import KINECT
from tracklearn.normals.nyuv2_writing import Frame, write_nyuv2

CAMERA = KINECT.at(64, 48)


def rooms(count):
    """Views of a room by a camera that turns to both sides and looks down a little."""
    rng = np.random.default_rng(5)
    return [room(CAMERA, turned=rng.uniform(-0.6, 0.6), tilted=rng.uniform(-0.4, 0.1)) for _ in range(count)]


@pytest.fixture(scope="session")
def views():
    return rooms(8)


@pytest.fixture(scope="session")
def photos(views):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in views]


@pytest.fixture
def nyuv2(views, photos, tmp_path):
    """A file in NYUv2's layout; in the last two columns the Kinect measured nothing."""
    raws = [np.where(np.arange(64) < 62, view.depth, 0) for view in views]
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    frames = (Frame(photo, view.depth, raw) for photo, view, raw in zip(photos, views, raws, strict=True))
    write_nyuv2(path, frames, len(views))
    return path


@pytest.fixture
def write_split(tmp_path):
    """Writes a split with these numbers of images, from 1, and returns its path."""

    def write(**parts):
        path = tmp_path / "splits.mat"
        savemat(path, {name: np.array(numbers).reshape(-1, 1) for name, numbers in parts.items()})
        return path

    return write
