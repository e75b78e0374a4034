"""Networks of surface normals: how they start, are read, and learn (PAPER §6.2.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.networks.backbone import Backbone, Dropout, draw_kept
from tracklearn.networks.backbones import BACKBONES
from tracklearn.networks.of_normals import NORMALS, NormalsHead
from tracklearn.networks.weights import backbone_of, restore, shape_of
from tracklearn.normals.codebook import UNKNOWN
from tracklearn.seeds import torch_generator
from tracklearn.settings.base import Block
from tracklearn.settings.network import Network
from tracklearn.training.feed import Batch
from tracklearn.training.softmax import DROPOUT_STREAM


def new_normals_net(
    network: Block, *, cells: int, words: int, fc7_std: float, input_size: int | None = None, seed: int = 0
) -> NormalsHead:
    """An untrained network of surface normals.

    Args:
        network: settings of `settings.network.Network`.
        cells, words: as in `NormalsHead`.
        fc7_std: standard deviation of the initial weights of fc7; the other layers start as those of detection.
        input_size: side of the input; None takes that of `network`.
    """
    settings = Network.read(network)
    kind = BACKBONES[settings.backbone]
    arguments = kind.arguments(settings, "normals") | ({"input_size": input_size} if input_size else {})
    net = NORMALS[kind.backbone](cells=cells, words=words, **arguments, seed=seed)
    with torch.no_grad():
        net.fc7.weight.mul_(fc7_std / net.initial_fc7_std)
    return net


def load_normals_net(path: str | Path) -> NormalsHead:
    """A trained network of surface normals from a .safetensors file, in evaluation mode.

    Raises:
        UserError: as `networks.weights.build`, or the file holds another kind of network.
    """

    def network(metadata: Mapping[str, Any]) -> NormalsHead:
        if metadata.get("training") != "normals":
            raise UserError(
                f"{path}: a network trained by {metadata.get('training', 'unknown means')}; expected one of surface "
                "normals, whose entry in models has train: normals"
            )
        shape = {name: value for name, value in shape_of(metadata).items() if name not in ("fc7", "outputs")}
        mean = metadata["preprocessing"]["mean_bgr"]
        kind = NORMALS[backbone_of(metadata).backbone]
        return kind(cells=metadata["cells"], words=metadata["words"], mean_bgr=mean, **shape)

    return restore(path, network)


def codes_of(normals: Tensor, words: Tensor) -> Tensor:
    """`codebook.encode` for tensors: words (K, 3) of normals (..., 3), int64; `UNKNOWN` for zero vectors."""
    return torch.where(normals.any(-1), (normals @ words.T).argmax(-1), UNKNOWN)


def cells_loss(scores: Tensor, codes: Tensor) -> Tensor:
    """Softmax loss -log p(word), summed over the cells that have a word and divided by the number of images.

    Args:
        scores: (N, G, G, K).
        codes: (N, G, G) int64, `UNKNOWN` where there is no truth.
    """
    summed = F.cross_entropy(scores.flatten(0, -2), codes.flatten(), ignore_index=UNKNOWN, reduction="sum")
    return summed / len(scores)


@dataclass(frozen=True, kw_only=True)
class NormalsObjective:
    """The loss of a batch: images uint8 RGB (N, S, S, 3), normals of their cells (N, G, G, 3), zero where unknown, and
    the random numbers of `draw`.

    Attributes:
        words: (K, 3).
        dropout: of fc6; `seed` and the iteration decide which values it drops.
    """

    words: Tensor
    dropout: float
    seed: int

    def draw(self, net: Backbone, batch: Batch, iteration: int) -> Batch:
        """The units of fc6 that an iteration keeps, on the CPU."""
        generator = torch_generator(self.seed, DROPOUT_STREAM, iteration)
        return draw_kept(self.dropout, len(batch[0]), net.dropped[:1], generator)

    def phase(self, iteration: int) -> None:
        """All iterations do the same operations."""

    def __call__(self, net: Backbone, batch: Batch, iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a `NormalsHead` on a batch, and the mean angle in degrees between softly decoded and true normals."""
        images, normals, *kept = batch
        dropout = Dropout(self.dropout, kept or self.draw(net, batch, iteration)) if self.dropout else None
        words = self.words.to(normals)
        scores = cast(NormalsHead, net).scores(net.to_input(images), dropout=dropout).float()
        with torch.no_grad():
            decoded = F.normalize(scores.softmax(-1) @ words, dim=-1)
            known = normals.any(-1)
            cosine = (decoded * normals).sum(-1).clamp(-1, 1)
            error = (cosine.acos().rad2deg() * known).sum() / known.sum().clamp(min=1)
        return cells_loss(scores, codes_of(normals, words)), {"angular_error": error}
