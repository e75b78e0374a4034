"""What every network of this package offers; nothing outside `networks` asks which backbone it is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tracklearn.errors import UserError
from tracklearn.networks.receptive_field import Step
from tracklearn.settings.network import Network

Layer = Literal["pool5", "fc6", "fc7", "fc8"]
Head = Literal["ranking", "detection", "normals"]
CONV_LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")


class Grid(NamedTuple):
    """How the cells of a layer lie on an image of any size.

    Attributes:
        stride: pixels along each side of a cell.
        before, after: pixels that the image needs on its left and right, so that the middle of each cell's receptive
            field is the middle of the cell.
        skipped: cells at the left and at the top that lie on the added pixels.
    """

    stride: int
    before: int
    after: int
    skipped: int = 0


class Backbone(nn.Module, ABC):
    """Convolutions conv1 to conv5, the pooled features pool5, and the heads of a network: fc6, fc7 and fc8.

    A backbone need not have fc6 or fc7, and it has fc8 where `outputs` is given. All activations are those after the
    ReLU; fc8 has none. Parameters are named {layer}...{weight or bias}, and `layer` is the name of a child module.

    Attributes:
        backbone, title: its name in the configuration, and in texts.
        shape: the arguments that a saved network is built from, by name; `may_lack` are those that may be None.
        channels, values: what the input holds, in words, for the metadata of the weights.
        transferable: the child modules that a model takes from its parent, by the setting `transfer`.
        grids: the layers whose cells carry features of places.
        names: the layers by the names that torchvision's own weights have for them; empty for a network of ours.
        input_size: side of the input in pixels.
        outputs: units of fc8.
        mean_bgr: mean blue, green and red that is subtracted, 0 to 255. It is also the colour around a photo.
        std_bgr: standard deviation by which values less their mean are divided; None divides by nothing.
        initial_fc7_std: standard deviation of the initial weights of fc7.
    """

    backbone: ClassVar[str]
    title: ClassVar[str]
    shape: ClassVar[tuple[str, ...]]
    may_lack: ClassVar[frozenset[str]]
    channels: ClassVar[str]
    values: ClassVar[str]
    transferable: ClassVar[Mapping[str, tuple[str, ...]]]
    grids: ClassVar[Mapping[str, Grid]]
    names: ClassVar[Mapping[str, str]] = {}
    std_bgr: ClassVar[tuple[float, ...] | None] = None
    input_size: int
    outputs: int | None
    mean_bgr: tuple[float, ...]
    initial_fc7_std: float
    fc6: Any  # linear layers, where they are there
    fc7: Any
    fc8: Any

    @classmethod
    @abstractmethod
    def arguments(cls, settings: Network, head: Head) -> dict[str, Any]:
        """The constructor's arguments for a new network of the block `network`, but for its outputs and seed."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """The values of `shape`."""

    @staticmethod
    @abstractmethod
    def prepared(images: Tensor, mean_bgr: Sequence[float], /) -> Tensor:
        """The input of a network with this mean; see `to_input`."""

    def to_input(self, images: Tensor) -> Tensor:
        """The network's input, float (N, 3, S, S), for uint8 RGB images (N, S, S, 3)."""
        return self.prepared(images, self.mean_bgr)

    @abstractmethod
    def forward(self, images: Tensor, layer: Layer = "fc7", *, dropout: "Dropout | None" = None) -> Tensor:
        """Activations of `layer`, (N, D), for input from `to_input`; `dropout` drops units of the `dropped` layers."""

    def features(self, images: Tensor, layer: Layer) -> Tensor:
        """Activations of `layer`, (N, D), for uint8 RGB images (N, S, S, 3)."""
        features: Tensor = self(self.to_input(images), layer)
        return features

    @abstractmethod
    def cell_features(self, images: Tensor, layer: str) -> Tensor:
        """Activations of `layer` in each cell of images, (N, C, H / stride, W / stride).

        The images are surrounded by the mean colour.

        Args:
            images: uint8 RGB (N, H, W, 3), whose sides are whole numbers of cells.
            layer: one of `grids`.
        """

    @abstractmethod
    def cell_units(self, cells: int, words: int) -> int:
        """Units that fc7 needs to answer with scores of `words` in each of `cells` x `cells` cells."""

    @abstractmethod
    def cell_scores(self, images: Tensor, cells: int, *, dropout: "Dropout | None" = None) -> Tensor:
        """Scores (N, cells, cells, words) by an fc7 of `cell_units`, without its ReLU, for input from `to_input`."""

    @abstractmethod
    def layer_widths(self) -> dict[str, int]:
        """The layers that `forward` gives, with the number of their features."""

    @property
    def dropped(self) -> tuple[int, ...]:
        """Units of the layers that have dropout in training, in the order of `Dropout.kept`."""
        return ()

    @property
    @abstractmethod
    def pool5_side(self) -> int:
        """Rows and columns of the units of one channel of pool5."""

    @abstractmethod
    def steps_to_pool5(self) -> list[Step]:
        """The layers from the pixels to pool5, as a unit of pool5 sees through them."""

    @abstractmethod
    def conv1_filters(self) -> np.ndarray:
        """The filters of conv1, float32 (N, k, k, 3), RGB."""

    def layer_width(self, layer: str, name: object) -> int:
        """Features that a layer gives of one image.

        Raises:
            UserError: the network has no such layer; names the network by `name`.
        """
        widths = self.layer_widths()
        if layer not in widths:
            raise UserError(
                f"{name}: the network ({self.backbone}) has no layer {layer}; choose one of {', '.join(widths)}"
            )
        return widths[layer]

    def grid(self, layer: str, name: object) -> Grid:
        """How the cells of a layer lie.

        Raises:
            UserError: the layer has no cells; names the network by `name`.
        """
        if layer not in self.grids:
            raise UserError(
                f"{name}: the network ({self.backbone}) has no cells in a layer {layer}; choose one of "
                f"{', '.join(self.grids)}"
            )
        return self.grids[layer]

    def freeze(self) -> None:
        """Keep conv1 to conv5 as they are in the trainings that follow."""
        for layer in self.transferable["conv"]:
            self.get_submodule(layer).requires_grad_(False)


