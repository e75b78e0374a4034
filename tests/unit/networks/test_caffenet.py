import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from reference.caffe import loops_forward, loops_max_pool
from scipy.stats import kstest

from tracklearn.networks.backbone import Dropout, draw_kept
from tracklearn.networks.caffenet import (
    GRIDS,
    CaffeNet,
    pool5_side,
    to_input,
)
from tracklearn.networks.convolution import convolve_groups, convolve_in_blocks
from tracklearn.networks.pooling import pool
from tracklearn.seeds import torch_generator

MEAN_BGR = (96.64, 102.75, 107.99)  # of the released code


def small(**options):
    return CaffeNet(**({"width": 1 / 16, "input_size": 67, "fc7": 32, "outputs": 3} | options))


def test_the_paper_s_network_has_the_released_shapes():
    with torch.device("meta"):
        net = CaffeNet(outputs=21, seed=1)
    assert all(parameter.is_meta for parameter in net.parameters())  # takes no memory
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    assert shapes["conv1.weight"] == (96, 3, 11, 11)
    assert shapes["conv2.weight"] == (256, 48, 5, 5)
    assert shapes["conv3.weight"] == (384, 256, 3, 3)
    assert shapes["conv4.weight"] == (384, 192, 3, 3)
    assert shapes["conv5.weight"] == (256, 192, 3, 3)
    assert shapes["fc6.weight"] == (4096, 9216)
    assert shapes["fc7.weight"] == (4096, 4096)
    assert shapes["fc8.weight"] == (21, 4096)
    assert len(shapes) == 16


def test_initial_weights_are_the_released_ones():
    net = CaffeNet(width=0.25, input_size=99, fc7=256, outputs=8, seed=3)
    stds = {name: layer.weight.std().item() for name, layer in net.named_children()}
    assert stds["conv3"] == pytest.approx(0.01, rel=0.02)
    assert stds["fc6"] == pytest.approx(0.005, rel=0.02)
    assert stds["fc7"] == pytest.approx(0.005, rel=0.02)
    assert stds["fc8"] == pytest.approx(0.01, rel=0.1)
    biases = {name: set(layer.bias.tolist()) for name, layer in net.named_children()}
    assert [name for name in biases if biases[name] == {1.0}] == ["conv2", "conv4", "conv5", "fc6", "fc7"]
    assert [name for name in biases if biases[name] == {0.0}] == ["conv1", "conv3", "fc8"]


def test_weights_are_gaussian_around_zero_and_differ_from_layer_to_layer():
    net = CaffeNet(width=0.25, input_size=99, fc7=256, outputs=8, seed=3)
    first = {}
    for name, layer in net.named_children():
        std = {"fc6": 0.005, "fc7": 0.005}.get(name, 0.01)
        weights = layer.weight.detach().flatten().double().numpy()
        assert kstest(weights / std, "norm").pvalue > 0.01, name
        assert abs(weights.mean()) < 4 * std / len(weights) ** 0.5, name
        first[name] = float(weights[0] / std)
    assert len({round(value, 4) for value in first.values()}) == 8


def test_initial_weights_can_be_chosen():
    net = CaffeNet(width=0.25, input_size=99, conv_std=0.03, bias=0.5)
    assert net.conv3.weight.std().item() == pytest.approx(0.03, rel=0.02)
    assert set(net.fc6.bias.tolist()) == {0.5}


def test_equal_seeds_give_equal_conv_layers_whatever_follows():
    one, other, third = small(seed=5), small(seed=5, fc7=64, outputs=None), small(seed=6)
    assert torch.equal(one.conv5.weight, other.conv5.weight)
    assert not torch.equal(one.conv5.weight, third.conv5.weight)


def test_a_new_network_does_not_use_the_global_generator():
    before = torch.random.get_rng_state()
    net = small()
    kept = draw_kept(0.5, 1, (net.fc6.out_features, net.fc7.out_features), torch_generator(1))
    net(torch.zeros(1, 3, 67, 67), "fc8", dropout=Dropout(0.5, kept))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_input_is_bgr_minus_the_mean():
    images = torch.tensor([[[[10, 20, 30], [255, 0, 0]]]], dtype=torch.uint8)  # (1, 1, 2, 3)
    result = to_input(images)
    assert result.shape == (1, 3, 1, 2)
    expected = [30 - MEAN_BGR[0], 20 - MEAN_BGR[1], 10 - MEAN_BGR[2]]
    np.testing.assert_allclose(result[0, :, 0, 0].numpy(), expected, rtol=1e-6)
    assert images[0, 0, 0].tolist() == [10, 20, 30]
    assert to_input(torch.zeros(2, 8, 8, 3, dtype=torch.uint8)).is_contiguous(memory_format=torch.channels_last)


def test_the_mean_is_subtracted_from_a_view_too():
    planes = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    images = planes.permute(0, 2, 3, 1)
    torch.testing.assert_close(to_input(images), planes.flip(1).float() - torch.tensor(MEAN_BGR)[:, None, None])


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
    """The same layers in the prototxt's order (ReLU before pooling), with torch's own normalisation."""
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


def blobs(net):
    return {
        name: tuple(parameter.detach().numpy().copy() for parameter in layer.parameters())
        for name, layer in net.named_children()
    }


