"""Ranking pretraining on pairs of patches (section 5).

The settings call the loss and the negatives of the released code, the authors' fork of Caffe, "fork".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.machine.devices import own_device
from tracklearn.machine.limits import DECODED_IMAGES_BYTES
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.initial import new_network
from tracklearn.networks.weights import transfer
from tracklearn.patches.subset import Part, Subset
from tracklearn.ranking.augment import DRAWS, augmented
from tracklearn.ranking.loss import (
    cosine_distances,
    fork_loss,
    infonce_loss,
    paper_loss,
    positive_distances,
    query_hinges,
)
from tracklearn.ranking.negatives import fork_negatives, hardest_negatives, other_videos, random_negatives
from tracklearn.ranking.stall import StallWatch
from tracklearn.report import Report, silent
from tracklearn.seeds import torch_generator
from tracklearn.settings.base import Block
from tracklearn.settings.network import Network
from tracklearn.settings.ranking import Augment, Loss, check_random_iterations
from tracklearn.settings.training import RankingSchedule, Saving
from tracklearn.training.checkpoint import digest_of_weights
from tracklearn.training.distributed import ALONE, World, this_world
from tracklearn.training.feed import Batch
from tracklearn.training.job import run_job
from tracklearn.training.sampling import SpreadOrder, batch_rng, coins, mirrored

# Second numbers in the seeds of random negatives and of augmentation; `sampling` uses 0 and 1.
NEGATIVES_STREAM, AUGMENT_STREAM = 2, 3


@dataclass(frozen=True, kw_only=True)
class RankingObjective:
    """Computes the loss and the measurements of a network on a batch.

    A batch holds patches, uint8 RGB (P, 2, S, S, 3), the video of each pair, (P,), and the random numbers of `draw`;
    those that the batch lacks are drawn here. If several processes train, each process gets its part of the patches and
    the rest of all pairs.

    Attributes:
        loss_settings: form, sampling, margin M and number K of negatives, or temperature of InfoNCE; and how
            patches are augmented.
        random_iterations: number of iterations with random negatives, before those with hard ones; InfoNCE has neither.
        seed: of the random negatives and of the augmentation.
        world: the processes that share a batch.
    """

    loss_settings: Loss
    random_iterations: int
    seed: int
    world: World = ALONE

    def draw(self, net: Backbone, batch: Batch, iteration: int) -> Batch:
        """The draws of an iteration, on the CPU.

        There are as many draws (P, 2 P) as the choice of its negatives needs, and then one (P, 2, 9) if patches are
        augmented.
        """
        pairs, generator = len(batch[1]), torch_generator(self.seed, NEGATIVES_STREAM, iteration)
        count = 1 if self._is_random(iteration) else 2 if self._sampling == "fork" else 0
        negatives = tuple(torch.rand((pairs, 2 * pairs), generator=generator) for _ in range(count))
        if self.loss_settings.augment.only_flips:
            return negatives
        generator = torch_generator(self.seed, AUGMENT_STREAM, iteration)
        return *negatives, torch.rand((pairs, 2, len(DRAWS)), generator=generator)

    def phase(self, iteration: int) -> bool:
        """Iterations of equal phase do the same operations."""
        return self._is_random(iteration)

    def _is_random(self, iteration: int) -> bool:
        return iteration < self.random_iterations

    @property
    def _sampling(self) -> str:
        return self.loss_settings.sampling or self.loss_settings.form

    def __call__(self, net: Backbone, batch: Batch, iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and measurements of one batch."""
        settings = self.loss_settings
        patches, videos, *draws = batch
        draws = draws or list(self.draw(net, batch, iteration))
        patches = patches.flatten(0, 1)  # (2 p, S, S, 3) of this process's p pairs
        if not settings.augment.only_flips:
            of_patches = draws.pop()[self.world.part(len(videos))].flatten(0, 1)
            patches = augmented(patches, of_patches, settings.augment)
        features = net(net.to_input(patches), "fc7")
        features = self.world.gather(features.unflatten(0, (-1, 2)), len(videos)).flatten(0, 1)  # (2 P, F)
        distances = cosine_distances(features)  # (2 P, 2 P)
        others = other_videos(videos)  # (P, 2 P)
        with torch.no_grad():
            negatives = self.choose(distances, others, draws, iteration)
        match settings.form:
            case "paper":
                loss = paper_loss(distances, negatives, margin=settings.margin)
            case "fork":
                loss = fork_loss(distances, negatives, margin=settings.margin, negatives_per_pair=settings.negatives)
            case "infonce":
                loss = infonce_loss(
                    distances, negatives, temperature=settings.temperature, symmetric=settings.symmetric
                )
        return loss, measure(distances.detach(), others, negatives, margin=settings.margin)

    def choose(self, distances: Tensor, others: Tensor, draws: Sequence[Tensor], iteration: int) -> Tensor:
        """The negatives (P, 2 P), chosen among the rows `others` (P, 2 P), see `other_videos`.

        They are random in the first `random_iterations`, then the hardest ones or those of the released code. InfoNCE
        takes all rows.
        """
        if not self.loss_settings.chooses_negatives:
            return others
        negatives_per_pair = self.loss_settings.negatives
        if self._is_random(iteration):
            return random_negatives(others, draws[0], negatives_per_pair=negatives_per_pair)
        if self._sampling == "fork":
            margin = self.loss_settings.margin
            return fork_negatives(distances, others, draws, negatives_per_pair=negatives_per_pair, margin=margin)
        return hardest_negatives(distances, others, negatives_per_pair=negatives_per_pair)


