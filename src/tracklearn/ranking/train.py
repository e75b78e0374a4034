"""Ranking pretraining on pairs of patches (section 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.machine.devices import own_device
from tracklearn.networks.caffenet import CONV_LAYERS, CaffeNet, to_input
from tracklearn.networks.initial import new_network, with_defaults
from tracklearn.networks.weights import transfer
from tracklearn.patches.subset import Subset
from tracklearn.ranking.loss import cosine_distances, fork_loss, paper_loss, positive_distances, query_hinges
from tracklearn.ranking.negatives import candidates, fork_negatives, hardest_negatives, random_negatives
from tracklearn.ranking.stall import StallWatch
from tracklearn.report import Report, silent
from tracklearn.seeds import torch_generator
from tracklearn.training.checkpoint import digest_of_weights
from tracklearn.training.distributed import ALONE, World, this_world
from tracklearn.training.job import run_job
from tracklearn.training.sampling import SpreadOrder, batch_rng, coins, mirrored
from tracklearn.training.schedule import RankingSchedule, Saving

FORMS = ("paper", "fork")


@dataclass(frozen=True, kw_only=True)
class RankingLoss:
    """The config's `loss` block: which form and whose sampling (None: the form's own), margin M, K negatives a pair.

    As an objective it maps a net and a batch, patches uint8 RGB (P, 2, S, S, 3) and videos (P,), to the loss and what
    shows a collapse. Of several processes each has its part of the patches and the videos of all.
    """

    form: str = "paper"
    sampling: str | None = None
    margin: float = 0.5  # PAPER §5.2
    negatives: int = 4  # PAPER §5.3
    hard_from: int = 150_000
    seed: int = 0
    world: World = ALONE

    @classmethod
    def from_config(cls, loss: Mapping[str, Any], *, hard_from: int, seed: int) -> "RankingLoss":
        """The objective of a config block.

        Raises:
            UserError: unknown key, form, or number of negatives.
        """
        known = [field.name for field in fields(cls) if field.name not in ("hard_from", "seed", "world")]
        if unknown := sorted(set(loss) - set(known)):
            raise UserError(f"loss: unknown key {unknown[0]!r}; expected some of {', '.join(known)}")
        made = cls(**loss, hard_from=hard_from, seed=seed, world=this_world())
        if made.form not in FORMS or not isinstance(made.negatives, int) or made.negatives < 1:
            raise UserError(
                f"loss: form {made.form!r} with {made.negatives} negatives; expected paper or fork, and at least 1"
            )
        if not (isinstance(made.margin, int | float) and made.margin > 0):
            raise UserError(f"loss: margin is {made.margin!r}; expected a number above 0")
        if made.sampling not in (*FORMS, None):
            raise UserError(f"loss: sampling {made.sampling!r}; expected paper, fork or null")
        return made

    def __call__(self, net: CaffeNet, batch: tuple[Tensor, ...], iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and measurements of one batch."""
        patches, videos = batch
        features = net(to_input(patches.flatten(0, 1), net.mean_bgr), "fc7")
        features = self.world.gather(features.unflatten(0, (-1, 2)), len(videos)).flatten(0, 1)  # (2 P, F)
        distances = cosine_distances(features)  # (2 P, 2 P)
        allowed = candidates(videos)  # (P, 2 P)
        with torch.no_grad():
            negatives = self.choose(distances, allowed, iteration)
        if self.form == "fork":
            loss = fork_loss(distances, negatives, margin=self.margin, count=self.negatives)
        else:
            loss = paper_loss(distances, negatives, margin=self.margin)
        return loss, measure(distances.detach(), allowed, negatives, margin=self.margin)

    def choose(self, distances: Tensor, allowed: Tensor, iteration: int) -> Tensor:
        """The negatives (P, 2 P): random before `hard_from`, the hardest from there on; the fork has one rule."""
        generator = torch_generator(self.seed, 2, iteration, device=distances.device)
        if (self.sampling or self.form) == "fork":
            return fork_negatives(distances, allowed, count=self.negatives, margin=self.margin, generator=generator)
        if iteration < self.hard_from:
            return random_negatives(allowed, count=self.negatives, generator=generator)
        return hardest_negatives(distances, allowed, count=self.negatives)


def measure(distances: Tensor, allowed: Tensor, negatives: Tensor, *, margin: float) -> dict[str, Tensor]:
    """What shows whether the features learn or collapse.

    `violated`: share of the chosen triplets with a loss; `positive_distance`: mean D(q, t); `negative_distance`: mean
    D(q, n) over all rows of other videos, chosen or not, so that it means the same before and after the switch;
    `spread`: standard deviation of the unit features about their mean, 0 when all are equal and at most 1.
    """
    hinges = query_hinges(distances, margin=margin)
    return {
        "violated": ((hinges > 0) & negatives).sum() / negatives.sum().clamp(min=1),
        "positive_distance": positive_distances(distances).mean(),
        "negative_distance": (distances[0::2] * allowed).sum() / allowed.sum().clamp(min=1),
        "spread": distances.mean().clamp(min=0).sqrt(),  # 1 - |mean of unit features|^2
    }


