"""New networks from the configuration's block `network`."""

from pathlib import Path
from typing import Literal

from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.filters import draw_filters
from tracklearn.networks.weights import save_weights
from tracklearn.settings.base import Block
from tracklearn.settings.network import Network


def new_network(
    network: Block, *, head: Literal["ranking", "detection"], outputs: int | None = None, seed: int = 0
) -> CaffeNet:
    """An untrained CaffeNet with the fc7 of `head`, and with fc8 where `outputs` is given.

    Raises:
        UserError: a wrong setting.
    """
    settings = Network.read(network)
    ranking = head == "ranking"
    fc_std = settings.fc_std if not ranking or settings.ranking_fc_std is None else settings.ranking_fc_std
    return CaffeNet(
        width=settings.width,
        input_size=settings.input_size,
        fc7=settings.ranking_fc7 if ranking else settings.detection_fc7,
        outputs=outputs,
        mean_bgr=settings.mean_bgr,
        conv_std=settings.conv_std,
        fc_std=fc_std,
        fc8_std=settings.fc8_std,
        bias=settings.bias,
        seed=seed,
    )


def random_network(*, network: Block, seed: int, weights: str | Path, conv1: str | Path) -> dict[str, float]:
    """Write an untrained network, for the rows of the tables that show what the architecture alone achieves."""
    net = new_network(network, head="detection", seed=seed)
    draw_filters(conv1, net)
    save_weights(weights, net, metadata={"training": "none", "seed": seed})
    return {"parameters": float(sum(parameter.numel() for parameter in net.parameters()))}
