import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tracklearn.frozen.cells import GRIDS, cell_features, conv5_of, whole_cells
from tracklearn.networks.caffenet import CaffeNet, pool, to_input


@pytest.fixture(scope="module")
def net():
    return CaffeNet(width=1 / 8, input_size=99, fc7=8, conv_std=0.05, fc_std=0.05).eval()


def test_the_activations_are_those_of_the_network(net):
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 99, 99, 3), dtype=np.uint8))
    values = to_input(images, net.mean_bgr)
    with torch.inference_mode():
        assert torch.equal(F.relu(pool(conv5_of(net, values))).flatten(1), net(values, "pool5"))


@pytest.mark.parametrize("layer", list(GRIDS))
def test_a_cell_sees_its_own_place(net, layer):
    stride = GRIDS[layer].stride
    image = torch.full((1, 9 * stride, 11 * stride, 3), 128, dtype=torch.uint8)
    spot = image.clone()
    rows, columns = (slice(place * stride, (place + 1) * stride) for place in (3, 7))
    spot[:, rows, columns] = 255
    with torch.inference_mode():
        change = (cell_features(net, spot, layer) - cell_features(net, image, layer))[0].square().sum(0)
    assert change.shape == (9, 11)
    places = np.indices(change.shape).reshape(2, -1)
    assert (places * change.flatten().numpy()).sum(1) / change.sum().item() == pytest.approx([3, 7], abs=0.35)


def test_images_are_resized_to_whole_cells():
    assert whole_cells(240, 428, side=480, stride=16) == (480, 864)  # 856 is 53.5 cells
    assert whole_cells(428, 240, side=480, stride=32) == (864, 480)
    assert whole_cells(100, 1000, side=64, stride=32) == (64, 640)
