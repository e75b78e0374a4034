"""AlexNet and ResNets with torchvision's layers, initial weights, mean and scale.

The names of the layers are those of CaffeNet. A ResNet's stages are conv2 to conv5, as in its paper (He et al. 2016,
table 1), and its global average is pool5.

Batch normalisation uses the statistics of the batch, and learns running ones, in every training: a batch of fine-tuning
holds windows of many photos, so that its statistics are as good as those of another batch, and a network that starts
from random weights has no others. Only frozen layers keep their parent's running statistics and use them. What the
statistics become is part of the network's state, as its weights are.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tracklearn.networks.backbone import Backbone, Dropout, FullyConnected, Grid, Head, Layer
from tracklearn.networks.receptive_field import Adaptive, Step, Window, conv_window
from tracklearn.seeds import torch_generator
from tracklearn.settings.network import Network

# torchvision subtracts the mean from values of 0 to 1 and divides by the standard deviation, in RGB.
MEAN_BGR = (255 * 0.406, 255 * 0.456, 255 * 0.485)
STD_BGR = (255 * 0.225, 255 * 0.224, 255 * 0.229)
DEFAULTS = Network()


class OfTorchvision(Backbone):
    """What the backbones of torchvision share.

    Args:
        input_size: side of the input in pixels.
        fc7: units of fc7.
        outputs: units of fc8; None leaves fc8 out.
        mean_bgr: see `Backbone`.
        seed: of the initial weights, which are equal up to conv5 whatever follows them.
    """

    shape = ("input_size", "fc7", "outputs")
    channels = "RGB"
    scale_rgb = tuple(1 / std for std in STD_BGR[::-1])
    std_bgr = STD_BGR
    values = "(0..255 minus mean_bgr) / std_bgr, both in the order of RGB"
    conv1: Any

    def __init__(
        self,
        *,
        input_size: int = DEFAULTS.input_size,
        fc7: int | None = None,
        outputs: int | None = None,
        mean_bgr: Sequence[float] = MEAN_BGR,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.input_size, self.fc7_units, self.outputs = input_size, fc7, outputs
        self.mean_bgr = tuple(mean_bgr)
        features = self._add_convolutions(seed)
        if fc7 is not None:
            self.fc7 = _linear(features, fc7, seed, 7)
            self.initial_fc7_std = (3 * features) ** -0.5  # of torch's uniform weights
        if outputs is not None:
            self.fc8 = _linear(fc7 or features, outputs, seed, 8)
        self.to(memory_format=torch.channels_last)

    @abstractmethod
    def _add_convolutions(self, seed: int) -> int:
        """Add the layers before fc7, and return the number of their features."""

    def described(self) -> dict[str, Any]:
        """See `Backbone.described`."""
        return {"input_size": self.input_size, "fc7": self.fc7_units, "outputs": self.outputs}

    @staticmethod
    def prepared(images: Tensor, mean_bgr: Sequence[float], /) -> Tensor:
        """Float RGB minus the mean, divided by the standard deviation; a view in channels_last memory."""
        values = images.to(torch.float32, copy=True, memory_format=torch.contiguous_format)  # (N, H, W, 3)
        mean, scale = (
            torch.cat([values.new_full((1,), value) for value in colour]).repeat(images.shape[2])
            for colour in (mean_bgr[::-1], OfTorchvision.scale_rgb)
        )
        values.flatten(2).sub_(mean).mul_(scale)
        return values.permute(0, 3, 1, 2)

    def conv1_filters(self) -> np.ndarray:
        """See `Backbone.conv1_filters`."""
        filters: np.ndarray = self.conv1.weight.detach().cpu().numpy().transpose(0, 2, 3, 1)
        return filters

    def cell_features(self, images: Tensor, layer: str) -> Tensor:
        """See `Backbone.cell_features`."""
        grid = self.grids[layer]
        edges = grid.before, grid.after
        cells = self._cells(F.pad(self.to_input(images), edges + edges), layer)
        return cells[..., grid.skipped :, grid.skipped :]

    @abstractmethod
    def _cells(self, images: Tensor, layer: str) -> Tensor:
        """Activations of a layer of `grids`, for input of any size."""


class AlexNet(FullyConnected, OfTorchvision):
    """conv1 to conv5, pool5, fc6, fc7 and fc8 of torchvision's AlexNet."""

    backbone, title = "alexnet", "AlexNet"
    grids: ClassVar = {**dict.fromkeys(("conv3", "conv4", "conv5"), Grid(16, 7, 8)), "pool5": Grid(32, 15, 16)}
    names: ClassVar = {
        **{"features.0": "conv1", "features.3": "conv2", "features.6": "conv3", "features.8": "conv4"},
        **{"features.10": "conv5", "classifier.1": "fc6", "classifier.4": "fc7", "classifier.6": "fc8"},
    }

    def __init__(self, *, fc7: int | None = DEFAULTS.detection_fc7, **options: Any) -> None:
        super().__init__(fc7=fc7, **options)

    @classmethod
    def arguments(cls, settings: Network, head: Head) -> dict[str, Any]:
        """See `Backbone.arguments`."""
        fc7 = {"ranking": settings.ranking_fc7, "detection": settings.detection_fc7}
        return {"input_size": settings.input_size, **({"fc7": fc7[head]} if head in fc7 else {})}

    def _add_convolutions(self, seed: int) -> int:
        from torchvision.models import alexnet  # noqa: PLC0415 (torchvision takes a second)

        device = torch.get_default_device()
        with torch.device("meta"):
            theirs = alexnet(weights=None)
        for number, (place, name) in enumerate(self.names.items()):
            if name not in ("fc7", "fc8"):
                layer = theirs.get_submodule(place).to_empty(device=device)
                with _drawn_from(seed, number):
                    layer.reset_parameters()
                self.add_module(name, layer)
        return int(self.fc6.out_features)

    def pool5(self, images: Tensor) -> Tensor:
        """pool5 (N, D): the cells averaged to 6 x 6 places."""
        return F.adaptive_avg_pool2d(self._cells(images, "pool5"), self.pool5_side).flatten(1)

    def _cells(self, images: Tensor, layer: str) -> Tensor:
        values = images
        for name in self.transferable["conv"]:
            values = F.relu(self.get_submodule(name)(values))
            if name == layer:
                return values
            if name in ("conv1", "conv2", "conv5"):
                values = F.max_pool2d(values, 3, 2)
        return values

    @property
    def pool5_side(self) -> int:
        """Whatever the input's size, torchvision averages pool5 to 6 x 6 places."""
        return 6

    def steps_to_pool5(self) -> list[Step]:
        """See `Backbone.steps_to_pool5`."""
        steps = self._windows()
        return [*steps, Adaptive(steps[-1].outputs, self.pool5_side)]

    @property
    def cells_side(self) -> int:
        """Rows and columns of the cells that are averaged to pool5."""
        return self._windows()[-1].outputs

    def _windows(self) -> list[Window]:
        windows: list[Window] = []
        side = self.input_size
        for name in self.transferable["conv"]:
            windows.append(conv_window(cast(nn.Conv2d, self.get_submodule(name)), side))
            if name in ("conv1", "conv2", "conv5"):
                windows.append(Window(3, 2, 0, windows[-1].outputs))
            side = windows[-1].outputs
        return windows


