"""Does ranking learn, and which of its settings matter? `make learning`, about twenty minutes on two cores.

Trains on the patches that `make demo` and `make real` mined, with their networks and schedules, and measures on clips
that the training has not seen: training seed s holds out every third clip, beginning with clip s. The random network of
a seed is the network from which the trainings of this seed start. All distances are cosine distances.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

import torch
import yaml

from tracklearn.errors import UserError
from tracklearn.networks.backbone import Backbone, Layer
from tracklearn.networks.initial import new_network
from tracklearn.networks.weights import build
from tracklearn.patches.store import PatchStore
from tracklearn.patches.subset import Subset
from tracklearn.patches.writing import Pair, write_shard
from tracklearn.ranking.loss import cosine_distances
from tracklearn.ranking.negatives import other_videos
from tracklearn.ranking.recall import category_precision, other_pairs, tracked_ranks
from tracklearn.ranking.train import measure, train_ranking
from tracklearn.tables.formats import grid

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "demo"))

from world_generator.clips import KINDS  # noqa: E402
from world_generator.things import NAMES  # noqa: E402

FOLDS = 3
SEEDS = (1, 2, 3)
SCHEDULE = "ranking-1.5M"
K = 20  # PAPER §6.1
MARGIN = 0.5  # of the figure `violated`, for all networks whatever margin they were trained with
LAYERS = ("fc7", "pool5")

Figures = dict[str, float]


@dataclass(frozen=True)
class Variant:
    """A way of training.

    Attributes:
        name: for the tables.
        loss: what differs from the block `ranking` of the configuration.
        random_share: share of the iterations with random negatives, at the learning rates of the schedule; None takes
            the schedule's own.
        precision: how the training computes.
    """

    name: str
    loss: Mapping[str, Any]
    random_share: float | None = None
    precision: str = "fp32"


VARIANTS = (
    Variant("default: random negatives, then in the last third hard ones by the released code's sampling", {}),
    Variant("random negatives only", {}, random_share=1.0),
    Variant("hard negatives by the paper's sampling", {"sampling": "paper"}),
    Variant("hard negatives from the start", {}, random_share=0.0),
    Variant("symmetric loss of the released code", {"form": "fork"}),
    Variant("symmetric loss, hard negatives from the start", {"form": "fork"}, random_share=0.0),
    Variant("default, with margin 1", {"margin": 1.0}),
    Variant("default, in bf16", {}, precision="bf16"),
)


@dataclass(frozen=True)
class World:
    """Mined patches of one experiment.

    Attributes:
        title: for the page.
        folder: of the experiment.
        made_by: the command that mines the patches.
        note: for the reader of the tables.
        category: maps a video id to the number of the category that the video shows, -1 if it shows none; None if
            categories are unknown.
    """

    title: str
    folder: Path
    made_by: str
    note: str = ""
    category: Callable[[str], int] | None = None

    @property
    def shards(self) -> list[Path]:
        """The shards that were mined."""
        return sorted((self.folder / "results/patches").glob("*.h5"))

    def config(self) -> dict[str, Any]:
        """The experiment's configuration, as Snakemake merges it; settings with their default may be missing."""
        texts = (path.read_text() for path in (ROOT / "config/config.yaml", self.folder / "config/config.yaml"))
        return merged(*map(yaml.safe_load, texts))


