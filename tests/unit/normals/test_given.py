import gzip
import os
import pickle

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tracklearn.errors import UserError
from tracklearn.normals.axes import with_axes
from tracklearn.normals.given import GivenNormals


@pytest.fixture(scope="module")
def stacked(views):
    return np.array([view.normals for view in views], np.float32)  # (N, H, W, 3)


def fair(normals, **more):
    """FAIR's dictionary."""
    mask = np.ones(normals.shape[:3], np.uint8)
    mask[:, 0] = 0
    names = [f"{image + 1:06d}" for image in range(len(normals))]
    return {"all_normals": normals, "all_valid_depth_masks": mask, "all_filenames": names, **more}


def write(path, normals):
    """Write normals in the format that the name asks for."""
    name, as_matlab = path.name, normals.transpose(1, 2, 3, 0)  # (H, W, 3, N)
    if name == "old.mat":
        savemat(path, {"norms": as_matlab})
    elif path.suffix == "":
        for image, colours in enumerate(np.round(127.5 * (normals + 1)).astype(np.uint8)):
            file = path / ("test" if image % 3 else "train") / f"{image + 1:05d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(colours).save(file)
    elif name in ("new.mat", "norms.h5"):
        with h5py.File(path, "w") as file:
            file["norms" if name == "new.mat" else "normals"] = as_matlab.T if name == "new.mat" else normals
    else:
        with gzip.open(path, "wb") if name == "fair.pklz" else open(path, "wb") as file:
            pickle.dump(fair(normals), file, protocol=2)
    return path


def read(path, stacked, axes="x y z"):
    return GivenNormals(path, stacked.shape[:3], axes)


@pytest.mark.parametrize("name", ["old.mat", "new.mat", "norms.h5", "fair.pkl", "fair.pklz"])
def test_each_format_gives_the_same_normals(tmp_path, stacked, name):
    given = read(write(tmp_path / name, stacked), stacked)
    for image in (0, 7):
        assert given[image][1:] == pytest.approx(stacked[image][1:], abs=1e-6)
        assert given[image].dtype == np.float32


def test_fairs_mask_takes_normals_out(tmp_path, stacked):
    damaged = stacked.copy()
    damaged[3, 0] = np.nan  # outside the mask nothing counts
    given = read(write(tmp_path / "fair.pklz", damaged), stacked)
    assert not given[3][0].any()
    assert given[3][1:].any(axis=-1).all()


def test_pictures_give_the_normals_within_8_bits_and_none_where_they_are_grey(tmp_path, stacked):
    partly = stacked.copy()
    partly[6, 7, 8] = 0
    given = read(write(tmp_path / "nyu_normals_gt", partly), stacked)
    for image in (0, 6, 7):
        assert given[image] == pytest.approx(partly[image], abs=0.01)
    assert not given[6][7, 8].any()


def test_hidden_files_are_passed_over(tmp_path, stacked):
    folder = write(tmp_path / "nyu_normals_gt", stacked)
    (folder / "test/._00003.png").write_bytes(b"of macOS")
    assert read(folder, stacked)[2] == pytest.approx(stacked[2], abs=0.01)