def measure(distances: Tensor, others: Tensor, negatives: Tensor, *, margin: float) -> dict[str, Tensor]:
    """Measurements that show whether the features learn or collapse.

    `violated`: share of the chosen triplets with a positive hinge;
    `positive_distance`: mean D(q, t);
    `negative_distance`: mean D(q, n) over all patches of other videos, whether chosen as negatives or not, so that it
    means the same with random and with hard negatives;
    `spread`: root mean square distance of the unit features from their mean. It is 0 if all features are equal, and at
    most 1.
    """
    hinges = query_hinges(distances, margin=margin)
    return {
        "violated": ((hinges > 0) & negatives).sum() / negatives.sum().clamp(min=1),
        "positive_distance": positive_distances(distances).mean(),
        "negative_distance": (distances[0::2] * others).sum() / others.sum().clamp(min=1),
        "spread": distances.mean().clamp(min=0).sqrt(),  # their mean is 1 - |mean of unit features|^2
    }


class Pairs(Protocol):
    """What `PairBatches` needs of a `Subset`."""

    def __len__(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def video_of_pair(self) -> np.ndarray: ...

    def pairs(self, indices: np.ndarray, /, *, out: np.ndarray) -> np.ndarray: ...


class PairBatches:
    """Makes the batch of an iteration: `pairs_per_batch` pairs and their videos.

    Each patch is mirrored with the probability `flip`, independently of the other patch of its pair. The pairs of a
    batch are of different videos, except where a video has more than 1/`pairs_per_batch` of all pairs or there are
    hardly more videos than pairs in a batch, see `SpreadOrder`; the loss takes no negative from the query's own video
    in any case.

    With several processes, each decodes its part of the pairs. If all decoded pairs fit into `decoded_bytes` of memory,
    each pair is decoded once. With `pinned`, batches lie in memory from which a GPU
    can copy by itself; torch reuses this memory only after the copy.
    """

    def __init__(
        self,
        subset: Pairs,
        pairs_per_batch: int,
        seed: int,
        world: World = ALONE,
        *,
        flip: float = Augment().flip,
        pinned: bool = False,
        decoded_bytes: float = DECODED_IMAGES_BYTES,
    ) -> None:
        self.subset, self.pairs_per_batch, self.seed = subset, pairs_per_batch, seed
        self.world, self.flip, self.pinned = world, flip, pinned
        self._order = SpreadOrder(subset.video_of_pair, seed, count=pairs_per_batch)
        shape = (len(subset), 2, subset.size, subset.size, 3)
        # The system gives memory to this array only where pairs are written.
        self._decoded = np.empty(shape, np.uint8) if math.prod(shape) <= decoded_bytes else None
        self._is_decoded = np.zeros(len(subset), bool)

    def __call__(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Patches uint8 (p, 2, S, S, 3) of this process's part, p = P for one process, and all videos (P,)."""
        indices = self._order.batch(iteration)
        part, side = self.world.part(self.pairs_per_batch), self.subset.size
        coin_of_patch = coins(batch_rng(self.seed, iteration), 2 * self.pairs_per_batch, self.flip)
        mirror = coin_of_patch.reshape(-1, 2)[part]  # (p, 2)
        patches = torch.empty((len(mirror), 2, side, side, 3), dtype=torch.uint8, pin_memory=self.pinned)
        self._read(indices[part], patches.numpy())
        mirrored(patches.flatten(0, 1).numpy(), mirror.reshape(-1))
        return patches, torch.from_numpy(np.asarray(self.subset.video_of_pair[indices], np.int64))

    def _read(self, indices: np.ndarray, out: np.ndarray) -> None:
        """Fill `out`, uint8 (n, 2, S, S, 3), with these pairs."""
        if self._decoded is None:
            self.subset.pairs(indices, out=out)
            return
        # Two threads may decode the same pair at the same time; both write the same values.
        new = np.unique(indices[~self._is_decoded[indices]])
        if len(new):
            self._decoded[new] = self.subset.pairs(new, out=np.empty((len(new), *out.shape[1:]), np.uint8))
            self._is_decoded[new] = True
        np.take(self._decoded, indices, axis=0, out=out, mode="clip")


def train_ranking(
    *,
    stores: Sequence[str | Path],
    patches: int | None = None,
    inner: Sequence[Part] = (),
    strict: bool = False,
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
        stores: paths of the patch shards, in order.
        patches: number of patches to use, the first ones of the shards; None uses all, and so do fewer than `patches`.
        inner: smaller subsets that these patches contain, see `Subset`.
        strict: fewer than `patches` patches are an error.
        parent: path of the weights whose conv layers the training starts from; None starts from scratch.
        network: settings of `settings.network.Network`.
        loss: settings of `settings.ranking.Loss`.
        schedule: settings of `settings.training.RankingSchedule`; `batch` counts patches (PAPER §5.6: 100), two for
            each pair, of all processes together.
        saving: settings of `settings.training.Saving`.
        seed: of the initial weights, batches, negatives and augmentation.
        weights: path of the file to write the weights to.
        log: path of the file to write the log to, CSV.
        checkpoints: path of a folder that only this training uses.
        conv1: path of the file to write a picture of conv1's filters to.
        threads: as in `loop.train`.
        report: called with each row of the log.

    Returns:
        The last row of the log.

    Raises:
        UserError: invalid settings, too few patches though `strict`, patches of another size than the network's input,
            a single video, or as `loop.train`.
        SystemExit: as `loop.train`.
    """
    subset = Subset(stores, patches, inner=inner, strict=strict)
    training = RankingTraining(
        subset, parent=parent, network=network, loss=Loss.read(loss), schedule=RankingSchedule.read(schedule), seed=seed
    )
    return run_job(
        training.net,
        training.batches,
        training.objective,
        schedule=training.schedule,
        saving=Saving.read(saving),
        weights=weights,
        log=log,
        checkpoints=checkpoints,
        identity=training.identity,
        conv1=conv1,
        metadata=training.metadata,
        threads=threads,
        report=training.watched(report),
    )


class RankingTraining:
    """What the training loop needs to train a network on a subset.

    Args:
        subset: the pairs.
        parent, network, seed: as in `train_ranking`.
        loss, schedule: settings that were read.

    Attributes:
        net: the network, untrained but for the parent's layers.
        batches, objective, schedule, identity: as in `loop.train`.
        metadata: what the weights file says of the training.

    Raises:
        UserError: a wrong setting, settings that do not fit each other, or pairs from which ranking cannot learn.
    """

    def __init__(
        self,
        subset: Subset,
        *,
        parent: str | Path | None,
        network: Block,
        loss: Loss,
        schedule: RankingSchedule,
        seed: int,
    ) -> None:
        check_random_iterations(schedule.random_iterations, loss, entry="schedule")
        self.net, self.schedule, self._loss = new_network(network, head="ranking", seed=seed), schedule, loss
        check_pairs(subset, self.net.input_size)
        if parent:
            transfer(self.net, parent)
        pairs_per_batch, world, on_gpu = schedule.batch // 2, this_world(), own_device().type == "cuda"
        self.batches = PairBatches(subset, pairs_per_batch, seed, world, flip=loss.augment.flip, pinned=on_gpu)
        self.objective = RankingObjective(
            loss_settings=loss, random_iterations=schedule.random_iterations, seed=seed, world=world
        )
        self.identity = {
            "training": "ranking",
            "network": Network.read(network).complete(),
            "ranking": loss.complete(),
            "schedule": schedule.complete(),
            "seed": seed,
            "parent": digest_of_weights(parent),
            "pairs": len(subset),
            "stores": [{"name": store.path.name, "bytes": store.path.stat().st_size} for store in subset.stores],
        }
        self.metadata = {"training": "ranking", "seed": seed, "pairs": len(subset)}

    def watched(self, report: Report) -> StallWatch:
        """A report that warns of features which do not distinguish patches."""
        return StallWatch(report, self._loss.margin if self._loss.chooses_negatives else None)


def check_pairs(subset: Subset, input_size: int) -> None:
    """Check that ranking can learn from these pairs.

    Raises:
        UserError: pairs of a single video, or patches of another size than the network's.
    """
    videos = np.count_nonzero(np.bincount(subset.video_of_pair))
    if videos < 2:
        raise UserError(f"ranking: {len(subset)} pairs of {videos} videos; negatives need at least 2; add videos")
    if subset.size != input_size:
        raise UserError(
            f"ranking: the patches are {subset.size} px and network.input_size is {input_size}; make them equal"
        )
