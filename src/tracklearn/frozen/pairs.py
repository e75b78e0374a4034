"""Tracked patches of unseen clips: does a network find them again?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.networks.backbone import Backbone, Layer
from tracklearn.networks.weights import build, load_weights
from tracklearn.patches.subset import Subset
from tracklearn.ranking.recall import ranks_in_blocks
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.frozen import Frozen
from tracklearn.tables.bootstrap import image_draws, widened
from tracklearn.tables.cells import write_figures

BATCH = 64  # pairs of one forward pass


def pair_set_figures(
    *,
    settings: Block,
    column: str,
    stores: Sequence[str | Path],
    weights: str | Path,
    cell: str | Path,
    replicates: str | Path,
    runs: Any = (),
    report: Report = silent,
) -> dict[str, float]:
    """Look up the tracked patch of every query among other patches, and write the cell.

    The figures, in percent of all P queries:

    - `recall`: the tracked patch is nearer to the query by cosine than every other patch but the query.
    - `recall_other_clips`: it is nearer than every patch of other clips.

    Each figure is computed again in each draw of the clips (a bootstrap), because the pairs of a clip resemble each
    other. The draws depend on the number of clips alone, so that the figures of all networks are paired. They are
    spread as `widened` says, because clips are few.

    Args:
        settings: settings of `settings.frozen.Frozen`.
        column: entry of `pairs`.
        stores: its shards.
        weights: file of the network.
        cell, replicates: the files to write, as in `tables.cells.write_figures`.
        runs: ids of the runs that made the weights, written to the cell.

    Returns:
        The figures.

    Raises:
        UserError: there is no pair, or pairs of one clip alone, or patches of another size than the network's input, or
            the network lacks the layer.
    """
    frozen = Frozen.read(settings)
    folder, layer = frozen.pairs[column].folder, frozen.pairs[column].layer or frozen.layer
    subset, net = Subset(stores), build(weights)
    clips = np.unique(subset.video_of_pair, return_inverse=True)[1]  # (P,)
    if not len(clips) or clips.max() < 1:
        raise UserError(f"{folder}: pairs of fewer than two clips there; mine pairs of some clips into it")
    if subset.size != net.input_size:
        raise UserError(
            f"{folder}: the patches have {subset.size} pixels, but the input of {weights} has {net.input_size}; mine "
            f"pairs with patches.size {net.input_size}"
        )
    net.layer_width(layer, weights)
    features, counts = _features(net, subset, layer, report), np.bincount(clips)
    owners = {"recall": np.arange(len(clips)), "recall_other_clips": clips}
    rivals = {"recall": np.full(len(clips), 2 * len(clips) - 2), "recall_other_clips": 2 * (len(clips) - counts[clips])}
    found = {name: (ranks_in_blocks(features, torch.from_numpy(own)) == 0).numpy() for name, own in owners.items()}
    drawn = np.vstack([np.ones(len(counts), np.int64), image_draws(len(counts), frozen.bootstrap)])  # (1 + B, C)
    figures = {name: _recall(right, clips, drawn) for name, right in found.items()}
    values = {name: float(figure[0]) for name, figure in figures.items()}
    write_figures(
        cell,
        replicates,
        values=values,
        draws={name: widened(figure[1:], len(counts)) for name, figure in figures.items()},
        features=layer,
        folder=folder,
        pairs=len(clips),
        clips=len(counts),
        chance={name: float(100 * (1 / (1 + count)).mean()) for name, count in rivals.items()},
        learned_pairs=[load_weights(weights, tensors=False)[1].get("pairs")],
        runs=runs,
    )
    return values


def _recall(right: np.ndarray, clips: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Share of right queries in percent (B,), for (B, C) counts of the clips.

    Args:
        right: (P,) bool.
        clips: (P,) the clip of each query.
    """
    share: np.ndarray = 100 * (drawn @ np.bincount(clips, weights=right)) / (drawn @ np.bincount(clips))
    return share


@torch.inference_mode()
def _features(net: Backbone, subset: Subset, layer: str, report: Report) -> Tensor:
    """Features of all patches (2 P, D), the query of each pair before its tracked patch."""
    features = torch.empty(2 * len(subset), net.layer_widths()[layer])
    for start in range(0, len(subset), BATCH):
        patches = subset.pairs(range(start, min(start + BATCH, len(subset))))  # (p, 2, S, S, 3)
        found = net.features(torch.from_numpy(patches).flatten(0, 1), cast(Layer, layer))
        features[2 * start : 2 * start + len(found)] = found
        report(start + len(patches), {"pairs": float(start + len(patches))})
    return features