class ResNet(OfTorchvision):
    """conv1 to conv5 and the average pool5 of torchvision's ResNet; fc7 and fc8 follow pool5. There is no dropout."""

    may_lack = frozenset({"fc7", "outputs"})
    transferable: ClassVar = {"conv": ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")}
    # A unit lies at the first of its stride's pixels: half a stride is added, and the first unit lies on the edge.
    grids: ClassVar = {f"conv{place}": Grid(2**place, 2**place // 2, 2**place // 2, skipped=1) for place in range(2, 6)}
    names: ClassVar = {**{name: name for name in transferable["conv"]}, "fc": "fc8"}
    bn1: Any

    @classmethod
    def arguments(cls, settings: Network, head: Head) -> dict[str, Any]:
        """See `Backbone.arguments`."""
        return {
            "input_size": settings.input_size,
            **({"fc7": settings.ranking_fc7} if head == "ranking" else {}),
        }

    def _add_convolutions(self, seed: int) -> int:
        from torchvision import models  # noqa: PLC0415 (torchvision takes a second)

        with _drawn_from(seed, 0):
            theirs = getattr(models, self.backbone)(weights=None, num_classes=1)
        for name in self.transferable["conv"]:
            self.add_module(name, theirs.get_submodule(name))
        self.pool5_units = int(theirs.fc.in_features)
        return self.pool5_units

    def train(self, mode: bool = True) -> Self:
        """See torch; frozen batch normalisation keeps its running statistics."""
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d) and not layer.weight.requires_grad:
                layer.eval()
        return self

    def forward(self, images: Tensor, layer: Layer = "fc7", *, dropout: Dropout | None = None) -> Tensor:
        """See `Backbone.forward`."""
        pool5 = self._cells(images, "conv5").mean((2, 3))
        if layer == "pool5":
            return pool5
        top = pool5 if self.fc7_units is None else F.relu(self.fc7(pool5))
        return self.fc8(top) if layer == "fc8" else top

    def _cells(self, images: Tensor, layer: str) -> Tensor:
        values = F.max_pool2d(F.relu(self.bn1(self.conv1(images))), 3, 2, 1)
        for place in range(2, int(layer[-1]) + 1):
            values = self.get_submodule(f"layer{place - 1}")(values)
        return values

    def layer_widths(self) -> dict[str, int]:
        """See `Backbone.layer_widths`."""
        units = {"pool5": self.pool5_units, "fc7": self.fc7_units, "fc8": self.outputs}
        return {layer: count for layer, count in units.items() if count is not None}

    @property
    def pool5_side(self) -> int:
        """pool5 is an average over all places."""
        return 1

    def steps_to_pool5(self) -> list[Step]:
        """A unit of pool5 sees the whole input."""
        return [Adaptive(self.input_size, 1)]

    def cell_units(self, cells: int, words: int) -> int:
        """The cells share their units, as pool5 does not tell one place from another."""
        return words

    def cell_scores(self, images: Tensor, cells: int, *, dropout: Dropout | None = None) -> Tensor:
        """fc7 in each cell on conv5, which is interpolated bilinearly to the cells."""
        conv5 = F.interpolate(self._cells(images, "conv5"), (cells, cells), mode="bilinear", align_corners=False)
        scores: Tensor = self.fc7(conv5.permute(0, 2, 3, 1))
        return scores


class ResNet18(ResNet):
    """ResNet with two blocks of two convolutions in each stage."""

    backbone, title = "resnet18", "ResNet-18"


class ResNet50(ResNet):
    """ResNet with 3, 4, 6 and 3 blocks of three convolutions in its stages."""

    backbone, title = "resnet50", "ResNet-50"


def _linear(inputs: int, outputs: int, seed: int, stream: int) -> nn.Linear:
    with _drawn_from(seed, stream):
        return nn.Linear(inputs, outputs)


@contextmanager
def _drawn_from(*entropy: int) -> Iterator[None]:
    """Within the block, torch draws its initial weights from a seed of their own; its generator is put back."""
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(torch_generator(*entropy).initial_seed())
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
