import h5py
import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.normals.nyuv2 import Nyuv2, chosen_split, is_official, read_split
from tracklearn.settings.normals import Normals


def test_images_are_read_as_they_were_written(nyuv2, photos, views):
    with Nyuv2(nyuv2) as file:
        assert len(file) == len(photos)
        assert file.has_raw
        for image in (0, 7):
            assert np.array_equal(file.photo(image), photos[image])
            assert np.array_equal(file.depth(image), views[image].depth)
            assert file.measured(image)[:, :62].all()
            assert not file.measured(image)[:, 62:].any()


def test_matlabs_order_is_turned_right(tmp_path):
    """A file of 2 x 3 pixels as MATLAB writes it: a block of 512 bytes before HDF5, and axes in reverse order."""
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        red = [[1, 4], [2, 5], [3, 6]]  # column by column
        file["images"] = np.array([[red, np.zeros((3, 2)), np.full((3, 2), 9)]], np.uint8)
        file["depths"] = np.array([red], np.float32)
    with Nyuv2(tmp_path / "a.mat") as read:
        assert read.photo(0).tolist() == [[[1, 0, 9], [2, 0, 9], [3, 0, 9]], [[4, 0, 9], [5, 0, 9], [6, 0, 9]]]
        assert read.depth(0).tolist() == [[1, 2, 3], [4, 5, 6]]
        assert not read.has_raw
        assert read.measured(0).all()
        assert (read.camera.width, read.camera.height) == (3, 2)


def test_the_camera_fits_the_size_of_the_images(nyuv2):
    with Nyuv2(nyuv2) as file:
        assert file.camera.fx == pytest.approx(518.858 / 10)
        assert file.camera.cy == pytest.approx((252.736 + 0.5) / 10 - 0.5)


def spoil(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def without(name):
    return lambda file: file.pop(name)


def smaller(name):
    def change(file):
        values = file.pop(name)[:, :-1]
        file[name] = values

    return change


def as_floats(file):
    values = file.pop("images")[()].astype(np.float32)
    file["images"] = values


def empty(file):
    for name, values in [(name, file.pop(name)[:0]) for name in ("images", "depths", "rawDepths")]:
        file[name] = values


def as_text(name):
    def change(file):
        shape = file.pop(name).shape
        file.create_dataset(name, shape, h5py.string_dtype())

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("images"), "no dataset images in it; expected images and depths as in nyu_depth_v2_labeled.mat"),
        (without("depths"), "no dataset depths in it"),
        (smaller("depths"), r"depths is \(8, 63, 48\), but images are .*; expected depths \(8, 64, 48\)"),
        (smaller("rawDepths"), r"rawDepths is \(8, 63, 48\), but images are"),
        (as_floats, r"images are float32 .*; expected uint8 \(N, 3, width, height\)"),
        (empty, r"images are uint8 \(0, 3, 64, 48\); expected uint8 \(N, 3, width, height\), N > 0"),
        (as_text("depths"), "depths holds object; expected metres"),
        (as_text("rawDepths"), "rawDepths holds object; expected metres"),
    ],
)
def test_another_layout_is_refused(nyuv2, change, message):
    spoil(nyuv2, change)
    with pytest.raises(UserError, match=message):
        Nyuv2(nyuv2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1])
def test_a_wrong_depth_is_named(nyuv2, value):
    spoil(nyuv2, lambda file: file["depths"].__setitem__((2, 5, 5), value))
    with Nyuv2(nyuv2) as file, pytest.raises(UserError, match="the depth of image 3 holds negative, NaN or infinite"):
        file.depth(2)


def test_a_depth_of_0_everywhere_is_named(nyuv2):
    spoil(nyuv2, lambda file: file["depths"].__setitem__(2, 0))
    with Nyuv2(nyuv2) as file, pytest.raises(UserError, match="the depth of image 3 is 0 everywhere; expected metres"):
        file.depth(2)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_refused(nyuv2, share):
    content = nyuv2.read_bytes()
    nyuv2.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"not a whole HDF5 file .*; expected nyu_depth_v2_labeled.mat"):
        Nyuv2(nyuv2)


