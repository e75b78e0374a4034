import pytest
import torch
import torch.nn.functional as F
from reference.figures import seen_pixels

from tracklearn.networks.caffenet import CaffeNet, pool5_side
from tracklearn.networks.lrn import local_response_norm
from tracklearn.networks.pooling import pool
from tracklearn.networks.receptive_field import receptive_field


def network(size):
    return CaffeNet(width=1 / 16, input_size=size, fc7=2, conv_std=0.05)


@pytest.mark.parametrize(
    ("place", "expected"), [(0, (0, 130)), (1, (0, 162)), (2, (0, 194)), (3, (32, 226)), (5, (96, 226))]
)
def test_a_unit_at_227_px_sees_195_pixels_clipped_at_the_border(place, expected):
    """By hand: a unit at p sees pixels 32 p - 64 to 32 p + 130."""
    assert receptive_field(network(227), place) == expected


@pytest.mark.parametrize("size", [67, 99, 128, 150, 227, 231, 300])
def test_the_interval_holds_the_pixels_that_loops_over_the_layers_find(size):
    for place in range(pool5_side(size)):
        first, last = receptive_field(network(size), place)
        assert set(range(first, last + 1)) == seen_pixels(size, place)


def before_pool5(net, images):
    """The values (N, C, H, W) that pool5 takes the maximum of."""
    norm1 = local_response_norm(F.relu(pool(net.conv1(images))))
    norm2 = local_response_norm(F.relu(pool(net.conv2(norm1))))
    return net.conv5(F.relu(net.conv4(F.relu(net.conv3(norm2)))))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 3), (2, 5), (5, 1)])
def test_no_pixel_outside_the_crop_moves_the_unit(row, column):
    """The gradient at 227 px of all values that the unit pools is exactly 0 outside the crop, and not inside."""
    net = network(227)
    images = torch.randn(1, 3, 227, 227, generator=torch.Generator().manual_seed(4)).mul(60).requires_grad_()
    values = before_pool5(net, images)[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
    (gradient,) = torch.autograd.grad(values.sum(), images)
    moved = gradient[0].abs().sum(0) > 0
    (top, bottom), (left, right) = receptive_field(net, row), receptive_field(net, column)
    assert moved[top : bottom + 1, left : right + 1].float().mean() > 0.1
    moved[top : bottom + 1, left : right + 1] = False
    assert not moved.any()


@pytest.mark.parametrize("size", [99, 227])
def test_every_edge_of_the_crop_moves_the_unit(size):
    """All weights are positive, so that a bright line of pixels raises every unit which sees it."""
    net = network(size)
    with torch.no_grad():
        for layer in (net.conv1, net.conv2, net.conv3, net.conv4, net.conv5):
            layer.weight.abs_()
    place = pool5_side(size) - 1
    first, last = receptive_field(net, place)

    def unit(line):
        images = torch.zeros(1, 3, size, size)
        if line is not None:
            images[:, :, line] = 1e4
        return net(images, "pool5").reshape(1, -1, pool5_side(size), pool5_side(size))[0, 0, place, 0].item()

    with torch.inference_mode():
        assert unit(first) != unit(None)
        assert unit(last) != unit(None)
        if first:
            assert unit(first - 1) == unit(None)