class FullyConnected(Backbone):
    """A backbone with fc6 and fc7 between pool5 and fc8; both have dropout after their ReLU in training."""

    may_lack = frozenset({"outputs"})
    transferable: ClassVar = {"conv": CONV_LAYERS, "fc7": (*CONV_LAYERS, "fc6", "fc7")}

    @abstractmethod
    def pool5(self, images: Tensor) -> Tensor:
        """pool5 (N, D) for input from `to_input`."""

    def forward(self, images: Tensor, layer: Layer = "fc7", *, dropout: "Dropout | None" = None) -> Tensor:
        """See `Backbone.forward`."""
        pool5 = self.pool5(images)
        if layer == "pool5":
            return pool5
        fc6 = F.relu(self.fc6(pool5))
        fc6 = dropout(fc6, 0) if dropout else fc6
        if layer == "fc6":
            return fc6
        fc7 = F.relu(self.fc7(fc6))
        fc7 = dropout(fc7, 1) if dropout else fc7
        return fc7 if layer == "fc7" else self.fc8(fc7)

    def layer_widths(self) -> dict[str, int]:
        """See `Backbone.layer_widths`."""
        widths = {"pool5": self.fc6.in_features, "fc6": self.fc6.out_features, "fc7": self.fc7.out_features}
        return widths if self.outputs is None else {**widths, "fc8": self.outputs}

    @property
    def dropped(self) -> tuple[int, ...]:
        """Units of fc6 and fc7."""
        return self.fc6.out_features, self.fc7.out_features

    def cell_units(self, cells: int, words: int) -> int:
        """Each cell has units of its own, which see all of the photo (PAPER §6.2.2)."""
        return cells * cells * words

    def cell_scores(self, images: Tensor, cells: int, *, dropout: "Dropout | None" = None) -> Tensor:
        """fc7 on fc6; `dropout` is that of fc6."""
        scores: Tensor = self.fc7(self(images, "fc6", dropout=dropout))
        return scores.unflatten(1, (cells, cells, -1))


class Dropout(NamedTuple):
    """Sets a random share of the units of some layers to zero and scales the rest by 1 / (1 - share), as Caffe does.

    Attributes:
        share: of the units that are dropped.
        kept: bool (N, units) of each layer.
    """

    share: float
    kept: Sequence[Tensor]

    def __call__(self, values: Tensor, layer: int) -> Tensor:
        """The values (N, units) of a layer, given by its place in `kept`, after the dropout."""
        return values * self.kept[layer].to(values.dtype).div_(1 - self.share)


def draw_kept(share: float, images: int, units: Sequence[int], generator: torch.Generator) -> tuple[Tensor, ...]:
    """Draw `Dropout.kept` for layers of so many units, on the CPU; nothing if `share` is 0."""
    if share == 0:
        return ()
    shapes = [(images, count) for count in units]
    return tuple(torch.empty(shape, dtype=torch.bool).bernoulli_(1 - share, generator=generator) for shape in shapes)