def test_a_missing_file_and_one_of_another_kind_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"a\.mat: no such file"):
        Nyuv2(tmp_path / "a.mat")
    (tmp_path / "a.mat").write_text("<html>")
    with pytest.raises(UserError, match="not a whole HDF5 file"):
        Nyuv2(tmp_path / "a.mat")


def test_damaged_images_are_named(nyuv2):
    content = bytearray(nyuv2.read_bytes())
    content[len(content) // 3 : -2000] = bytes(len(content) - 2000 - len(content) // 3)
    nyuv2.write_bytes(content)
    with pytest.raises(UserError, match=r"images of image \d: cannot be read|not a whole HDF5|no dataset"):  # noqa: SIM117
        with Nyuv2(nyuv2) as file:
            for image in range(len(file)):
                file.photo(image)


# The split


def test_a_split_counts_from_0_in_ascending_order(write_split):
    split = read_split(write_split(trainNdxs=[7, 1], testNdxs=[3, 2, 8]), 8)
    assert split.train.tolist() == [0, 6]
    assert split.test.tolist() == [1, 2, 7]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"trainNdxs": [1, 2], "testNdxs": [3, 9]},
            "testNdxs is 3 to 9, but the file of images has 8; expected",
        ),
        ({"trainNdxs": [0, 2], "testNdxs": [3]}, "trainNdxs is 0 to 2"),
        ({"trainNdxs": [], "testNdxs": [3]}, "trainNdxs is empty"),
        ({"trainNdxs": [1, 2], "testNdxs": [2, 3]}, "image 2 is listed twice; expected each in one part, once"),
        ({"trainNdxs": [1, 1], "testNdxs": [2, 3]}, "image 1 is listed twice"),
        ({"trainNdxs": ["1", "2"], "testNdxs": [3]}, "trainNdxs holds <U1 that are no whole numbers; expected 1 to 8"),
        ({"trainNdxs": [1, 2], "testNdxs": [3, np.nan]}, "testNdxs holds float64 that are no whole numbers"),
        ({"trainNdxs": [1, 2], "testNdxs": [3, 4.5]}, "testNdxs holds float64 that are no whole numbers"),
        ({"trainNdxs": [1]}, "no testNdxs in it; expected NYUv2's splits.mat"),
    ],
)
def test_a_split_of_other_images_is_refused(write_split, parts, message):
    with pytest.raises(UserError, match=message):
        read_split(write_split(**parts), 8)


def test_a_split_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no such file; expected NYUv2's splits\.mat"):
        read_split(tmp_path / "splits.mat", 8)
    (tmp_path / "splits.mat").write_bytes(b"x" * 300)
    with pytest.raises(UserError, match=r"splits\.mat: cannot be read"):
        read_split(tmp_path / "splits.mat", 8)


@pytest.mark.real
def test_the_official_split(real_data):
    split = read_split(real_data / "splits/nyuv2_splits.mat", 1449)
    assert (len(split.train), len(split.test)) == (795, 654)


# The choice of images


def test_tuning_sets_a_fifth_of_the_training_images_aside(tmp_path, write_split):
    write_split(trainNdxs=range(1, 52), testNdxs=range(52, 61))
    chosen, again = (chosen_split(Normals.read({"nyuv2": str(tmp_path), "split": "tuning"}), 60) for _ in range(2))
    assert [len(part) for part in chosen] == [41, 10]
    assert sorted(np.concatenate(chosen)) == list(range(51))
    assert chosen.test.tolist() != list(range(41, 51))
    assert np.array_equal(chosen.test, again.test)
    assert not is_official(tmp_path)


def test_a_split_too_small_to_tune_on_is_refused(tmp_path, write_split):
    write_split(trainNdxs=[1, 2, 3, 4], testNdxs=[5])
    with pytest.raises(UserError, match=r"4 training images; normals\.split: tuning needs at least 5"):
        chosen_split(Normals.read({"nyuv2": str(tmp_path), "split": "tuning"}), 5)
