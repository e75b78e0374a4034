import numpy as np
import pytest
import torch
from reference.caffe import loops_max_pool

from tracklearn.networks.alexnet import MEAN_BGR, CaffeNet, drop, pool, pool5_side, to_input
from tracklearn.seeds import torch_generator


def small(**options):
    return CaffeNet(**({"width": 1 / 16, "input_size": 67, "fc7": 32, "outputs": 3} | options))


def test_the_paper_s_network_has_the_released_shapes():
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in CaffeNet(outputs=21, seed=1).state_dict().items()}
    assert shapes["conv1.weight"] == (96, 3, 11, 11)
    assert shapes["conv2.weight"] == (256, 48, 5, 5)
    assert shapes["conv3.weight"] == (384, 256, 3, 3)
    assert shapes["conv4.weight"] == (384, 192, 3, 3)
    assert shapes["conv5.weight"] == (256, 192, 3, 3)
    assert shapes["fc6.weight"] == (4096, 9216)
    assert shapes["fc7.weight"] == (4096, 4096)
    assert shapes["fc8.weight"] == (21, 4096)
    assert len(shapes) == 16


def test_fillers_are_the_released_ones():
    net = CaffeNet(width=0.25, input_size=99, fc7=256, outputs=8, seed=3)
    stds = {name: layer.weight.std().item() for name, layer in net.named_children()}
    assert stds["conv3"] == pytest.approx(0.01, rel=0.02)
    assert stds["fc6"] == pytest.approx(0.005, rel=0.02)
    assert stds["fc7"] == pytest.approx(0.005, rel=0.02)
    assert stds["fc8"] == pytest.approx(0.01, rel=0.1)
    biases = {name: set(layer.bias.tolist()) for name, layer in net.named_children()}
    assert [name for name in biases if biases[name] == {1.0}] == ["conv2", "conv4", "conv5", "fc6", "fc7"]
    assert [name for name in biases if biases[name] == {0.0}] == ["conv1", "conv3", "fc8"]


def test_fillers_can_be_chosen():
    net = CaffeNet(width=0.25, input_size=99, conv_std=0.03, bias=0.5)
    assert net.conv3.weight.std().item() == pytest.approx(0.03, rel=0.02)
    assert set(net.fc6.bias.tolist()) == {0.5}


def test_equal_seeds_give_equal_conv_layers_whatever_follows():
    one, other, third = small(seed=5), small(seed=5, fc7=64, outputs=None), small(seed=6)
    assert torch.equal(one.conv5.weight, other.conv5.weight)
    assert not torch.equal(one.conv5.weight, third.conv5.weight)


def test_building_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    small()(torch.zeros(1, 3, 67, 67), "fc8", dropout=0.5, generator=torch_generator(1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_input_is_bgr_minus_the_mean():
    images = torch.tensor([[[[10, 20, 30], [255, 0, 0]]]], dtype=torch.uint8)  # (1, 1, 2, 3)
    result = to_input(images)
    assert result.shape == (1, 3, 1, 2)
    expected = [30 - MEAN_BGR[0], 20 - MEAN_BGR[1], 10 - MEAN_BGR[2]]
    np.testing.assert_allclose(result[0, :, 0, 0].numpy(), expected, rtol=1e-6)
    assert images[0, 0, 0].tolist() == [10, 20, 30]
    assert to_input(torch.zeros(2, 8, 8, 3, dtype=torch.uint8)).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("side", [5, 6, 13, 27, 28])
def test_pooling_keeps_the_last_incomplete_window(side):
    image = np.random.default_rng(side).normal(size=(side, side))
    np.testing.assert_array_equal(pool(torch.from_numpy(image)[None, None])[0, 0].numpy(), loops_max_pool(image))


@pytest.mark.parametrize(("size", "side"), [(227, 6), (99, 2), (115, 3), (67, 1)])
def test_pool5_side_is_what_the_layers_give(size, side):
    net = small(input_size=size)
    with torch.no_grad():
        assert net(torch.zeros(1, 3, size, size), "pool5").shape == (1, net.conv5.out_channels * side * side)
    assert pool5_side(size) == side


def test_layers_follow_each_other_as_in_the_prototxt():
    """Written again in the prototxt's order (ReLU before pooling), with torch's own normalisation."""
    net, F = small(conv_std=0.05, fc_std=0.05), torch.nn.functional
    images = 100 * torch.randn(2, 3, 67, 67, generator=torch_generator(1))
    with torch.no_grad():
        values = images
        for name in ("conv1", "conv2"):
            values = F.max_pool2d(F.relu(getattr(net, name)(values)), 3, 2, ceil_mode=True)
            values = F.local_response_norm(values, 5, 1e-4, 0.75, 1)
        values = F.relu(net.conv4(F.relu(net.conv3(values))))
        pool5 = F.max_pool2d(F.relu(net.conv5(values)), 3, 2, ceil_mode=True).reshape(2, -1)
        fc6 = F.relu(net.fc6(pool5))
        fc7 = F.relu(net.fc7(fc6))
        for layer, expected in {"pool5": pool5, "fc6": fc6, "fc7": fc7, "fc8": net.fc8(fc7)}.items():
            torch.testing.assert_close(net(images, layer), expected, rtol=1e-4, atol=1e-4)


def test_dropout_is_drawn_from_its_generator_and_keeps_the_mean():
    values = torch.ones(200, 200)
    dropped = drop(values, 0.5, torch_generator(7))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(dropped, drop(values, 0.5, torch_generator(7)))
    assert drop(values, 0.0, None) is values
