"""The backbones as networks of surface normals: their fc7 gives scores of words for each cell (PAPER §6.2.2)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from tracklearn.networks.backbone import Backbone, Dropout
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.of_torchvision import AlexNet, ResNet18, ResNet50


class NormalsHead(Backbone):
    """A backbone whose fc7 has no ReLU and gives scores of `words` for `cells` x `cells` cells.

    Args:
        cells, words: as in `settings.normals.Codebook`.
        network: further arguments of the backbone.
    """

    def __init__(self, *, cells: int, words: int, **network: Any):
        super().__init__(fc7=self.cell_units(cells, words), **network)
        self.cells, self.words = cells, words

    def scores(self, images: Tensor, *, dropout: Dropout | None = None) -> Tensor:
        """Scores (N, cells, cells, words) for input (N, 3, S, S) from `to_input`; see `Backbone.cell_scores`."""
        return self.cell_scores(images, self.cells, dropout=dropout)


class NormalsNet(NormalsHead, CaffeNet):
    """The paper's network: conv1..pool5 and fc6 of CaffeNet, and an fc7 of 8000 units."""


class NormalsAlexNet(NormalsHead, AlexNet):
    """An AlexNet of surface normals."""


class NormalsResNet18(NormalsHead, ResNet18):
    """A ResNet-18 of surface normals."""


class NormalsResNet50(NormalsHead, ResNet50):
    """A ResNet-50 of surface normals."""


KINDS: tuple[type[NormalsHead], ...] = (NormalsNet, NormalsAlexNet, NormalsResNet18, NormalsResNet50)
NORMALS: Mapping[str, type[NormalsHead]] = {kind.backbone: kind for kind in KINDS}
"""The networks of surface normals by their backbone."""
