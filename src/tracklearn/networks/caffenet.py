"""CaffeNet: the network of the authors' Caffe fork (xiaolonw/caffe-video_triplet).

It differs from torchvision's AlexNet: conv1 has 96 filters, conv2, conv4 and conv5 have groups, pooling comes before
local response normalisation, and the input is BGR with values 0..255 minus a mean colour.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tracklearn.networks.backbone import CONV_LAYERS, FullyConnected, Grid, Head
from tracklearn.networks.convolution import convolve
from tracklearn.networks.lrn import local_response_norm
from tracklearn.networks.pooling import convolve_and_pool
from tracklearn.networks.receptive_field import Step, Window, conv_window
from tracklearn.seeds import torch_generator
from tracklearn.settings.network import Network

DEFAULTS = Network()
CHANNELS = {"conv1": 96, "conv2": 256, "conv3": 384, "conv4": 384, "conv5": 256, "fc6": 4096}  # at width 1
POOLED = ("conv1", "conv2", "conv5")  # layers that a pooling follows
BIASED = ("conv2", "conv4", "conv5", "fc6", "fc7")  # the initial biases of the other layers are 0

GRIDS = {"conv5": Grid(16, 9, 10), "pool5": Grid(32, 17, 18)}  # conv1 and the poolings have no padding


def to_input(images: Tensor, mean_bgr: Sequence[float] = DEFAULTS.mean_bgr) -> Tensor:
    """Turn uint8 RGB images (N, S, S, 3) into the network's input: float BGR minus the mean, (N, 3, S, S).

    The result is a view in channels_last memory: nothing is transposed.
    """
    bgr = _swapped(images).float().contiguous()  # (N, S, S, 3); contiguous, since flattened rows of a view are copies
    mean = torch.cat([bgr.new_full((1,), value) for value in mean_bgr])  # with new_tensor the CPU waits for the GPU
    bgr.flatten(2).sub_(mean.repeat(images.shape[2]))  # whole rows: subtracting three values at a time is slow
    return bgr.permute(0, 3, 1, 2)


def _swapped(images: Tensor) -> Tensor:
    """RGB images (N, S, S, 3) as BGR. On a CPU, NumPy copies channels in a third of the time of torch's flip."""
    if images.device.type != "cpu":
        return images.flip(-1)
    bgr = torch.empty_like(images)
    for channel in range(3):
        bgr.numpy()[..., channel] = images.numpy()[..., 2 - channel]
    return bgr


def channels_at(width: float) -> dict[str, int]:
    """Channels of conv1..conv5 and units of fc6: `CHANNELS` times `width`, rounded to even numbers for the groups."""
    return {layer: max(2, 2 * round(channels * width / 2)) for layer, channels in CHANNELS.items()}


def pool5_side(input_size: int) -> int:
    """Height and width of pool5 for an input of `input_size` pixels: 6 at 227."""
    side = (input_size - 11) // 4 + 1
    for _ in ("pool1", "pool2", "pool5"):
        side = (side - 2) // 2 + 1  # ceil((side - 3) / 2) + 1
    return side


