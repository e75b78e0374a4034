import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.networks.initial import given_network, new_network, random_network
from tracklearn.networks.weights import build, load_weights, save_weights

NETWORK = {"width": 1 / 16, "input_size": 67, "ranking_fc7": 16, "detection_fc7": 32}


def test_each_head_has_its_fc7():
    assert new_network(NETWORK, head="ranking").fc7.out_features == 16
    net = new_network(NETWORK, head="detection", outputs=9)
    assert (net.fc7.out_features, net.fc8.out_features) == (32, 9)


def test_unknown_keys_and_tiny_inputs_are_refused():
    with pytest.raises(UserError, match=r"network: unknown key 'widht'; expected some of width, input_size"):
        new_network({"widht": 1}, head="ranking")
    with pytest.raises(UserError, match=r"input_size 66 and width 1\.0; expected at least 67"):
        new_network({"input_size": 66}, head="ranking")


def test_a_random_network_is_written_with_its_picture(tmp_path):
    files = {"weights": tmp_path / "net.safetensors", "conv1": tmp_path / "conv1.png"}
    metrics = random_network(network=NETWORK, seed=3, **files)
    assert torch.equal(build(files["weights"]).conv2.weight, new_network(NETWORK, head="ranking", seed=3).conv2.weight)
    assert metrics["parameters"] == sum(p.numel() for p in build(files["weights"]).parameters())
    assert files["conv1"].stat().st_size > 0


def take(folder, network=NETWORK):
    """Give a network of 16 units in fc7, the ranking's, to a config."""
    save_weights(folder / "given.safetensors", new_network(NETWORK, head="ranking", seed=3), metadata={"training": "x"})
    files = {"weights": folder / "b.safetensors", "conv1": folder / "b.png"}
    given_network(given=folder / "given.safetensors", network=network, **files)


def test_given_weights_keep_their_metadata(tmp_path):
    take(tmp_path)
    assert (tmp_path / "b.safetensors").read_bytes() == (tmp_path / "given.safetensors").read_bytes()
    assert load_weights(tmp_path / "b.safetensors")[1]["training"] == "x"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 1 / 8}, "width is 0.0625; expected network.width 0.125; give other weights or change the config"),
        ({"input_size": 99}, "input_size is 67; expected network.input_size 99; give"),
        ({"ranking_fc7": 8}, "fc7 is 16; expected network.ranking_fc7 8 or network.detection_fc7 32; give"),
    ],
)
def test_given_weights_of_another_network_are_refused(tmp_path, changes, message):
    with pytest.raises(UserError) as raised:
        take(tmp_path, NETWORK | changes)
    assert str(raised.value).startswith(f"{tmp_path / 'given.safetensors'}: {message}")
    assert not (tmp_path / "b.safetensors").exists()