def shown_category(video_id: str) -> int:
    """Category of the object that a clip of the small world shows; -1 for clips in which only the camera moves."""
    index = int(video_id.removeprefix("clip"))
    return -1 if KINDS[index * 7 % len(KINDS)] == "camera" else index % len(NAMES)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two configurations block by block; values of `above` replace those of `below`."""
    changed = {
        name: merged(below[name], value) if isinstance(value, dict) and isinstance(below.get(name), dict) else value
        for name, value in above.items()
    }
    return {**below, **changed}


def held_out(video_ids: Sequence[str], seed: int) -> set[str]:
    """Every third video in the order of names; three successive seeds hold out three different thirds."""
    return set(sorted(video_ids)[seed % FOLDS :: FOLDS])


def write_split(shards: Sequence[Path], seed: int, train: Path, test: Path) -> None:
    """Copy the pairs of the videos to train on into one shard, and those of the held-out videos into another one."""
    stores = [PatchStore(path) for path in shards]
    test_videos = held_out([name for store in stores for name in store.video_ids], seed)
    for path, is_test in ((train, False), (test, True)):
        pairs = (pair for store in stores for pair in _pairs(store) if (pair.video_id in test_videos) == is_test)
        write_shard(path, pairs, size=stores[0].size, quality=95)


def _pairs(store: PatchStore) -> Iterator[Pair]:
    for i, video in enumerate(store.video_of_pair):
        first, second = store.frames[i].tolist()
        query, tracked = (store.jpeg(2 * i + half).tobytes() for half in (0, 1))
        yield Pair(store.video_ids[video], (first, second), store.boxes[i], float(store.scores[i]), query, tracked)


def trained(world: World, variant: Variant, seed: int) -> Figures:
    """Train on two thirds of the videos; return the figures of the other videos and the last loss."""
    config = world.config()
    schedule = config["schedules"][SCHEDULE] | {"precision": variant.precision}
    if variant.random_share is not None:
        first = schedule["random_iterations"]
        total = first + schedule["iterations"]
        random = {"random_iterations": round(variant.random_share * total), "stages": "one"}
        schedule |= random | {"iterations": total, "step": first + schedule["step"]}
    with tempfile.TemporaryDirectory() as folder:
        train, test, weights = (Path(folder, name) for name in ("train.h5", "test.h5", "weights.safetensors"))
        write_split(world.shards, seed, train, test)
        row = train_ranking(
            stores=[train],
            network=config.get("network"),
            loss=config.get("ranking", {}) | dict(variant.loss),
            schedule=schedule,
            seed=seed,
            weights=weights,
            log=Path(folder, "log.csv"),
            checkpoints=Path(folder, "checkpoints"),
            conv1=Path(folder, "conv1.png"),
            threads=1,
        )
        return {"loss": row["loss"]} | evaluate(build(weights), Subset([test]), world.category)


def untrained(world: World, seed: int) -> Figures:
    """Figures of the network from which the trainings of this seed start."""
    with tempfile.TemporaryDirectory() as folder:
        train, test = Path(folder, "train.h5"), Path(folder, "test.h5")
        write_split(world.shards, seed, train, test)
        net = new_network(world.config().get("network"), head="ranking", seed=seed).eval()
        return evaluate(net, Subset([test]), world.category)


def evaluate(net: Backbone, subset: Subset, category: Callable[[str], int] | None) -> Figures:
    """Figures of these pairs by layer, in percent, by `recall` and `measure`."""
    videos = torch.from_numpy(subset.video_of_pair)
    others = other_videos(videos)
    figures: dict[str, torch.Tensor] = {}
    for layer in LAYERS:
        distances = cosine_distances(features(net, subset, cast(Layer, layer)))
        among_all, among_others = (tracked_ranks(distances, rivals) for rivals in (other_pairs(len(videos)), others))
        figures[f"{layer} violated"] = measure(distances, others, others, margin=MARGIN)["violated"]
        figures[f"{layer} right"] = 1 - among_others / others.sum(1)
        figures[f"{layer} recall"] = among_all < 1
        figures[f"{layer} recall@{K}"] = among_all < K
        figures[f"{layer} other clips"] = among_others < 1
        if category:
            categories = torch.tensor([category(subset.video_ids[video]) for video in subset.video_of_pair])
            figures[f"{layer} precision"] = category_precision(distances, videos, categories, k=K)
    return {name: 100 * float(values.float().mean()) for name, values in figures.items()}


@torch.inference_mode()
def features(net: Backbone, subset: Subset, layer: Layer, *, batch: int = 64) -> torch.Tensor:
    """Features of all patches, (2 P, D)."""
    rows = []
    for start in range(0, len(subset), batch):
        patches = subset.pairs(range(start, min(start + batch, len(subset))))  # (p, 2, S, S, 3)
        rows.append(net.features(torch.from_numpy(patches).flatten(0, 1), layer))
    return torch.cat(rows)


FIGURES = {
    "right": "ranked right, %",
    "violated": "violated, %",
    "recall": "recall@1, %",
    f"recall@{K}": f"recall@{K}, %",
    "other clips": "recall@1, other clips, %",
    "precision": f"precision@{K}, %",
}

EXPLAINED = f"""\
The tables show means over the training seeds ± their standard deviation. Each training seed trains on two thirds of the
clips and holds out the other clips. The random network of a training seed is the network that its trainings start from.
The released code is the authors' code for training, a fork of Caffe. Distances are cosine distances. All figures except
the loss are measured on the held-out clips:

- loss at the end: the loss of the last iterations of the training, with the negatives (random or hard) that the
  training takes in these iterations. Compare this figure only between rows with the same negatives and the same margin.
- ranked right: the share of all triplets (query, its tracked patch, a patch of another clip) whose tracked patch is
  nearer to the query than the other patch, as ranking demands. Chance is 50.
- violated: the share of the same triplets whose tracked patch is not nearer to the query than the other patch by a
  margin of {MARGIN:g}. If the share of fc7 is still 100 after a training, all features of fc7 lie close together.
  Either the training has drawn them together, or its loss has stayed at the value of the margin, which means that the
  training has learned nothing.
- recall@k: the share of queries whose tracked patch is among the k nearest of all held-out patches. Another patch of
  the same clip counts as wrong, although it shows the same object. "Other clips" compares the tracked patch only with
  patches of other clips.
