import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tracklearn.errors import UserError
from tracklearn.figures.drawing import Outputs
from tracklearn.figures.filters import common_limit, conv1_figure, conv1_filters, filter_grid
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import FORMAT, save_weights


@pytest.fixture
def saved(tmp_path):
    """The weights files of a network of 6 filters and of one whose conv1 is twice as large."""
    files = []
    for name, factor in (("small", 1), ("large", 2)):
        net = CaffeNet(width=1 / 16, input_size=67, fc7=2)
        with torch.no_grad():
            net.conv1.weight.mul_(factor)
        files.append(tmp_path / f"{name}.safetensors")
        save_weights(files[-1], net)
    return files


def test_weights_twice_as_large_have_twice_the_contrast(saved):
    small, large = map(conv1_filters, saved)
    limit = float(np.abs(large).max())
    first, second = (filter_grid(filters, limit).astype(float) - 127.5 for filters in (small, large))
    inside = np.abs(second[:11, :11]) > 20
    assert np.allclose(2 * first[:11, :11][inside], second[:11, :11][inside], atol=1.5)
    assert np.abs(second[:11, :65]).max() == 127.5


def test_a_filter_by_hand():
    filters = np.zeros((2, 3, 3, 3), np.float32)
    filters[1, 0, 0] = [0.5, -0.25, -9]
    grid = filter_grid(filters, 0.5)
    assert grid.shape == (3, 12 * 4 - 1, 3)
    assert (grid[:, :3] == 128).all()  # 0 lies between 127 and 128
    assert grid[0, 4].tolist() == [255, 64, 0]
    assert (grid[:, 8:] == 255).all()  # no third filter


def test_red_is_the_last_channel_of_conv1(saved):
    net = CaffeNet(width=1 / 16, input_size=67, fc7=2)
    with torch.no_grad():
        net.conv1.weight.zero_()
        net.conv1.weight[0, 2] = 1  # BGR
    save_weights(saved[0], net)
    assert conv1_filters(saved[0])[0, 0, 0].tolist() == [1, 0, 0]


def test_the_limit_is_common_and_holds_nearly_all_weights(saved):
    filters = [*map(conv1_filters, saved)]
    limit = common_limit(filters)
    assert limit == common_limit(filters[::-1]) > np.abs(filters[0]).max() / 2
    assert np.mean(np.abs(np.concatenate(filters)) <= limit) == pytest.approx(0.998, abs=2e-3)


def test_the_figure_names_networks_and_scale(saved, tmp_path):
    outputs = Outputs(tmp_path / "f.png", tmp_path / "f.svg", tmp_path / "f.json")
    weights = dict(zip(["unsup", "unsup-ft"], saved, strict=True))
    metrics = conv1_figure(weights=weights, outputs=outputs, notes=["other: left out"])
    assert metrics["rms/unsup-ft"] == pytest.approx(2 * metrics["rms/unsup"], rel=1e-5)
    described = json.loads((tmp_path / "f.json").read_text())
    caption = described["caption"]
    assert described["notes"] == ["other: left out"]
    assert "unsup (6 filters) and unsup-ft (6 filters) on one common scale" in caption
    assert f"{metrics['limit']:.2g}" in caption
    assert (tmp_path / "f.svg").read_text().count("<image") == 3  # two networks and the scale


def test_a_network_without_three_colour_channels_is_named(saved, tmp_path):
    with safe_open(saved[0], framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    tensors["conv1.weight"] = tensors["conv1.weight"][:, :1].contiguous()
    save_file(tensors, tmp_path / "grey.safetensors", {FORMAT: metadata[FORMAT]})
    outputs = Outputs(tmp_path / "f.png", tmp_path / "f.svg", tmp_path / "f.json")
    with pytest.raises(
        UserError, match=r"grey\.safetensors: conv1.weight has shape \(6, 1, 11, 11\), expected \(6, 3, 11, 11\)"
    ):
        conv1_figure(weights={"grey": tmp_path / "grey.safetensors"}, outputs=outputs)
    assert not outputs.png.exists()
