import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.networks.caffe.caffemodel import write_caffemodel
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.given import given_network
from tracklearn.networks.weights import build, load_weights, save_weights

NETWORK = {"width": 1 / 16, "input_size": 67}


def small(**options):
    return CaffeNet(**({"width": 1 / 16, "input_size": 67, "fc7": 16, "seed": 3} | options))


def take(folder, network=NETWORK):
    save_weights(folder / "given.safetensors", small(), metadata={"training": "x"})
    files = {"weights": folder / "b.safetensors", "conv1": folder / "b.png"}
    given_network(given=folder / "given.safetensors", network=network, **files)


def test_given_weights_keep_their_metadata(tmp_path):
    take(tmp_path)
    assert (tmp_path / "b.safetensors").read_bytes() == (tmp_path / "given.safetensors").read_bytes()
    assert load_weights(tmp_path / "b.safetensors")[1]["training"] == "x"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"width": 1 / 8},
            "width is 0.0625; expected network.width 0.125; give other weights or change the configuration",
        ),
        ({"input_size": 99}, "input_size is 67; expected network.input_size 99; give"),
    ],
)
def test_given_weights_of_another_network_are_refused(tmp_path, changes, message):
    with pytest.raises(UserError) as raised:
        take(tmp_path, NETWORK | changes)
    assert str(raised.value).startswith(f"{tmp_path / 'given.safetensors'}: {message}")
    assert not (tmp_path / "b.safetensors").exists()


def take_from_caffe(folder, network=NETWORK, **options):
    net = small(**options)
    write_caffemodel(folder / "given.caffemodel", net)
    files = {"weights": folder / "b.safetensors", "conv1": folder / "b.png"}
    given_network(given=folder / "given.caffemodel", network=network, **files)
    return net, build(folder / "b.safetensors")


def test_a_caffemodel_is_taken_with_its_own_mean(tmp_path):
    written, taken = take_from_caffe(tmp_path, mean_bgr=[1.5, 2.5, 3.5])
    assert torch.equal(taken.fc7.weight, written.fc7.weight)
    assert taken.mean_bgr == (1.5, 2.5, 3.5)
    metadata = load_weights(tmp_path / "b.safetensors")[1]
    assert (metadata["training"], metadata["source"]) == ("caffemodel", "given.caffemodel")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 1 / 8}, "layer conv1: its weight has shape (6, 3, 11, 11), expected (12, 3, 11, 11); convert"),
        ({"input_size": 99}, "input_size is 67; expected network.input_size 99; give"),
    ],
)
def test_a_caffemodel_of_another_network_is_refused(tmp_path, changes, message):
    with pytest.raises(UserError) as raised:
        take_from_caffe(tmp_path, NETWORK | changes)
    assert str(raised.value).startswith(f"{tmp_path / 'given.caffemodel'}: {message}")
    assert not (tmp_path / "b.safetensors").exists()