def test_pictures_of_other_photos_are_refused(tmp_path, stacked):
    folder = write(tmp_path / "nyu_normals_gt", stacked)
    (folder / "test/00003.png").rename(folder / "test/00009.png")
    with pytest.raises(UserError, match=r"00004\.png: expected the normals of image 3; their files are"):
        read(folder, stacked)
    (folder / "test/00009.png").rename(folder / "test/00003.png")
    (folder / "test/00008.png").unlink()
    with pytest.raises(UserError, match=r"its normals are \(7, 48, 64, 3\), but there are 8 photos"):
        read(folder, stacked)
    (folder / "test/00008.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"00008\.png: cannot be decoded"):
        read(folder, stacked)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no PNG file in it; expected normals such as train/00001\.png"):
        read(tmp_path / "empty", stacked)


def test_normals_of_any_length_become_unit_vectors_and_zeros_stay(tmp_path, stacked):
    longer = 7 * stacked
    longer[2, 5, 5] = 0
    found = read(write(tmp_path / "old.mat", longer), stacked)[2]
    assert not found[5, 5].any()
    assert np.linalg.norm(found, axis=-1).sum() == pytest.approx(48 * 64 - 1, rel=1e-5)


def test_other_axes_are_refused_with_the_setting_and_right_with_it(tmp_path, stacked):
    path = write(tmp_path / "old.mat", with_axes(stacked, "x -y -z"))
    with pytest.raises(UserError, match=r"old\.mat: .* set normals\.axes to 'x -y -z'"):
        read(path, stacked)
    assert read(path, stacked, "x -y -z")[1] == pytest.approx(stacked[1], abs=1e-6)


def test_normals_of_other_photos_are_refused(tmp_path, stacked):
    with pytest.raises(UserError, match=r"its normals are \(7, 48, 64, 3\), but there are 8 photos of 64 x 48 pixels"):
        read(write(tmp_path / "fair.pkl", stacked[:7]), stacked)
    with pytest.raises(UserError, match=r"its normals are \(47, 64, 3, 8\).*expected \(8, 48, 64, 3\)"):
        read(write(tmp_path / "old.mat", stacked[:, :47]), stacked)


def test_nan_is_named(tmp_path, stacked):
    damaged = stacked.copy()
    damaged[4, 10, 10, 1] = np.nan
    with pytest.raises(UserError, match="the normals of image 5 hold NaN or infinite values"):
        read(write(tmp_path / "norms.h5", damaged), stacked)


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("harm", [Harmful(), {"inner": [Harmful()]}, np.array([Harmful()], object), print])
def test_a_pickle_of_anything_but_arrays_is_refused_and_runs_no_code(tmp_path, stacked, monkeypatch, harm):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fair.pkl").write_bytes(pickle.dumps(fair(stacked, more=harm)))
    with pytest.raises(UserError, match=r"fair\.pkl: cannot be read \(it holds \w+\.\w+, not only arrays\)"):
        read(tmp_path / "fair.pkl", stacked)
    assert not (tmp_path / "harm").exists()


def test_damaged_files_are_named(tmp_path, stacked):
    for name in ("old.mat", "new.mat", "norms.h5", "fair.pkl", "fair.pklz"):
        path = write(tmp_path / name, stacked)
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(UserError, match=rf"{name}: (cannot be read|not a whole HDF5 file)"):
            read(path, stacked)
        path.unlink()
        with pytest.raises(UserError, match=rf"{name}: no such file"):
            read(path, stacked)


@pytest.mark.parametrize("content", ["group", "text"])
def test_what_is_no_array_of_numbers_is_refused(tmp_path, stacked, content):
    with h5py.File(tmp_path / "norms.h5", "w") as file:
        if content == "group":
            file.create_group("normals")
        else:
            file.create_dataset("normals", stacked.shape, h5py.string_dtype())
    with pytest.raises(UserError, match="normals is no array of numbers; expected normals "):
        read(tmp_path / "norms.h5", stacked)


def test_files_without_normals_are_refused(tmp_path, stacked):
    savemat(tmp_path / "old.mat", {"depths": stacked[0]})
    with pytest.raises(UserError, match="no array of normals in it; expected one of the names norms, normals"):
        read(tmp_path / "old.mat", stacked)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(UserError, match="holds a list; expected a dictionary with all_normals"):
        read(tmp_path / "a.pkl", stacked)


def test_a_mask_of_other_photos_is_refused(tmp_path, stacked):
    content = fair(stacked, all_valid_depth_masks=np.ones((8, 47, 64)))
    (tmp_path / "fair.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=r"all_valid_depth_masks is \(8, 47, 64\); expected \(8, 48, 64\)"):
        read(tmp_path / "fair.pkl", stacked)
