import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.networks.initial import new_network, random_network
from tracklearn.networks.weights import build

NETWORK = {"width": 1 / 16, "input_size": 67, "ranking_fc7": 16, "detection_fc7": 32}


def test_each_head_has_its_fc7():
    assert new_network(NETWORK, head="ranking").fc7.out_features == 16
    net = new_network(NETWORK, head="detection", outputs=9)
    assert (net.fc7.out_features, net.fc8.out_features) == (32, 9)


def test_a_head_needs_only_its_own_settings():
    ranking = {key: value for key, value in NETWORK.items() if key != "detection_fc7"}
    assert new_network(ranking, head="ranking").fc7.out_features == 16


def test_unknown_keys_and_tiny_inputs_are_refused():
    with pytest.raises(UserError, match=r"^network\.widht: unknown key; did you mean width\?$"):
        new_network({"widht": 1}, head="ranking")
    with pytest.raises(UserError, match=r"^network\.input_size is 66; expected a whole number, at least 67$"):
        new_network({"input_size": 66}, head="ranking")


def test_a_random_network_is_written_with_its_picture(tmp_path):
    files = {"weights": tmp_path / "net.safetensors", "conv1": tmp_path / "conv1.png"}
    metrics = random_network(network=NETWORK, seed=3, **files)
    assert torch.equal(build(files["weights"]).conv2.weight, new_network(NETWORK, head="ranking", seed=3).conv2.weight)
    assert metrics["parameters"] == sum(p.numel() for p in build(files["weights"]).parameters())
    assert files["conv1"].stat().st_size > 0


def test_ranking_can_have_its_own_standard_deviation():
    network = {"width": 1 / 8, "input_size": 67, "ranking_fc7": 64, "detection_fc7": 64}
    ranking = new_network(network | {"ranking_fc_std": 0.03}, head="ranking")
    detection = new_network(network | {"ranking_fc_std": 0.03}, head="detection")
    assert ranking.fc7.weight.std().item() == pytest.approx(0.03, rel=0.05)
    assert detection.fc7.weight.std().item() == pytest.approx(0.005, rel=0.05)
    assert new_network(network, head="ranking").fc6.weight.std().item() == pytest.approx(0.005, rel=0.05)
