"""Random networks whose layers are scaled by data, so that no channel is silent and none drowns the others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tracklearn.errors import UserError
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.filters import draw_filters
from tracklearn.networks.initial import new_network
from tracklearn.networks.weights import save_weights
from tracklearn.patches.subset import Subset
from tracklearn.settings.base import Block

PAIRS = 128  # the queries of so many pairs, spread evenly over the shards
SILENT = 1e-6  # a channel that varies less keeps its weights and is shifted to 0


def scaled_network(
    *, stores: Sequence[str | Path], network: Block, seed: int, weights: str | Path, conv1: str | Path
) -> dict[str, float]:
    """Write a random network that is scaled by patches of some shards; see `scale_by_data`.

    Args:
        stores: the shards.
        network, seed: as in `new_network`; the network is that of `random_network` but for the scales.
        weights, conv1: the files to write.

    Raises:
        UserError: a setting is wrong, the backbone has batch normalisation, a shard cannot be read, the shards hold no
            pair, or the size of their patches is not that of the network's input.
    """
    net, subset = new_network(network, head="detection", seed=seed), Subset(stores)
    if not len(subset):
        raise UserError(f"train: scaled: no pairs in {len(stores)} shards; the scale needs at least one; add videos")
    if subset.size != net.input_size:
        raise UserError(
            f"train: scaled: the patches are {subset.size} px and network.input_size is {net.input_size}; make them "
            "equal"
        )
    chosen = np.unique(np.linspace(0, len(subset) - 1, min(PAIRS, len(subset))).astype(int))
    scale_by_data(net, torch.from_numpy(subset.pairs(chosen)[:, 0]))
    draw_filters(conv1, net)
    save_weights(weights, net, metadata={"training": "scaled", "seed": seed})
    return {"patches": float(len(chosen))}


@torch.no_grad()
def scale_by_data(net: Backbone, images: Tensor) -> None:
    """Scale and shift each channel until its values before the ReLU have mean 0 and variance 1 over images.

    This is the first step of Krähenbühl et al., "Data-dependent Initializations of Convolutional Neural Networks"
    (2016), with random weights: W <- W / s, b <- (b - m) / s, layer by layer, with mean m and standard deviation s of
    the channel over all images and places. fc8 is left as it is.

    Args:
        images: uint8 RGB (N, S, S, 3).

    Raises:
        UserError: a layer has no bias to shift by.
    """
    layers = {name: layer for name, layer in net.named_children() if isinstance(layer, nn.Conv2d | nn.Linear)}
    if without := [name for name, layer in layers.items() if layer.bias is None]:
        raise UserError(
            f"train: scaled: {without[0]} of {net.backbone} has no bias, since batch normalisation scales its values; "
            "write train: none"
        )

    def scale(layer: Any, _: Any, values: Tensor) -> Tensor:
        std, mean = torch.std_mean(values, [0, *range(2, values.dim())], correction=0)
        factor = torch.where(std > SILENT, 1 / std, 1.0)
        layer.weight.mul_(factor.view(-1, *[1] * (layer.weight.dim() - 1)))
        layer.bias.sub_(mean).mul_(factor)
        shape = (1, -1, *[1] * (values.dim() - 2))
        return (values - mean.view(shape)) * factor.view(shape)

    hooks = [layer.register_forward_hook(scale) for layer in layers.values()]
    try:
        net(net.to_input(images), "fc7")
    finally:
        for hook in hooks:
            hook.remove()
