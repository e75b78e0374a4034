import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tracklearn.normals.nyuv2 import Nyuv2, read_split


@pytest.fixture
def given(tmp_path):
    """Three photos of 8 x 6 pixels; the depth of photo n is stored as n * 10 + 7 in every pixel but the first."""
    folder = tmp_path / "given"
    for name in ("nyuv2/images", "nyuv2/depths", "splits"):
        (folder / name).mkdir(parents=True)
    for number in (1, 2, 3):
        depth = np.full((6, 8), number * 10 + 7, np.uint8)
        depth[0, 0] = 255
        Image.fromarray(depth).save(folder / f"nyuv2/depths/{number:04d}.png")
        Image.fromarray(np.full((6, 8, 3), number * 50, np.uint8)).save(folder / f"nyuv2/images/{number:04d}.jpg")
    savemat(folder / "splits/nyuv2_splits.mat", {"trainNdxs": [[1], [3]], "testNdxs": [[2]]})
    return folder


@pytest.fixture
def prepare(repository, tmp_path, given):
    """Runs a copy of examples/real_nyu/prepare.py."""
    script = tmp_path / "example/prepare.py"
    script.parent.mkdir()
    shutil.copy(repository / "examples/real_nyu/prepare.py", script)
    return lambda: subprocess.run([sys.executable, script, given], capture_output=True, text=True, check=False)


def test_photos_and_depths_become_one_file_in_the_official_layout(prepare, tmp_path):
    run = prepare()
    assert run.returncode == 0, run.stderr
    data = tmp_path / "example/data/nyuv2"
    with Nyuv2(data / "nyu_depth_v2_labeled.mat") as file:
        assert len(file) == 3
        assert not file.has_raw
        assert file.photo(1).shape == (6, 8, 3)
        assert abs(file.photo(1).astype(int) - 100).max() <= 2
        assert file.depth(1)[5, 7] == pytest.approx(27.5 / 25.5)
        assert file.depth(1)[0, 0] == pytest.approx(255.5 / 25.5)
    split = read_split(data / "splits.mat", 3)
    assert (split.train.tolist(), split.test.tolist()) == ([0, 2], [1])


def test_a_photo_without_depth_is_named(prepare, given):
    (given / "nyuv2/depths/0002.png").unlink()
    run = prepare()
    assert run.returncode == 1
    assert run.stderr.strip().endswith("nyuv2/depths: no 0002.png in it; expected the depth of every photo")
    assert run.stderr.count("\n") == 1


def test_a_folder_without_photos_is_named(prepare, given):
    shutil.rmtree(given / "nyuv2")
    assert "expected photos in nyuv2/images and splits/nyuv2_splits.mat" in prepare().stderr
