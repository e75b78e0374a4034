"""A network as MLflow loads it."""

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.networks import pyfunc
from tracklearn.networks.initial import random_network


@pytest.fixture
def predictor(tmp_path):
    network = {"width": 0.125, "input_size": 99, "mean_bgr": [100.0, 110.0, 120.0], "conv_std": 0.04, "bias": 0.5}
    weights = tmp_path / "weights.safetensors"
    random_network(network=network, seed=1, weights=str(weights), conv1=str(tmp_path / "conv1.png"))
    return pyfunc._load_pyfunc(str(weights))


def test_many_images_go_through_the_network_in_batches(predictor, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (5, 50, 60, 3), dtype=np.uint8)
    whole = predictor.predict(images, {"layer": "fc7"})
    sizes = []
    predictor.network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    monkeypatch.setattr(pyfunc, "BATCH", 2)
    assert np.allclose(predictor.predict(images, {"layer": "fc7"}), whole, rtol=1e-5, atol=1e-6)
    assert sizes == [2, 2, 1]
    assert whole.shape[0] == 5 and np.ptp(whole, axis=0).max() > 1e-3


def test_no_image_and_a_single_array_without_a_batch_are_refused(predictor):
    with pytest.raises(UserError, match="there are none"):
        predictor.predict(np.empty((0, 50, 60, 3), dtype=np.uint8))
    with pytest.raises(UserError, match=r"shape \(60, 3\); expected uint8 \(H, W, 3\)"):
        predictor.predict(np.zeros((50, 60, 3), dtype=np.uint8))
