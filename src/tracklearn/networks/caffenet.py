"""CaffeNet: the network of the authors' Caffe fork (xiaolonw/caffe-video_triplet).

It is not torchvision's AlexNet: 96 filters in conv1, groups in conv2, conv4 and conv5, pooling before local response
normalisation, input in BGR with values 0..255 minus a mean colour.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from tracklearn.networks.lrn import local_response_norm
from tracklearn.seeds import torch_generator

MEAN_BGR = (96.64, 102.75, 107.99)  # the fork's mean over video frames
CONV_LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")
CHANNELS = {"conv1": 96, "conv2": 256, "conv3": 384, "conv4": 384, "conv5": 256, "fc6": 4096}  # at width 1
CONV_STD, FC_STD, FC8_STD = 0.01, 0.005, 0.01  # the fork's Gaussian fillers
BIAS = 1.0  # the fork's constant filler of the layers below; 0 in the others
BIASED = ("conv2", "conv4", "conv5", "fc6", "fc7")

Layer = Literal["pool5", "fc6", "fc7", "fc8"]


def to_input(images: Tensor, mean_bgr: Sequence[float] = MEAN_BGR) -> Tensor:
    """Turn uint8 RGB images (N, S, S, 3) into the network's input: float BGR minus the mean, (N, 3, S, S).

    The result is a view in channels_last memory: nothing is transposed.
    """
    bgr = images.flip(-1).float().contiguous()  # (N, S, S, 3); the rows of a view would be copies
    mean = torch.cat([bgr.new_full((1,), value) for value in mean_bgr])  # new_tensor would have the CPU wait for a GPU
    bgr.flatten(2).sub_(mean.repeat(images.shape[2]))  # by rows: three at a time would be slow
    return bgr.permute(0, 3, 1, 2)


def pool(values: Tensor) -> Tensor:
    """Caffe's max-pooling 3/2, which keeps the last incomplete window."""
    return F.max_pool2d(values, kernel_size=3, stride=2, ceil_mode=True)


def channels_at(width: float) -> dict[str, int]:
    """Channels of conv1..conv5 and units of fc6: `CHANNELS` times `width`, in even numbers because of the groups."""
    return {layer: max(2, 2 * round(channels * width / 2)) for layer, channels in CHANNELS.items()}


def pool5_side(input_size: int) -> int:
    """Height and width of pool5 for an input of `input_size` pixels: 6 at 227."""
    side = (input_size - 11) // 4 + 1
    for _ in ("pool1", "pool2", "pool5"):
        side = (side - 2) // 2 + 1  # ceil((side - 3) / 2) + 1
    return side


class CaffeNet(nn.Module):
    """conv1..conv5, pool5, fc6, fc7 and, where `outputs` is given, fc8; layer names as released.

    Args:
        width: factor on the channels of conv1..conv5 and the units of fc6, rounded to even numbers because of the
            groups; 1 is the paper's.
        input_size: side of the input in pixels, at least 67.
        fc7: units of fc7, whatever the width: 1024 for ranking, 4096 for detection in the paper.
        outputs: units of fc8; None leaves fc8 out.
        mean_bgr: kept with the weights for whoever prepares the input.
        conv_std, fc_std, fc8_std: standard deviations of the Gaussian fillers. The released ones let a narrow net's
            signal vanish beside its biases: at width 1/4 and input 99 all features of fc7 are equal to 1e-7, and
            ranking cannot begin.
        bias: constant filler of conv2, conv4, conv5, fc6 and fc7.
        seed: of the fillers. Each layer draws from its own generator, so equal seeds give equal conv layers
            whatever follows them.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        input_size: int = 227,
        fc7: int = 4096,
        outputs: int | None = None,
        mean_bgr: Sequence[float] = MEAN_BGR,
        conv_std: float = CONV_STD,
        fc_std: float = FC_STD,
        fc8_std: float = FC8_STD,
        bias: float = BIAS,
        seed: int = 0,
    ):
        super().__init__()
        self.width, self.input_size, self.fc7_units, self.outputs = width, input_size, fc7, outputs
        self.mean_bgr = tuple(mean_bgr)
        c1, c2, c3, c4, c5, fc6 = channels_at(width).values()
        self.conv1 = skip_init(nn.Conv2d, 3, c1, 11, stride=4)
        self.conv2 = skip_init(nn.Conv2d, c1, c2, 5, padding=2, groups=2)
        self.conv3 = skip_init(nn.Conv2d, c2, c3, 3, padding=1)
        self.conv4 = skip_init(nn.Conv2d, c3, c4, 3, padding=1, groups=2)
        self.conv5 = skip_init(nn.Conv2d, c4, c5, 3, padding=1, groups=2)
        self.fc6 = skip_init(nn.Linear, c5 * pool5_side(input_size) ** 2, fc6)
        self.fc7 = skip_init(nn.Linear, fc6, fc7)
        if outputs is not None:
            self.fc8 = skip_init(nn.Linear, fc7, outputs)
        self._fill({"conv": conv_std, "fc": fc_std, "fc8": fc8_std}, bias, seed)
        self.to(memory_format=torch.channels_last)

    def _fill(self, stds: dict[str, float], constant: float, seed: int) -> None:
        """Gaussian weights and constant biases."""
        for index, (name, layer) in enumerate(self.named_children()):
            std = stds.get(name, stds[name.rstrip("12345678")])
            weight, bias = layer.parameters()
            nn.init.normal_(weight, std=std, generator=torch_generator(seed, index))
            nn.init.constant_(bias, constant if name in BIASED else 0.0)

    def forward(
        self, images: Tensor, layer: Layer = "fc7", *, dropout: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """Activations of `layer`, (N, D), after its ReLU (fc8 has none), for input (N, 3, S, S) from `to_input`.

        `dropout` is the share of units of fc6 and fc7 that are dropped, drawn from `generator` (on the input's
        device); the others are scaled up, as Caffe does.
        """
        # The maximum of a ReLU is the ReLU of the maximum, on a quarter of the values.
        norm1 = local_response_norm(F.relu(pool(self.conv1(images))))
        norm2 = local_response_norm(F.relu(pool(self.conv2(norm1))))
        conv3 = F.relu(self.conv3(norm2))
        conv4 = F.relu(self.conv4(conv3))
        pool5 = F.relu(pool(self.conv5(conv4))).flatten(1)  # (N, C * H * W), in Caffe's order
        if layer == "pool5":
            return pool5
        fc6 = drop(F.relu(self.fc6(pool5)), dropout, generator)
        if layer == "fc6":
            return fc6
        fc7 = drop(F.relu(self.fc7(fc6)), dropout, generator)
        return fc7 if layer == "fc7" else self.fc8(fc7)


def drop(values: Tensor, share: float, generator: torch.Generator | None) -> Tensor:
    """Set a random `share` of the values to zero and scale the rest by 1 / (1 - share)."""
    if share == 0:
        return values
    kept = torch.empty_like(values).bernoulli_(1 - share, generator=generator)
    return values * kept.div_(1 - share)
