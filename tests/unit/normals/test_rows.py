import json

import numpy as np
import pytest

from tracklearn.normals.angular_errors import evaluate
from tracklearn.normals.baselines import CAMERA_AXIS
from tracklearn.normals.rows import write_row
from tracklearn.normals.true_normals import write_truth
from tracklearn.normals.truth import Truth


def test_a_row_states_its_figures_intervals_truth_and_mask(nyuv2, tmp_path):
    write_truth(nyuv2, tmp_path / "truth.h5")
    with Truth(tmp_path / "truth.h5") as truth:
        errors = evaluate(lambda image: CAMERA_AXIS, truth, range(2, 8))
        paths = {"cell": tmp_path / "cell.json", "replicates": tmp_path / "replicates.npz"}
        values = write_row(errors, truth, **paths, draws=50, row="camera axis")
        pixels = sum(int(truth[image].any(axis=-1).sum()) for image in range(2, 8))
    cell = json.loads(paths["cell"].read_text())
    assert cell["value"] == pytest.approx(values["mean"])
    assert cell["interval"][0] < cell["value"] < cell["interval"][1]
    assert (cell["images"], cell["pixels"], cell["row"]) == (6, pixels, "camera axis")
    assert (cell["truth"], cell["mask"]) == ("planes fitted to the depth", "measured by the Kinect")
    with np.load(paths["replicates"]) as replicates:
        assert set(replicates) == set(values) == set(cell["figures"])
        assert all(replicates[name].shape == (50,) for name in values)