class Pairs(Protocol):
    """What is needed of a `Subset`."""

    def __len__(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def videos(self) -> np.ndarray: ...

    def pairs(self, indices: np.ndarray, /, *, out: np.ndarray) -> np.ndarray: ...


class PairBatches:
    """Batch of an iteration: `count` pairs with each patch mirrored or not on its own, and their videos.

    The pairs are of different videos as long as no video has nearly one in `count` of them, but for batches in which
    one epoch ends and the next begins, see `SpreadOrder`; whatever a batch holds, the loss takes no negative from the
    query's own video. Of several processes each decodes its part of the pairs. `pinned` memory, from which a GPU
    copies by itself, is used again by torch once it has.
    """

    def __init__(self, subset: Pairs, count: int, seed: int, world: World = ALONE, *, pinned: bool = False) -> None:
        self.subset, self.count, self.seed, self.world, self.pinned = subset, count, seed, world, pinned
        self._order = SpreadOrder(subset.videos, seed)

    def __call__(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Patches uint8 (p, 2, S, S, 3) of the part, p = P for one process, and videos (P,)."""
        indices = self._order.batch(iteration, count=self.count)
        part, side = self.world.part(self.count), self.subset.size
        chosen = coins(batch_rng(self.seed, iteration), 2 * self.count).reshape(-1, 2)[part]
        patches = torch.empty((len(chosen), 2, side, side, 3), dtype=torch.uint8, pin_memory=self.pinned)
        self.subset.pairs(indices[part], out=patches.numpy())
        mirrored(patches.flatten(0, 1).numpy(), chosen.reshape(-1))
        return patches, torch.from_numpy(np.asarray(self.subset.videos[indices], np.int64))


def train_ranking(
    *,
    stores: Sequence[str | Path],
    patches: int | None = None,
    parent: str | Path | None = None,
    network: Mapping[str, Any],
    loss: Mapping[str, Any],
    schedule: Mapping[str, Any],
    saving: Mapping[str, Any] | None = None,
    seed: int,
    weights: str | Path,
    log: str | Path,
    checkpoints: str | Path,
    conv1: str | Path,
    threads: int | None = None,
    report: Report = silent,
) -> dict[str, float]:
    """Train conv1..fc7 to rank; with a `parent`, from its conv layers (iterative fine-tuning), else from scratch.

    `schedule["batch"]` counts patches (PAPER §5.6: 100), two a pair, of all processes where torchrun started several:
    each decodes and computes its part, and the result is that of one process to rounding. A loss that stays at the
    margin is told in the log (`stall`).

    Raises:
        UserError: bad config, too few patches, patches of another size than the network's input, a single video, or a
            loss that is not finite.
    """
    plan = RankingSchedule.from_config(schedule)
    objective = RankingLoss.from_config(loss, hard_from=plan.hard_from, seed=seed)
    net = new_network(network, head="ranking", seed=seed)
    subset = Subset(stores, patches)
    check_pairs(subset, net.input_size, plan.batch)
    if parent:
        transfer(net, parent, CONV_LAYERS)
    return run_job(
        net,
        PairBatches(subset, plan.batch // 2, seed, objective.world, pinned=own_device().type == "cuda"),
        objective,
        schedule=plan,
        saving=Saving.from_config(saving or {}),
        weights=weights,
        log=log,
        checkpoints=checkpoints,
        conv1=conv1,
        settings={
            "training": "ranking",
            "network": with_defaults(network),
            "loss": {name: getattr(objective, name) for name in ("form", "sampling", "margin", "negatives")},
            "schedule": asdict(plan),
            "seed": seed,
            "parent": digest_of_weights(parent),
            "pairs": len(subset),
            "stores": [{"name": store.path.name, "bytes": store.path.stat().st_size} for store in subset.stores],
        },
        metadata={"training": "ranking", "seed": seed, "pairs": len(subset)},
        threads=threads,
        report=StallWatch(report, objective.margin),
    )


def check_pairs(subset: Subset, input_size: int, batch: int) -> None:
    """Whether ranking can work on these pairs.

    Raises:
        UserError: it cannot.
    """
    if batch % 2 or batch < 4:
        raise UserError(
            f"schedule: batch is {batch}; expected an even number of patches, 4 or more: pairs are ranked against pairs"
        )
    videos = np.count_nonzero(np.bincount(subset.videos))
    if videos < 2:
        raise UserError(f"ranking: {len(subset)} pairs of {videos} videos; negatives need at least 2; add videos")
    if subset.size != input_size:
        raise UserError(
            f"ranking: the patches are {subset.size} px and network.input_size is {input_size}; make them equal"
        )
