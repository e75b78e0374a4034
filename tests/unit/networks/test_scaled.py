import numpy as np
import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.networks.caffenet import CaffeNet, to_input
from tracklearn.networks.initial import new_network
from tracklearn.networks.scaled import scale_by_data, scaled_network
from tracklearn.networks.weights import build, load_weights
from tracklearn.patches.writing import Pair, write_shard

NETWORK = {"width": 1 / 8, "input_size": 67, "detection_fc7": 16}


@pytest.fixture(scope="module")
def patches():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (6, 67, 67, 3), generator=generator).to(torch.uint8)


def before_relu(net, images):
    """The values of every layer before its ReLU."""
    found = {}
    hooks = [
        layer.register_forward_hook(lambda _, __, values, name=name: found.setdefault(name, values))
        for name, layer in net.named_children()
    ]
    with torch.inference_mode():
        net(to_input(images, net.mean_bgr), "fc7")
    for hook in hooks:
        hook.remove()
    return found


def test_every_channel_of_every_layer_has_mean_0_and_variance_1(patches):
    net = CaffeNet(width=1 / 8, input_size=67, fc7=16, conv_std=0.02, seed=3)
    assert before_relu(net, patches)["conv3"].std() > 2
    scale_by_data(net, patches)
    values = before_relu(net, patches)
    assert list(values) == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    for of_layer in values.values():
        channels = of_layer.transpose(0, 1).flatten(1)
        torch.testing.assert_close(channels.mean(1), torch.zeros(len(channels)), atol=1e-3, rtol=0)
        torch.testing.assert_close(channels.var(1, correction=0), torch.ones(len(channels)), atol=1e-2, rtol=0)


def test_the_scale_of_the_initial_weights_makes_no_difference(patches):
    nets = [CaffeNet(width=1 / 8, input_size=67, fc7=16, conv_std=std, fc_std=std, seed=1) for std in (0.02, 0.1)]
    for net in nets:
        scale_by_data(net, patches)
    features = [net(to_input(patches, net.mean_bgr), "pool5") for net in nets]
    torch.testing.assert_close(*features, atol=1e-3, rtol=1e-3)


def test_a_silent_channel_stays_silent(patches):
    net = CaffeNet(width=1 / 8, input_size=67, fc7=16, conv_std=0.05)
    with torch.no_grad():
        net.conv1.weight[0] = 0
    scale_by_data(net, patches)
    assert net.conv1.weight[0].abs().max() == 0 and all(torch.isfinite(each).all() for each in net.parameters())


def test_a_scaled_network_has_the_directions_of_the_random_one_and_says_what_it_is(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 2, 67, 67, 3), dtype=np.uint8)
    pairs = [Pair(f"v{i}", (0, 30), np.zeros((2, 4)), 0.0, *both) for i, both in enumerate(images)]
    write_shard(tmp_path / "0.h5", pairs, size=67, quality=95)
    done = scaled_network(
        stores=[tmp_path / "0.h5"],
        network=NETWORK,
        seed=5,
        weights=tmp_path / "w.safetensors",
        conv1=tmp_path / "c.png",
    )  # fmt: skip
    assert done == {"patches": 3}
    scaled, random = build(tmp_path / "w.safetensors"), new_network(NETWORK, head="detection", seed=5)
    ratio = (scaled.conv1.weight / random.conv1.weight).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), atol=0, rtol=1e-3)  # one factor a filter
    metadata = load_weights(tmp_path / "w.safetensors", tensors=False)[1]
    assert (metadata["training"], metadata["seed"]) == ("scaled", 5)


@pytest.mark.parametrize(
    ("pairs", "network", "message"),
    [
        (0, NETWORK, "train: scaled: no pairs in 1 shards; the scale needs at least one; add videos"),
        (
            1,
            NETWORK | {"input_size": 99},
            "train: scaled: the patches are 67 px and network.input_size is 99; make them equal",
        ),
        (
            1,
            {"backbone": "resnet18", "input_size": 67},
            "train: scaled: conv1 of resnet18 has no bias, since batch normalisation scales its values; write train: "
            "none",
        ),
    ],
)
def test_what_cannot_be_scaled_is_refused_and_nothing_is_written(tmp_path, pairs, network, message):
    both = np.zeros((2, 67, 67, 3), np.uint8)
    write_shard(tmp_path / "0.h5", pairs * [Pair("v", (0, 30), np.zeros((2, 4)), 0.0, *both)], size=67, quality=95)
    files = {"weights": tmp_path / "w.safetensors", "conv1": tmp_path / "c.png"}
    with pytest.raises(UserError) as raised:
        scaled_network(stores=[tmp_path / "0.h5"], network=network, seed=5, **files)
    assert str(raised.value) == message
    assert not any(file.exists() for file in files.values())
