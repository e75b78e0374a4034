"""Ranking pretraining on pairs of patches (section 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.machine.devices import own_device
from tracklearn.networks.caffenet import CONV_LAYERS, CaffeNet, to_input
from tracklearn.networks.initial import new_network
from tracklearn.networks.weights import transfer
from tracklearn.patches.subset import Subset
from tracklearn.ranking.loss import cosine_distances, fork_loss, paper_loss, positive_distances, query_hinges
from tracklearn.ranking.negatives import candidates, fork_negatives, hardest_negatives, random_negatives
from tracklearn.ranking.stall import StallWatch
from tracklearn.report import Report, silent
from tracklearn.seeds import torch_generator
from tracklearn.settings.base import Block
from tracklearn.settings.network import Network
from tracklearn.settings.ranking import Loss
from tracklearn.settings.training import RankingSchedule, Saving
from tracklearn.training.checkpoint import digest_of_weights
from tracklearn.training.distributed import ALONE, World, this_world
from tracklearn.training.job import run_job
from tracklearn.training.sampling import SpreadOrder, batch_rng, coins, mirrored


@dataclass(frozen=True, kw_only=True)
class RankingObjective:
    """Maps a network and a batch, patches uint8 RGB (P, 2, S, S, 3) and videos (P,), to the loss and measurements.

    With several processes, each has its part of the patches and the videos of all of them.

    Attributes:
        loss: form, sampling, margin M and number K of negatives.
        hard_from: first iteration with the hardest negatives.
        seed: of the random negatives.
        world: the processes that share a batch.
    """

    loss: Loss
    hard_from: int
    seed: int
    world: World = ALONE

    def __call__(self, net: CaffeNet, batch: tuple[Tensor, ...], iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and measurements of one batch."""
        margin, count = self.loss.margin, self.loss.negatives
        patches, videos = batch
        features = net(to_input(patches.flatten(0, 1), net.mean_bgr), "fc7")
        features = self.world.gather(features.unflatten(0, (-1, 2)), len(videos)).flatten(0, 1)  # (2 P, F)
        distances = cosine_distances(features)  # (2 P, 2 P)
        allowed = candidates(videos)  # (P, 2 P)
        with torch.no_grad():
            negatives = self.choose(distances, allowed, iteration)
        if self.loss.form == "fork":
            loss = fork_loss(distances, negatives, margin=margin, count=count)
        else:
            loss = paper_loss(distances, negatives, margin=margin)
        return loss, measure(distances.detach(), allowed, negatives, margin=margin)

    def choose(self, distances: Tensor, allowed: Tensor, iteration: int) -> Tensor:
        """The negatives (P, 2 P): random before `hard_from`, then the hardest; the fork has one rule throughout."""
        count = self.loss.negatives
        generator = torch_generator(self.seed, 2, iteration, device=distances.device)
        if (self.loss.sampling or self.loss.form) == "fork":
            return fork_negatives(distances, allowed, count=count, margin=self.loss.margin, generator=generator)
        if iteration < self.hard_from:
            return random_negatives(allowed, count=count, generator=generator)
        return hardest_negatives(distances, allowed, count=count)


def measure(distances: Tensor, allowed: Tensor, negatives: Tensor, *, margin: float) -> dict[str, Tensor]:
    """Measurements that show whether the features learn or collapse.

    `violated`: share of the chosen triplets with a positive hinge; `positive_distance`: mean D(q, t);
    `negative_distance`: mean D(q, n) over all rows of other videos, chosen or not, so that it means the same with
    random and with hard negatives; `spread`: standard deviation of the unit features about their mean, 0 if all are
    equal and at most 1.
    """
    hinges = query_hinges(distances, margin=margin)
    return {
        "violated": ((hinges > 0) & negatives).sum() / negatives.sum().clamp(min=1),
        "positive_distance": positive_distances(distances).mean(),
        "negative_distance": (distances[0::2] * allowed).sum() / allowed.sum().clamp(min=1),
        "spread": distances.mean().clamp(min=0).sqrt(),  # 1 - |mean of unit features|^2
    }


