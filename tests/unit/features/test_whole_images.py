import numpy as np
import pytest
import torch
from PIL import Image

from tracklearn.errors import UserError
from tracklearn.features import whole_images
from tracklearn.features.whole_images import whole_image_features
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.loading import load
from tracklearn.networks.weights import save_weights


@pytest.fixture
def photos(tmp_path):
    """Photos of several sizes, formats and modes."""
    rng = np.random.default_rng(0)
    files = []
    for index, (mode, suffix) in enumerate(
        (("RGB", "jpg"), ("L", "png"), ("CMYK", "jpg"), ("RGBA", "png"), ("P", "png"))
    ):
        coarse = Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8)).resize((150 + 10 * index, 100))
        files.append(tmp_path / f"{index}.{suffix}")
        coarse.convert(mode).save(files[-1])
    return files


def saved(path, **shape):
    save_weights(path, CaffeNet(width=1 / 8, input_size=67, fc7=32, conv_std=0.05, fc_std=0.05, **shape))
    return path


def test_features_are_those_of_a_loaded_network(tmp_path, photos):
    weights = saved(tmp_path / "net.safetensors", outputs=3)
    net, prepare = load(weights)
    for layer, width in (("pool5", net.fc6.in_features), ("fc6", net.fc6.out_features), ("fc7", 32), ("fc8", 3)):
        features = whole_image_features(photos, weights=weights, layer=layer)
        assert features.shape == (5, width) and features.dtype == np.float32
        with torch.inference_mode():
            expected = net(prepare([Image.open(path) for path in photos]), layer).numpy()
        # Pillow and torch round the resized pixels differently.
        np.testing.assert_allclose(features, expected, atol=0.02 * np.abs(expected).max())


def test_batches_make_no_difference_and_are_reported(tmp_path, photos, monkeypatch):
    weights = saved(tmp_path / "net.safetensors")
    whole = whole_image_features(photos, weights=weights)
    monkeypatch.setattr(whole_images, "BATCH", 2)
    points = []
    parts = whole_image_features(
        photos, weights=weights, threads=3, report=lambda step, values: points.append((step, values["photos"]))
    )
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)
    assert points == [(2, 2), (4, 4), (5, 5)]


def test_bf16_is_close_and_not_equal(tmp_path, photos):
    weights = saved(tmp_path / "net.safetensors")
    exact = whole_image_features(photos, weights=weights)
    rounded = whole_image_features(photos, weights=weights, precision="bf16")
    assert 0 < np.abs(rounded - exact).max() < 0.05 * exact.max()


def test_a_layer_that_the_network_lacks_is_a_one_line_error(tmp_path, photos):
    weights = saved(tmp_path / "net.safetensors")
    with pytest.raises(UserError, match=r"net\.safetensors: .* no layer fc8; choose one of pool5, fc6, fc7$"):
        whole_image_features(photos, weights=weights, layer="fc8")


def test_a_photo_that_cannot_be_decoded_is_named(tmp_path, photos):
    photos[3].write_bytes(b"<html>")
    with pytest.raises(UserError, match=r"3\.png: cannot be decoded"):
        whole_image_features(photos, weights=saved(tmp_path / "net.safetensors"))


def test_a_diverged_network_is_a_one_line_error(tmp_path, photos):
    net = CaffeNet(width=1 / 8, input_size=67, fc7=32)
    torch.nn.init.constant_(net.conv5.weight, 1e38)
    save_weights(tmp_path / "net.safetensors", net)
    with pytest.raises(UserError, match="a feature of pool5 is not a finite number; the training has diverged"):
        whole_image_features(photos, weights=tmp_path / "net.safetensors")