- precision@{K}: the share of the {K} nearest held-out patches of other clips that show the category of the query."""


SMALL_WORLD = """\
All objects share their hues and tones, and they turn, swell and change their light within a track. Only the texture of
the category surely stays the same. A network that knows categories ranks most triplets right, but among the patches of
one category it finds the tracked patch hardly more often than chance: recall@1 rises and stays low. More than half of
the hardest negatives of a batch show the query's own category. Trained on these alone, as by the paper's sampling, all
features collapse; the released code's sampling takes half of the negatives at random."""

REAL_CLIPS = """\
Only ten of the sixteen real clips yield pairs, each clip has its own colours, and the tracks change little. A random
network already distinguishes the clips, and a training on six or seven clips is too small to improve on the random
network. The ranking training increases the share of triplets that keep the margin, but it also draws the patches of one
clip together, which lowers recall@1 among all patches."""


def tables(results: Mapping[str, Sequence[Figures]]) -> str:
    """Markdown of each network's figures: a table of means for each layer, and a table of single seeds."""
    return "\n\n".join(
        [
            "fc7, the layer that is trained to rank:",
            _table(results, {"loss": "loss at the end"} | _columns(results, "fc7"), _spread),
            "pool5, below the fully connected layers:",
            _table(results, _columns(results, "pool5"), _spread),
            "fc7 by training seed:",
            _table(results, _columns(results, "fc7"), _one_by_one),
        ]
    )


def _columns(results: Mapping[str, Sequence[Figures]], layer: str) -> dict[str, str]:
    """Titles of a layer's figures, without those that this world does not have."""
    first = next(iter(results.values()))[0]
    return {f"{layer} {name}": title for name, title in FIGURES.items() if f"{layer} {name}" in first}


def _table(
    results: Mapping[str, Sequence[Figures]], columns: Mapping[str, str], cell: Callable[[list[float], int], str]
) -> str:
    rows = []
    for net, runs in results.items():
        found = {name: [run[name] for run in runs if name in run] for name in columns}
        rows.append(
            {"network": net} | {name: cell(values, 2 if name == "loss" else 1) for name, values in found.items()}
        )
    return grid(rows, ["network", *columns.values()])


def _spread(values: list[float], digits: int) -> str:
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"


def _one_by_one(values: list[float], digits: int) -> str:
    return " ".join(f"{value:.{digits}f}" for value in values)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables and write them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--variants", type=int, default=len(VARIANTS), help="how many of the rows to train")
    parser.add_argument("--root", type=Path, default=ROOT, help="where demo/ and examples/ hold their results")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/learning.md")
    options = parser.parse_args(arguments)
    worlds = [
        World("The embedded small world", options.root / "demo", "make demo", SMALL_WORLD, shown_category),
        World("Real clips", options.root / "examples/real_mini", "make real", REAL_CLIPS),
    ]
    text = report(worlds, VARIANTS[: options.variants], options.seeds)
    print(text)
    options.out.write_text(text + "\n")
    print(f"written to {options.out}", file=sys.stderr)


def report(worlds: Sequence[World], variants: Sequence[Variant], seeds: Sequence[int]) -> str:
    """The page about the worlds that have patches.

    Raises:
        UserError: no world has patches.
    """
    for world in worlds:
        if not world.shards:
            print(f"{world.folder}/results/patches: no shards; `{world.made_by}` makes them", file=sys.stderr)
    mined = [world for world in worlds if world.shards]
    if not mined:
        raise UserError("learning: there are no patches to learn from; run `make demo` or `make real` first")
    sections = ["# What ranking training learns", "`make learning` writes this page.", EXPLAINED]
    # Two trainings of one thread each are faster than one after the other on two.
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        jobs = [(world, submit(pool, world, variants, seeds)) for world in mined]
        try:
            for world, futures in jobs:
                results = {net: [run.result() for run in runs] for net, runs in futures.items()}
                pairs = Subset(world.shards)
                size = f"{len(pairs)} pairs of {len(pairs.video_ids)} clips"
                sections += [f"## {world.title}: {size}", world.note, tables(results)]
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, drop the runs that have not begun
    return "\n\n".join(filter(None, sections))


def submit(
    pool: ProcessPoolExecutor, world: World, variants: Sequence[Variant], seeds: Sequence[int]
) -> dict[str, list[Future[Figures]]]:
    """Start the runs of every network, by its name; each run prints a line when it is done."""
    jobs = {"random network": [pool.submit(untrained, world, seed) for seed in seeds]}
    jobs |= {each.name: [pool.submit(trained, world, each, seed) for seed in seeds] for each in variants}
    for net, runs in jobs.items():
        for seed, run in zip(seeds, runs, strict=True):
            run.add_done_callback(partial(_print_state, f"{world.title}, seed {seed}, {net}"))
    return jobs


def _print_state(name: str, run: Future[Figures]) -> None:
    if not run.cancelled():
        print(f"{name}: {'failed' if run.exception() else 'done'}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