class Pairs(Protocol):
    """What `PairBatches` needs of a `Subset`."""

    def __len__(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def videos(self) -> np.ndarray: ...

    def pairs(self, indices: np.ndarray, /, *, out: np.ndarray) -> np.ndarray: ...


class PairBatches:
    """Makes the batch of an iteration: `count` pairs, with patches mirrored at random one by one, and their videos.

    The pairs of a batch are of different videos, except where a video has nearly one in `count` of all pairs or an
    epoch ends within the batch, see `SpreadOrder`; the loss takes no negative from the query's own video in any case.
    With several processes, each decodes its part of the pairs. With `pinned`, batches lie in memory from which a GPU
    can copy by itself; torch reuses this memory only after the copy.
    """

    def __init__(self, subset: Pairs, count: int, seed: int, world: World = ALONE, *, pinned: bool = False) -> None:
        self.subset, self.count, self.seed, self.world, self.pinned = subset, count, seed, world, pinned
        self._order = SpreadOrder(subset.videos, seed)

    def __call__(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Patches uint8 (p, 2, S, S, 3) of this process's part, p = P for one process, and all videos (P,)."""
        indices = self._order.batch(iteration, count=self.count)
        part, side = self.world.part(self.count), self.subset.size
        mirror = coins(batch_rng(self.seed, iteration), 2 * self.count).reshape(-1, 2)[part]  # (p, 2)
        patches = torch.empty((len(mirror), 2, side, side, 3), dtype=torch.uint8, pin_memory=self.pinned)
        self.subset.pairs(indices[part], out=patches.numpy())
        mirrored(patches.flatten(0, 1).numpy(), mirror.reshape(-1))
        return patches, torch.from_numpy(np.asarray(self.subset.videos[indices], np.int64))


def train_ranking(
    *,
    stores: Sequence[str | Path],
    patches: int | None = None,
    parent: str | Path | None = None,
    network: Block = None,
    loss: Block = None,
    schedule: Block,
    saving: Block = None,
    seed: int,
    weights: str | Path,
    log: str | Path,
    checkpoints: str | Path,
    conv1: str | Path,
    threads: int | None = None,
    report: Report = silent,
) -> dict[str, float]:
    """Train conv1 to fc7 to rank, from scratch or from a parent's conv layers (iterative fine-tuning).

    If torchrun started several processes, each decodes and computes its part of the batches, and the result is that of
    one process up to rounding. The log warns of a loss that stays at the margin (`stall`).

    Args:
        stores: the shards of patches, in order.
        patches: number of patches to use, the first ones of the shards; None uses all.
        parent: weights whose conv layers the training starts from; None starts from scratch.
        network: settings of `settings.network.Network`.
        loss: settings of `settings.ranking.Loss`.
        schedule: settings of `settings.training.RankingSchedule`; `batch` counts patches (PAPER §5.6: 100), two for
            each pair, of all processes together.
        saving: settings of `settings.training.Saving`.
        seed: of the initial weights, batches and negatives.
        weights: file to write the weights to.
        log: file to write the log to, CSV.
        checkpoints: folder of this training's own.
        conv1: file to write a picture of conv1's filters to.
        threads: as in `loop.train`.
        report: called with each row of the log.

    Returns:
        The last row of the log.

    Raises:
        UserError: invalid settings, too few patches, patches of another size than the network's input, a single video,
            or as `loop.train`.
        SystemExit: as `loop.train`.
    """
    schedule, loss = RankingSchedule.read(schedule), Loss.read(loss)
    net = new_network(network, head="ranking", seed=seed)
    subset = Subset(stores, patches)
    check_pairs(subset, net.input_size, schedule.batch)
    if parent:
        transfer(net, parent, CONV_LAYERS)
    world = this_world()
    return run_job(
        net,
        PairBatches(subset, schedule.batch // 2, seed, world, pinned=own_device().type == "cuda"),
        RankingObjective(loss=loss, hard_from=schedule.hard_from, seed=seed, world=world),
        schedule=schedule,
        saving=Saving.read(saving),
        weights=weights,
        log=log,
        checkpoints=checkpoints,
        settings={
            "training": "ranking",
            "network": Network.read(network).complete(),
            "ranking": loss.complete(),
            "schedule": schedule.complete(),
            "seed": seed,
            "parent": digest_of_weights(parent),
            "pairs": len(subset),
            "stores": [{"name": store.path.name, "bytes": store.path.stat().st_size} for store in subset.stores],
        },
        conv1=conv1,
        metadata={"training": "ranking", "seed": seed, "pairs": len(subset)},
        threads=threads,
        report=StallWatch(report, loss.margin),
    )


def check_pairs(subset: Subset, input_size: int, batch: int) -> None:
    """Check that ranking can learn from these pairs.

    Raises:
        UserError: an odd or too small batch, pairs of a single video, or patches of another size than the network's.
    """
    if batch % 2 or batch < 4:
        raise UserError(
            f"schedule.batch is {batch}; expected an even number of patches, 4 or more: pairs are ranked against pairs"
        )
    videos = np.count_nonzero(np.bincount(subset.videos))
    if videos < 2:
        raise UserError(f"ranking: {len(subset)} pairs of {videos} videos; negatives need at least 2; add videos")
    if subset.size != input_size:
        raise UserError(
            f"ranking: the patches are {subset.size} px and network.input_size is {input_size}; make them equal"
        )
