"""New networks from the configuration's block `network`."""

from pathlib import Path

from tracklearn.networks.backbone import Backbone, Head
from tracklearn.networks.backbones import BACKBONES
from tracklearn.networks.filters import draw_filters
from tracklearn.networks.weights import save_weights
from tracklearn.settings.base import Block
from tracklearn.settings.network import Network


def new_network(network: Block, *, head: Head, outputs: int | None = None, seed: int = 0) -> Backbone:
    """An untrained network with the fc7 of `head`, and with fc8 where `outputs` is given.

    Raises:
        UserError: a wrong setting.
    """
    settings = Network.read(network)
    kind = BACKBONES[settings.backbone]
    return kind(**kind.arguments(settings, head), outputs=outputs, seed=seed)


def random_network(*, network: Block, seed: int, weights: str | Path, conv1: str | Path) -> dict[str, float]:
    """Write an untrained network, for the rows of the tables that show what the architecture alone achieves."""
    net = new_network(network, head="detection", seed=seed)
    draw_filters(conv1, net)
    save_weights(weights, net, metadata={"training": "none", "seed": seed})
    return {"parameters": float(sum(parameter.numel() for parameter in net.parameters()))}
