import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tracklearn.errors import UserError
from tracklearn.normals.nyuv2 import Nyuv2
from tracklearn.normals.nyuv2_pictures import nyuv2_from_pictures


@pytest.fixture
def folder(tmp_path):
    """Three photos of 8 x 6 pixels and their depths, in which the first pixel is unknown."""
    folder = tmp_path / "given"
    for name in ("nyuv2/images", "nyuv2/depths", "splits"):
        (folder / name).mkdir(parents=True)
    for number in (1, 2, 3):
        depth = np.full((6, 8), 50, np.uint8)
        depth[0, 0] = 0
        Image.fromarray(depth).save(folder / f"nyuv2/depths/{number:04d}.png")
        Image.fromarray(np.full((6, 8, 3), 100, np.uint8)).save(folder / f"nyuv2/images/{number:04d}.jpg")
    savemat(folder / "splits/nyuv2_splits.mat", {"trainNdxs": [[1], [3]], "testNdxs": [[2]]})
    return folder


def test_0_is_an_unknown_depth(folder, tmp_path):
    nyuv2_from_pictures(folder, tmp_path / "out")
    with Nyuv2(tmp_path / "out/nyu_depth_v2_labeled.mat") as file:
        assert file.depth(1)[0, 0] == 0
        assert file.depth(1)[0, 1] == pytest.approx(50.5 / 25.5)


def test_hidden_files_and_other_suffixes(folder, tmp_path):
    images = folder / "nyuv2/images"
    (images / "0001.jpg").rename(images / "0001.JPG")
    for name in ("images/._0001.jpg", "depths/._0001.png", "images/notes.txt"):
        (folder / "nyuv2" / name).write_bytes(b"no picture")
    nyuv2_from_pictures(folder, tmp_path / "out")
    with Nyuv2(tmp_path / "out/nyu_depth_v2_labeled.mat") as file:
        assert len(file) == 3


GREYS = np.full((6, 8), 50, np.uint8)


@pytest.mark.parametrize(
    ("name", "pixels", "message"),
    [
        ("images/0002.jpg", np.zeros((6, 9, 3), np.uint8), "9 x 6 pixels; expected 8 x 6 as in the depth of 0001.jpg"),
        ("depths/0003.png", GREYS[1:], "8 x 5 pixels; expected 8 x 6 as in the depth of 0001.jpg; replace the file"),
        ("depths/0002.png", np.stack([GREYS] * 3, axis=-1), "its pixels are RGB in Pillow's words; expected greys of"),
        ("depths/0002.png", 100 * GREYS.astype(np.uint16), "its pixels are I;16 in Pillow's words; expected greys of"),
        ("depths/0002.png", 0 * GREYS, "its depth is 0 everywhere; expected 25.5 times the depth in metres; replace"),
        ("depths/0002.png", None, "cannot be decoded .*; replace or remove it"),
        ("images/0002.jpg", None, "cannot be decoded .*; replace or remove it"),
    ],
)
def test_a_picture_of_another_kind_is_named_and_nothing_is_left(folder, tmp_path, name, pixels, message):
    file = folder / "nyuv2" / name
    if pixels is None:
        file.write_bytes(file.read_bytes()[:-30])
    else:
        Image.fromarray(pixels).save(file)
    with pytest.raises(UserError, match=f"{name}: {message}"):
        nyuv2_from_pictures(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
