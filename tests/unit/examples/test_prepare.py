import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def prepare(repository, tmp_path):
    """Runs a copy of examples/real_mini/prepare.py on a folder of one clip and no photo."""
    (tmp_path / "given/videos").mkdir(parents=True)
    (tmp_path / "given/videos/clip.mp4").touch()
    (tmp_path / "given/voc_mini/VOCdevkit").mkdir(parents=True)
    (tmp_path / "given/scenes_sun8").mkdir()
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


def test_a_folder_in_the_place_of_the_link_is_kept_and_named(prepare, tmp_path):
    photos = tmp_path / "example/data/VOCdevkit/VOC2012"
    photos.mkdir(parents=True)
    run = prepare()
    assert run.returncode == 1
    assert run.stderr.startswith(f"{photos.parent}: expected no file or folder there, but a link to ")
    assert run.stderr.count("\n") == 1
    assert photos.is_dir()
