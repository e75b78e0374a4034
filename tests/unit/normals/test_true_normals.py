import h5py
import numpy as np
import pytest
from scipy.io import savemat

from tracklearn.errors import UserError
from tracklearn.normals import true_normals
from tracklearn.normals.nyuv2 import Nyuv2
from tracklearn.normals.plane_fits import normals_from_depth
from tracklearn.normals.true_normals import write_truth
from tracklearn.normals.truth import Truth


def test_truth_is_computed_from_the_depth_where_the_kinect_measured(nyuv2, tmp_path):
    write_truth(nyuv2, tmp_path / "truth.h5")
    with Truth(tmp_path / "truth.h5") as truth, Nyuv2(nyuv2) as photos:
        assert (truth.source, truth.mask) == ("planes fitted to the depth", "measured by the Kinect")
        assert (len(truth), truth.size) == (8, (48, 64))
        expected = normals_from_depth(photos.depth(3), photos.camera)
        assert truth[3][:, :62] == pytest.approx(expected[:, :62], abs=2e-5)
        assert not truth[3][:, 62:].any()


def test_progress_is_reported_now_and_then_and_counted_from_1(nyuv2, tmp_path, monkeypatch):
    monkeypatch.setattr(true_normals, "REPORTED", 3)
    reported = []
    write_truth(nyuv2, tmp_path / "truth.h5", report=lambda *point: reported.append(point))
    assert reported == [(3, {"images": 3}), (6, {"images": 6})]


def test_settings_of_the_fits_count(nyuv2, tmp_path):
    write_truth(nyuv2, tmp_path / "near.h5")
    write_truth(nyuv2, tmp_path / "far.h5", {"plane_fits": {"window": 200}})
    with Truth(tmp_path / "near.h5") as near, Truth(tmp_path / "far.h5") as far:
        assert not np.array_equal(near[0], far[0])


def test_without_raw_depth_every_normal_counts(nyuv2, tmp_path):
    with h5py.File(nyuv2, "r+") as file:
        del file["rawDepths"]
    write_truth(nyuv2, tmp_path / "truth.h5")
    with Truth(tmp_path / "truth.h5") as truth, Nyuv2(nyuv2) as photos:
        assert truth.mask == "where the truth is defined"
        expected = normals_from_depth(photos.depth(3), photos.camera)
        assert np.array_equal(truth[3].any(axis=-1), expected.any(axis=-1))


def test_given_normals_are_taken_and_named(nyuv2, views, tmp_path):
    savemat(tmp_path / "norms.mat", {"norms": np.stack([view.normals for view in views], axis=-1)})
    write_truth(nyuv2, tmp_path / "truth.h5", {"given": str(tmp_path / "norms.mat")})
    with Truth(tmp_path / "truth.h5") as truth:
        assert truth.source == "given: norms.mat"
        assert truth[5][:, :62] == pytest.approx(views[5].normals[:, :62], abs=2e-5)
        assert not truth[5][:, 62:].any()


def test_an_image_without_a_normal_is_named_and_nothing_is_left(nyuv2, tmp_path):
    with h5py.File(nyuv2, "r+") as file:
        file["rawDepths"][1] = 0
    with pytest.raises(UserError, match="no pixel of image 2 has a normal; leave the image out"):
        write_truth(nyuv2, tmp_path / "truth.h5")
    assert [path.name for path in tmp_path.iterdir()] == [nyuv2.name]
