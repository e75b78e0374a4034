"""Features of a whole frame, cell by cell: CaffeNet's conv5 or pool5 on an image of any size."""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from tracklearn.networks.caffenet import CaffeNet, pool, to_input
from tracklearn.networks.convolution import convolve
from tracklearn.networks.lrn import local_response_norm


class Grid(NamedTuple):
    """How the cells of a layer lie on an image.

    Attributes:
        stride: pixels along each side of a cell.
        before, after: pixels that the image needs on its left and right, so that the middle of each cell's receptive
            field is the middle of the cell: conv1 and the poolings have no padding of their own.
    """

    stride: int
    before: int
    after: int


GRIDS = {"conv5": Grid(16, 9, 10), "pool5": Grid(32, 17, 18)}


def cell_features(net: CaffeNet, images: Tensor, layer: str) -> Tensor:
    """Activations of conv5 or pool5 after the ReLU, (N, C, H / stride, W / stride).

    The image is surrounded by the mean colour.

    Args:
        images: uint8 RGB (N, H, W, 3), whose sides are whole numbers of cells.
        layer: one of `GRIDS`.
    """
    edges = GRIDS[layer].before, GRIDS[layer].after
    conv5 = conv5_of(net, F.pad(to_input(images, net.mean_bgr), edges + edges))
    return F.relu(pool(conv5) if layer == "pool5" else conv5)


def conv5_of(net: CaffeNet, values: Tensor) -> Tensor:
    """conv5 before its ReLU, (N, C, H', W'), for input (N, 3, H, W) of any size; see `CaffeNet.forward`."""
    norm1 = local_response_norm(F.relu(pool(convolve(net.conv1, values))))
    norm2 = local_response_norm(F.relu(pool(convolve(net.conv2, norm1))))
    conv3 = F.relu(convolve(net.conv3, norm2))
    conv4 = F.relu(convolve(net.conv4, conv3))
    return convolve(net.conv5, conv4)


def whole_cells(height: int, width: int, *, side: int, stride: int) -> tuple[int, int]:
    """Height and width to which an image is resized: the shorter side is about `side`, both are whole cells."""
    scale = side / min(height, width) / stride
    return max(1, round(height * scale)) * stride, max(1, round(width * scale)) * stride
