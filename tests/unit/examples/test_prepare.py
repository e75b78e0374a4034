import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tracklearn.normals.nyuv2 import Nyuv2, read_split


@pytest.fixture
def prepare(repository, tmp_path):
    """Runs a copy of examples/real_mini/prepare.py on a folder of one clip and two pictures of NYUv2."""
    (tmp_path / "given/videos").mkdir(parents=True)
    (tmp_path / "given/videos/clip.mp4").touch()
    (tmp_path / "given/voc_mini/VOCdevkit").mkdir(parents=True)
    (tmp_path / "given/scenes_sun8").mkdir()
    for name in ("nyuv2/images", "nyuv2/depths", "splits"):
        (tmp_path / "given" / name).mkdir(parents=True)
    for number in (1, 2):
        Image.new("RGB", (8, 6)).save(tmp_path / f"given/nyuv2/images/{number:04d}.jpg")
        Image.fromarray(np.full((6, 8), 50 * number, np.uint8)).save(tmp_path / f"given/nyuv2/depths/{number:04d}.png")
    savemat(tmp_path / "given/splits/nyuv2_splits.mat", {"trainNdxs": [[1]], "testNdxs": [[2]]})
    script = tmp_path / "example/prepare.py"
    script.parent.mkdir()
    shutil.copy(repository / "examples/real_mini/prepare.py", script)
    command = [sys.executable, script, tmp_path / "given"]
    return lambda: subprocess.run(command, capture_output=True, text=True, check=False)


def test_clips_are_listed_and_photos_linked(prepare, tmp_path):
    for _ in range(2):
        assert prepare().returncode == 0
        listed = (tmp_path / "example/data/videos.tsv").read_text()
        assert listed == f"video_id\tsource\nclip\t{tmp_path}/given/videos/clip.mp4\n"
        assert (tmp_path / "example/data/VOCdevkit").resolve() == tmp_path / "given/voc_mini/VOCdevkit"
        assert (tmp_path / "example/data/scenes").resolve() == tmp_path / "given/scenes_sun8"


def test_nyuv2_becomes_a_file_of_the_official_layout_once(prepare, tmp_path):
    assert prepare().returncode == 0
    folder = tmp_path / "example/data/nyuv2"
    with Nyuv2(folder / "nyu_depth_v2_labeled.mat") as file:
        assert [file.depth(number)[0, 0] for number in range(2)] == pytest.approx([50.5 / 25.5, 100.5 / 25.5])
    assert read_split(folder / "splits.mat", 2).test.tolist() == [1]
    made = (folder / "nyu_depth_v2_labeled.mat").stat().st_mtime_ns
    assert prepare().returncode == 0
    assert (folder / "nyu_depth_v2_labeled.mat").stat().st_mtime_ns == made


def test_missing_pictures_of_nyuv2_are_named(prepare, tmp_path):
    shutil.rmtree(tmp_path / "given/nyuv2/images")
    run = prepare()
    assert run.returncode == 1
    assert run.stderr.endswith(
        "expected photos in nyuv2/images and splits/nyuv2_splits.mat; give their folder as DATA=\n"
    )
    assert run.stderr.count("\n") == 1


def test_a_folder_in_the_place_of_the_link_is_kept_and_named(prepare, tmp_path):
    photos = tmp_path / "example/data/VOCdevkit/VOC2012"
    photos.mkdir(parents=True)
    run = prepare()
    assert run.returncode == 1
    assert run.stderr.startswith(f"{photos.parent}: expected no file or folder there, but a link to ")
    assert run.stderr.count("\n") == 1
    assert photos.is_dir()