def test_every_layer_is_caffe_s_as_loops():
    """At 99 pixels pool5 is 2 x 2, which fc6 must read by channel, row and column."""
    net = small(input_size=99, conv_std=0.05, fc_std=0.05, fc8_std=0.05, seed=2).double()
    images = 100 * torch.randn(1, 3, 99, 99, generator=torch_generator(1), dtype=torch.float64)
    expected = loops_forward(images.numpy(), blobs(net))
    in_float = copy.deepcopy(net).float()
    with torch.no_grad():
        for layer in ("pool5", "fc6", "fc7", "fc8"):
            wanted = expected[layer].reshape(1, -1)
            assert wanted.std() > 0.01, layer
            np.testing.assert_allclose(net(images, layer).numpy(), wanted, rtol=1e-9, err_msg=layer)
            single = in_float(images.float(), layer).numpy()
            np.testing.assert_allclose(single, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max(), err_msg=layer)


def test_gradients_are_the_finite_differences_of_the_loops():
    """The gradient of a random sum of fc8's outputs, along a random direction in each blob and in the input."""
    net = small(conv_std=0.05, fc_std=0.05, seed=2).double()
    random = np.random.default_rng(0)
    images = torch.from_numpy(100 * random.normal(size=(1, 3, 67, 67))).requires_grad_()
    mixture = random.normal(size=(1, 3))
    (net(images, "fc8") * torch.from_numpy(mixture)).sum().backward()
    gradients = {name: parameter.grad.numpy() for name, parameter in net.named_parameters()}

    def loops(inputs, weights):
        return float((loops_forward(inputs, weights)["fc8"] * mixture).sum())

    def moved(name, direction, step):
        layer, kind = name.split(".")
        weight, bias = blobs(net)[layer]
        pair = (weight + step * direction, bias) if kind == "weight" else (weight, bias + step * direction)
        return blobs(net) | {layer: pair}

    step = 1e-6
    for name, gradient in gradients.items():
        direction = random.normal(size=gradient.shape)
        up, down = (loops(images.detach().numpy(), moved(name, direction, sign * step)) for sign in (1, -1))
        assert (gradient * direction).sum() == pytest.approx((up - down) / (2 * step), rel=1e-5), name
    direction = random.normal(size=images.shape)
    up, down = (loops(images.detach().numpy() + sign * step * direction, blobs(net)) for sign in (1, -1))
    assert (images.grad.numpy() * direction).sum() == pytest.approx((up - down) / (2 * step), rel=1e-5)


def test_dropout_is_drawn_from_its_generator_and_keeps_the_mean():
    values = torch.ones(200, 200)
    kept = draw_kept(0.5, 200, [200], torch_generator(7))
    dropped = Dropout(0.5, kept)(values, 0)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(*kept, *draw_kept(0.5, 200, [200], torch_generator(7)))
    assert draw_kept(0.0, 200, [200], torch_generator(7)) == ()


@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("layer", ["conv1", "conv2", "conv5"])
def test_separate_groups_are_the_layer(layer, memory):
    net = CaffeNet(width=0.25, input_size=99, fc7=8)
    conv = getattr(net, layer)
    values = torch.randn(2, conv.in_channels, 23, 23, generator=torch_generator(1))
    values = values.to(memory_format=memory)
    torch.testing.assert_close(convolve_groups(conv, values, conv.bias), conv(values), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sides", [(67, 67), (99, 99), (227, 227), (229, 67), (67, 230), (80, 112), (231, 231)])
def test_conv1_in_blocks_is_conv1(sides):
    net = CaffeNet(width=0.25, input_size=67, fc7=8)
    images = 100 * torch.randn(2, 3, *sides, generator=torch_generator(1)).to(memory_format=torch.channels_last)
    expected, found = net.conv1(images), convolve_in_blocks(net.conv1, images, net.conv1.bias)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("layer", list(GRIDS))
def test_the_cells_of_an_image_are_those_of_the_layers(layer):
    """Pooled, and on the image with its edges, they are pool5 of `forward`."""
    net, grid = small(input_size=99), GRIDS[layer]
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8))
    edges = (grid.before, grid.after)
    with torch.inference_mode():
        found = net.cell_features(image, layer)
        surrounded = F.pad(to_input(image, net.mean_bgr), edges + edges)
        pool5 = found if layer == "pool5" else pool(found)
        assert torch.equal(pool5.flatten(1), net(surrounded, "pool5"))
    assert found.shape[2:] == (64 // grid.stride, 64 // grid.stride)


@pytest.mark.parametrize("layer", list(GRIDS))
def test_a_cell_sees_its_own_place(layer):
    net = CaffeNet(width=1 / 8, input_size=99, fc7=8, conv_std=0.05, fc_std=0.05)
    stride = GRIDS[layer].stride
    image = torch.full((1, 9 * stride, 11 * stride, 3), 128, dtype=torch.uint8)
    spot = image.clone()
    rows, columns = (slice(place * stride, (place + 1) * stride) for place in (3, 7))
    spot[:, rows, columns] = 255
    with torch.inference_mode():
        change = (net.cell_features(spot, layer) - net.cell_features(image, layer))[0].square().sum(0)
    assert change.shape == (9, 11)
    places = np.indices(change.shape).reshape(2, -1)
    assert (places * change.flatten().numpy()).sum(1) / change.sum().item() == pytest.approx([3, 7], abs=0.35)
