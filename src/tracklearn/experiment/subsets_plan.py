"""The patches that models read, as the rules look them up."""

from __future__ import annotations

import json
from functools import cache, cached_property
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklearn.errors import UserError
from tracklearn.experiment import model_graph
from tracklearn.experiment.file_digests import text_digest
from tracklearn.experiment.mining_plan import LEDGER
from tracklearn.experiment.subsets import inner_subsets, read_packed_patches, shards_needed, subset_shards
from tracklearn.files import keep_text, read_json

if TYPE_CHECKING:
    from tracklearn.experiment.plan import Plan

COUNTED = Path("results/models/packed_patches.json")


class SubsetsPlan:
    """What follows from the block `subsets`: which shards a model reads, in which order, and how many patches.

    Models with `train: ranking` or `train: scaled` have a subset. A model is given by its name or its path.

    Args:
        of_job: as for the plan.
    """

    def __init__(self, plan: Plan, *, of_job: bool) -> None:
        self._plan, self._of_job = plan, of_job
        self._subsets: dict[str, dict[str, Any]] = plan.config["subsets"]
        self._packed_patches = read_packed_patches("results/patches")
        self._counted = read_json(COUNTED) if COUNTED.exists() else {}

    def record_counts(self) -> None:
        """Keep the counts of packed patches by which this run chose shards; nothing is written if it chose none.

        The next run uses the same counts for nets that are trained by then, so that they keep their shards.
        """
        if "_expected_patches" in vars(self):
            keep_text(COUNTED, json.dumps({name: self._counts(name) for name in self._subsets}))

    def shards(self, model: str) -> list[str]:
        """Patch shards that a model reads, in the order in which it reads them.

        Raises:
            UserError: no shard lies in its subset's share, or the subset is strict and has too few patches.
        """
        name = self._subset_of(model)
        shards = self._chosen(name)
        if not shards:
            raise UserError(self._no_shard(name))
        inner = [path for paths, _ in self.inner_parts(model) for path in paths]
        kind = self.kind_of_pairs(model)
        paths = list(dict.fromkeys([*inner, *(_store(shard, kind) for shard in shards)]))
        wanted = self.patches_wanted(model) or 0
        packed = sum(self._packed_patches.get(Path(path).stem, inf) for path in paths)
        # In a job, the training itself checks the shards that it is given.
        if packed < wanted and self.is_strict(model) and not self._of_job:
            raise UserError(
                f"config: subsets.{name}: only {packed} of {wanted} patches were mined in {len(paths)} shards, and "
                "`strict` is true; add videos (a trained net reads no further shards: delete "
                f"{self._plan.weights(model)}), lower `patches`, or set `strict: false`"
            )
        return paths

    def inner_parts(self, model: str) -> list[tuple[list[str], int | None]]:
        """The shards and the number of patches of each subset inside a model's.

        Their patches are read first. A smaller subset therefore lies inside a larger one, however many patches each
        shard holds.
        """
        subsets, kind = self._subsets, self.kind_of_pairs(model)
        names = inner_subsets(subsets, self._subset_of(model))
        return [([_store(shard, kind) for shard in self._chosen(name)], subsets[name]["patches"]) for name in names]

    def reading_order_digest(self, model: str) -> str:
        """Digest of the order of a model's shards: Snakemake compares the inputs of a job as a set."""
        return text_digest(repr((self.inner_parts(model), self.shards(model))))

    def kind_of_pairs(self, model: str) -> str:
        """Where the positives of a model come from: `tracked`, or the name of a control."""
        return model_graph.kind_of_pairs(self._plan.config, model_graph.name_of(model))

    def is_strict(self, model: str) -> bool:
        """Whether a ranking training with fewer patches than its subset wants is an error."""
        return bool(self._subsets[self._subset_of(model)]["strict"])

    def patches_wanted(self, model: str) -> int | None:
        """Patches that a model's subset takes if there are as many; None takes what there is."""
        wanted: int | None = self._subsets[self._subset_of(model)]["patches"]
        return wanted

    def _subset_of(self, model: str) -> str:
        name: str = self._plan.model_entry(model)["subset"]
        return name

    def _no_shard(self, name: str) -> str:
        """What to do about a subset in whose share no shard lies."""
        mining, share = self._plan.mining, self._subsets[name]["share"]
        count, videos = len(mining.patch_shards), sum(map(len, mining.shards.values()))
        needed = shards_needed(share)
        if self._plan.config["patches"]["import"]:
            remedy = f"lower patches.import.pairs_per_shard until there are {needed} shards, or widen the share"
        elif videos < needed:
            remedy = f"add videos ({needed} or more are needed) or widen the share"
        else:
            remedy = f"set videos.shard_size to {videos // needed} or less"
            if LEDGER.exists():
                remedy += f" and delete {LEDGER}, so that the list is cut anew"
            remedy += ", or widen the share"
        return f"config: subsets.{name}: none of the {count} shards lies in its share {share}; {remedy}"

    @cache  # noqa: B019 (one plan a process)
    def _chosen(self, name: str) -> list[str]:
        """The shards of a subset."""
        return subset_shards(
            self._subsets[name],
            expected_patches=self._expected_patches,
            packed_patches=self._counts(name),
        )

    def _counts(self, name: str) -> dict[str, int]:
        """Patches in the packed shards, by which a subset's shards are chosen.

        Once a net is trained on the subset, these are the counts that were known when its training was planned.
        Otherwise a poor harvest would give a finished net further shards, and the next run would train it again.
        """
        readers = {name, *(other for other in self._subsets if name in inner_subsets(self._subsets, other))}
        nets = [net for net in self._plan.trained_by("ranking") if self._subset_of(net) in readers]
        trained = any(Path(self._plan.weights(net)).exists() for net in nets)
        return self._counted.get(name, {}) if trained or self._of_job else self._packed_patches

    @cached_property
    def _expected_patches(self) -> dict[str, float]:
        patches, mining = self._plan.config["patches"], self._plan.mining
        if published := patches["import"]:
            return dict.fromkeys(mining.patch_shards, 2.0 * published["pairs_per_shard"])
        return {shard: patches["per_video"] * len(mining.shards[shard]) for shard in mining.patch_shards}


def _store(shard: str, kind: str) -> str:
    """The file of a shard's pairs of a kind."""
    return f"results/patches/{'' if kind == 'tracked' else f'controls/{kind}/'}{shard}.h5"