class CaffeNet(FullyConnected):
    """conv1..conv5, pool5, fc6, fc7 and, where `outputs` is given, fc8; the layers have the released names.

    Args:
        width, input_size, mean_bgr, conv_std, fc_std, fc8_std, bias: as in `settings.network.Network`. The mean is
            stored with the weights for those who prepare the input. With the released standard deviations the signal of
            a narrow network vanishes beside its biases: at width 1/4 and input 99 all features of fc7 are equal to
            1e-7, and ranking does not learn.
        fc7: units of fc7 at any width; in the paper 1024 for ranking and 4096 for detection.
        outputs: units of fc8; None leaves fc8 out.
        seed: of the initial weights. Each layer draws from its own generator, so that equal seeds give equal conv
            layers whatever follows them.
    """

    backbone, title = "caffenet", "CaffeNet"
    shape = ("width", "input_size", "fc7", "outputs")
    channels = "BGR"
    values = "0..255 minus mean_bgr"
    grids = GRIDS
    prepared = staticmethod(to_input)

    def __init__(
        self,
        *,
        width: float = DEFAULTS.width,
        input_size: int = DEFAULTS.input_size,
        fc7: int = DEFAULTS.detection_fc7,
        outputs: int | None = None,
        mean_bgr: Sequence[float] = DEFAULTS.mean_bgr,
        conv_std: float = DEFAULTS.conv_std,
        fc_std: float = DEFAULTS.fc_std,
        fc8_std: float = DEFAULTS.fc8_std,
        bias: float = DEFAULTS.bias,
        seed: int = 0,
    ):
        super().__init__()
        self.width, self.input_size, self.fc7_units, self.outputs = width, input_size, fc7, outputs
        self.mean_bgr, self.initial_fc7_std = tuple(mean_bgr), fc_std
        c1, c2, c3, c4, c5, fc6 = channels_at(width).values()
        self.conv1 = _uninitialised(nn.Conv2d, 3, c1, 11, stride=4)
        self.conv2 = _uninitialised(nn.Conv2d, c1, c2, 5, padding=2, groups=2)
        self.conv3 = _uninitialised(nn.Conv2d, c2, c3, 3, padding=1)
        self.conv4 = _uninitialised(nn.Conv2d, c3, c4, 3, padding=1, groups=2)
        self.conv5 = _uninitialised(nn.Conv2d, c4, c5, 3, padding=1, groups=2)
        self.fc6 = _uninitialised(nn.Linear, c5 * pool5_side(input_size) ** 2, fc6)
        self.fc7 = _uninitialised(nn.Linear, fc6, fc7)
        if outputs is not None:
            self.fc8 = _uninitialised(nn.Linear, fc7, outputs)
        self._initialise({"conv": conv_std, "fc": fc_std, "fc8": fc8_std}, bias, seed)
        self.to(memory_format=torch.channels_last)

    def _initialise(self, stds: dict[str, float], constant: float, seed: int) -> None:
        """Gaussian weights and constant biases; nothing on the device "meta", whose tensors have no values."""
        for index, (name, layer) in enumerate(self.named_children()):
            weight, bias = layer.parameters()
            if not weight.is_meta:
                std = stds.get(name, stds[name.rstrip("12345678")])
                nn.init.normal_(weight, std=std, generator=torch_generator(seed, index))
                nn.init.constant_(bias, constant if name in BIASED else 0.0)

    @classmethod
    def arguments(cls, settings: Network, head: Head) -> dict[str, Any]:
        """See `Backbone.arguments`."""
        ranking = head == "ranking"
        fc7 = settings.ranking_fc7 if ranking else settings.detection_fc7
        return {
            "width": settings.width,
            "input_size": settings.input_size,
            **({} if head == "normals" else {"fc7": fc7}),
            "mean_bgr": settings.mean_bgr,
            "conv_std": settings.conv_std,
            "fc_std": settings.ranking_fc_std if ranking and settings.ranking_fc_std is not None else settings.fc_std,
            "fc8_std": settings.fc8_std,
            "bias": settings.bias,
        }

    def described(self) -> dict[str, Any]:
        """See `Backbone.described`."""
        return {"width": self.width, "input_size": self.input_size, "fc7": self.fc7_units, "outputs": self.outputs}

    @property
    def pool5_side(self) -> int:
        """See the function `pool5_side`."""
        return pool5_side(self.input_size)

    def steps_to_pool5(self) -> list[Step]:
        """See `Backbone.steps_to_pool5`."""
        steps: list[Step] = []
        side = self.input_size
        for name in CONV_LAYERS:
            steps.append(window := conv_window(getattr(self, name), side))
            side = window.outputs
            if name in POOLED:
                steps.append(Window(3, 2, 0, side))
                side = -(-(side - 3) // 2) + 1  # an incomplete last window counts
        return steps

    def conv1_filters(self) -> np.ndarray:
        """See `Backbone.conv1_filters`; the network's own are BGR."""
        filters: np.ndarray = self.conv1.weight.detach().cpu().numpy().transpose(0, 2, 3, 1)[..., ::-1]
        return filters

    def pool5(self, images: Tensor) -> Tensor:
        """pool5 (N, C * H * W), in Caffe's order, for input (N, 3, S, S)."""
        return convolve_and_pool(self.conv5, self._conv4(images)).flatten(1)

    def cell_features(self, images: Tensor, layer: str) -> Tensor:
        """Activations of conv5 or pool5 after the ReLU in each cell of images, (N, C, H / stride, W / stride).

        The images are surrounded by the mean colour.

        Args:
            images: uint8 RGB (N, H, W, 3), whose sides are whole numbers of cells.
            layer: one of `GRIDS`.
        """
        edges = GRIDS[layer].before, GRIDS[layer].after
        conv4 = self._conv4(F.pad(to_input(images, self.mean_bgr), edges + edges))
        return convolve_and_pool(self.conv5, conv4) if layer == "pool5" else F.relu(convolve(self.conv5, conv4))

    def _conv4(self, images: Tensor) -> Tensor:
        """conv4 after its ReLU, (N, C, H', W'), for input (N, 3, H, W) of any size."""
        norm1 = local_response_norm(convolve_and_pool(self.conv1, images))
        norm2 = local_response_norm(convolve_and_pool(self.conv2, norm1))
        conv3 = F.relu(convolve(self.conv3, norm2))
        return F.relu(convolve(self.conv4, conv3))


def _uninitialised(kind: type[nn.Module], *sizes: int, **options: int) -> Any:
    """A layer on the default device, without the random weights that torch draws from its global generator."""
    layer = kind(*sizes, **options, device="meta")
    for name, parameter in list(layer.named_parameters()):
        setattr(layer, name, nn.Parameter(torch.empty(parameter.shape)))
    return layer
