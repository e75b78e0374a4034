import numpy as np
import torch
from PIL import Image

from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.filters import draw_filters, filter_grid


def test_a_filter_with_blue_in_its_top_row_is_drawn_with_a_blue_top_row():
    net = CaffeNet(width=1 / 16, input_size=67)  # 6 filters of 11 x 11
    with torch.no_grad():
        net.conv1.weight[0] = 0
        net.conv1.weight[0, 0, 0] = 1  # channel 0 is blue
    grid = filter_grid(net)
    assert grid.shape == (12, 12 * 12, 3)
    assert grid[0, :11].tolist() == [[0, 0, 255]] * 11
    assert not grid[1:11, :11].any()
    assert (grid[:, 6 * 12 :] == 255).all()  # no seventh filter


def test_the_file_is_the_grid_enlarged(tmp_path):
    net = CaffeNet(width=1 / 16, input_size=67)
    draw_filters(tmp_path / "conv1.png", net)
    picture = np.asarray(Image.open(tmp_path / "conv1.png"))
    np.testing.assert_array_equal(picture[::4, ::4], filter_grid(net))
