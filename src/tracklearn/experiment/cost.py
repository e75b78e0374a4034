"""What an experiment costs, stage by stage, in hours, disk and network, from its plan and from measured figures.

    python -m tracklearn.experiment.cost
    python -m tracklearn.experiment.cost --directory demo --config 'videos={shard_size: 10}'

`measured.tsv` beside this file holds every figure with its source. What follows from a figure that was not measured is
"not measured" too, and stays out of the sums.
"""

import argparse
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from math import isnan
from pathlib import Path
from typing import NamedTuple

from tracklearn.errors import UserError
from tracklearn.experiment.measured import Figures
from tracklearn.experiment.model_graph import backbone_of
from tracklearn.experiment.plan import Plan
from tracklearn.experiment.plan_of_folder import VIDEOS, plan_of_folder
from tracklearn.settings.network import CAFFENET
from tracklearn.settings.training import RankingSchedule, SoftmaxSchedule

DEVICES = ("gpu", "cpu")
WIDTHS = {"pool5": 9216, "fc6": 4096, "fc7": 4096}  # of features, at the paper's input size
POOL5 = {"resnet18": 512, "resnet50": 2048}  # of backbones in which it is not 9216 wide
HEADER = """\
| for | stage | work | core-hours | GPU-hours | core-hours in place of the GPU | disk, GB | network, GB |
|---|---|---|---|---|---|---|---|"""


class Stage(NamedTuple):
    """A stage and what it costs; nan is what was not measured."""

    table: str
    name: str
    work: str
    cores: float = 0.0  # core-hours of what no GPU computes
    gpu: float = 0.0  # hours of a GPU, ...
    instead: float = 0.0  # ... or core-hours without a GPU
    disk: float = 0.0  # bytes
    network: float = 0.0  # bytes


def stages(plan: Plan, figures: Figures) -> list[Stage]:
    """The stages of all tables in the order of the paper; what several tables need is counted in the first one."""
    models = _models_by_table(plan)
    return [
        *_pairs(plan, figures),
        *_trainings(plan, figures, "Table 1", models["Table 1"]),
        *_detection(plan, figures),
        *_trainings(plan, figures, "section 6", models["section 6"]),
        *_section6(plan, figures),
        *_trainings(plan, figures, "Table 2", models["Table 2"]),
        *_normals(plan, figures),
        *_trainings(plan, figures, "frozen", models["frozen"]),
        *_frozen(plan, figures),
    ]


def markdown(found: Sequence[Stage]) -> str:
    """The stages and their sums as a table."""
    total = Stage(
        "", "what was measured", "", *(_sum(values) for values in zip(*(each[3:] for each in found), strict=True))
    )
    lines = [
        f"| {' | '.join([*stage[:3], *map(_hours, stage[3:6]), *map(_gigabytes, stage[6:])])} |"
        for stage in [*found, total]
    ]
    return "\n".join([HEADER, *lines])


def _models_by_table(plan: Plan) -> dict[str, list[str]]:
    """The models that each table needs and that no table before it needs."""
    named = {
        "Table 1": [model for row in plan.computed_rows(plan.table1_rows) for model in plan.rows[row]["models"]],
        "section 6": [
            *plan.section6.networks(),
            *(
                model
                for row in plan.computed_rows(plan.section6.rows("detection"))
                for model in plan.rows[row]["models"]
            ),
        ],
        "Table 2": plan.normals.networks(),
        "frozen": plan.frozen.networks(),
    }
    seen: set[str] = set()
    found = {}
    for table, models in named.items():
        found[table] = [model for model in plan.lineage(models) if not plan.lacking([model]) and model not in seen]
        seen |= {*found[table]}
    return found


def _pairs(plan: Plan, figures: Figures) -> list[Stage]:
    """Download and mining of the shards that ranking networks read, and the pairs of their controls."""
    nets = plan.ranking_models(plan.models_of_tables())
    if not nets or plan.config["patches"]["import"]:
        return []
    shards = dict.fromkeys(Path(path).stem for net in nets for path in plan.subsets.shards(net))
    videos = sum(len(plan.mining.shards[shard]) for shard in shards)
    living = videos * (1 - figures["videos.dead_share"])
    frames = living * figures["videos.frames"]
    patches = 2 * living * figures["videos.pairs"]
    size = living * figures["videos.bytes"]
    controls = sorted({plan.subsets.kind_of_pairs(net) for net in nets} - {"tracked"})
    found = [
        Stage("all", "download", f"{videos:,} videos in {len(shards):,} shards", disk=size, network=size),
        Stage(
            "all",
            "mining",
            f"{living:,.0f} living videos of {figures['videos.frames']:,.0f} frames: {patches / 1e6:.1f}M patches",
            cores=figures.hours("mining.frames", frames * figures["mining.passes"]),
            disk=patches * figures["patches.bytes"],
        ),
    ]
    if controls:
        most = len(controls) * patches  # any-frame has fewer pairs than the method
        hours = sum(figures.hours(f"controls.{kind}", frames) for kind in controls)
        work = f"at most {most / 1e6:.1f}M patches of {', '.join(controls)}"
        found.append(Stage("all", "controls", work, cores=hours, disk=most * figures["patches.bytes"]))
    return found


def _trainings(plan: Plan, figures: Figures, table: str, models: Sequence[str]) -> list[Stage]:
    """A stage for each way of training among some models."""
    found = []
    for way, label in {
        "ranking": "ranking",
        "imagenet": "ImageNet",
        "voc": "fine-tuning",
        "normals": "normals",
    }.items():
        names = [name for name in models if plan.model_entry(name)["train"] == way]
        if not names:
            continue
        images, gpu, instead = 0, 0.0, 0.0
        for name in names:
            schedule = (RankingSchedule if way == "ranking" else SoftmaxSchedule)(**plan.schedule(name))
            batches = schedule.total * schedule.batch
            how = schedule.precision + (".compiled" if schedule.compile else "")
            images += batches
            gpu += figures.hours(_of_backbone(plan, name, f"{way}.gpu.{how}"), batches)
            instead += figures.hours(_of_backbone(plan, name, f"{way}.cpu.{schedule.precision}"), batches)
        unit = {"ranking": "patches", "voc": "windows"}.get(way, "images")
        disk = len(names) * figures["weights.ranking" if way == "ranking" else "weights.others"]
        work = f"{len(names)} networks: {images / 1e6:,.0f}M {unit}"
        found.append(Stage(table, label, work, gpu=gpu, instead=instead, disk=disk))
    return found


def _of_backbone(plan: Plan, model: str, figure: str) -> str:
    """The name of a figure for a model's backbone; those without a name before them are CaffeNet's."""
    backbone = backbone_of(plan.config, model)
    return figure if backbone == CAFFENET else f"{backbone}.{figure}"


def _detection(plan: Plan, figures: Figures) -> list[Stage]:
    """The photos, and the rows with SVMs of Table 1."""
    photos = sum(map(plan.voc.size, plan.voc.image_sets))
    windows = _windows(plan, figures)
    download = figures["voc.download"] if plan.config["voc"]["download"] else 0.0
    rows = plan.computed_rows(plan.table1_rows)
    return [
        Stage("all", "VOC", f"{photos:,} photos", disk=figures["voc.unpacked"] if download else 0.0, network=download),
        Stage(
            "all",
            "proposals",
            f"{windows / 1e6:.0f}M windows",
            cores=figures.hours("proposals.photos", photos),
            disk=windows * figures["proposals.bytes"],
        ),
        *_rows_with_svms(plan, figures, "Table 1", rows),
    ]


def _width(plan: Plan, model: str, layer: str) -> int:
    usual = WIDTHS[layer]
    return POOL5.get(backbone_of(plan.config, model), usual) if layer == "pool5" else usual


def _rows_with_svms(plan: Plan, figures: Figures, table: str, rows: Sequence[str]) -> list[Stage]:
    """Features, SVMs and detections of some rows; the features are computed anew for each row and pass."""
    if not rows:
        return []
    train, test = map(plan.voc.size, plan.voc.image_sets)
    entries = [(model, plan.rows[row]["layer"]) for row in rows for model in plan.rows[row]["models"]]
    kept = sum(_width(plan, *entry) for entry in {*entries}) if plan.config["features"]["keep"] else 0
    windows = _windows(plan, figures)
    each = {
        device: Counter(_of_backbone(plan, model, f"features.{device}") for model, _ in entries) for device in DEVICES
    }
    hours = {
        device: sum(figures.hours(name, count * windows) for name, count in each[device].items()) for device in each
    }
    widths = sum(_width(plan, *entry) / WIDTHS["fc7"] for entry in entries)
    return [
        Stage(
            table,
            "features",
            f"{len(entries)} x {windows / 1e6:.0f}M windows",
            gpu=hours["gpu"],
            instead=hours["cpu"],
            disk=2 * kept * windows,
        ),
        Stage(
            table,
            "SVMs",
            f"{len(rows)} rows of {len(plan.voc.classes)} classes, {train:,} photos",
            cores=figures.hours("svms.photos", train * len(plan.voc.classes) * widths),
        ),
        Stage(
            table,
            "detection",
            f"{len(rows)} rows, {test:,} photos",
            cores=figures.hours("svms.detections", test * len(rows)),
        ),
    ]


def _windows(plan: Plan, figures: Figures) -> float:
    """Windows of all photos."""
    each: float = plan.config["voc"]["proposals"]["max_boxes"] or figures["proposals.windows"]
    return sum(map(plan.voc.size, plan.voc.image_sets)) * each


def _section6(plan: Plan, figures: Figures) -> list[Stage]:
    tasks = plan.section6.tasks
    if not tasks:
        return []
    found = _rows_with_svms(plan, figures, "section 6", plan.computed_rows(plan.section6.rows("detection")))
    queries, compared = figures["retrieval.queries"], figures["retrieval.windows"]
    networks = [name for name in plan.section6.networks("retrieval") if not plan.lacking([name])]
    if networks:
        work = f"{len(networks)} networks: {queries:,.0f} queries, {compared:,.0f} windows"
        cosines, read = len(networks) * queries * compared, len(networks) * (queries + compared)
        hours = {
            device: figures.hours(f"features.{device}", read) + figures.hours(f"retrieval.{device}", cosines)
            for device in ("gpu", "cpu")
        }
        found.append(Stage("section 6", "retrieval", work, gpu=hours["gpu"], instead=hours["cpu"]))
    if "elda" in plan.section6.systems("retrieval"):
        shapes = plan.config["retrieval"]["elda"]["shapes"]
        work = f"{queries:,.0f} queries, {compared:,.0f} windows in {shapes} shapes"
        parts = {
            "elda.photos": plan.voc.size(plan.protocol.train),
            "elda.hogs": queries + shapes * compared,
            "elda.detectors": queries,
            "elda.scores": queries * compared,
        }
        found.append(Stage("section 6", "ELDA", work, cores=sum(figures.hours(*part) for part in parts.items())))
    if systems := plan.section6.systems("scenes"):
        scenes, is_downloaded = figures["scenes.photos"], plan.config["scenes"]["download"]
        networks = [name for name in plan.section6.networks("scenes") if not plan.lacking([name])]
        found.append(
            Stage(
                "section 6",
                "scenes",
                f"{len(networks)} networks and {len({*systems} & {'gist'})} method on {scenes:,.0f} photos",
                gpu=figures.hours("scenes.gpu", scenes * len(networks)),
                instead=figures.hours("scenes.cpu", scenes * len(networks)),
                disk=figures["scenes.unpacked"] if is_downloaded else 0.0,
                network=figures["scenes.download"] if is_downloaded else 0.0,
            )
        )
        if "gist" in systems:
            found.append(
                Stage("section 6", "GIST", f"{scenes:,.0f} photos", cores=figures.hours("scenes.gist", scenes))
            )
    return found


def _normals(plan: Plan, figures: Figures) -> list[Stage]:
    if not plan.normals.rows:
        return []
    images, evaluated = figures["nyuv2.photos"], figures[f"nyuv2.{plan.config['normals']['split']}"]
    networks = [name for name in plan.normals.networks() if not plan.normals.lack(name)]
    download = figures["nyuv2.download"] if plan.config["normals"]["download"] else 0.0
    return [
        Stage("Table 2", "NYUv2", f"{images:,.0f} images", disk=download, network=download),
        Stage(
            "Table 2",
            "true normals",
            f"{images:,.0f} images",
            cores=figures.hours("nyuv2.normals", images),
            disk=images * figures["nyuv2.bytes"],
        ),
        Stage(
            "Table 2",
            "evaluation",
            f"{len(networks)} networks on {evaluated:,.0f} images",
            gpu=figures.hours("normals.evaluation.gpu", evaluated * len(networks)),
            instead=figures.hours("normals.evaluation.cpu", evaluated * len(networks)),
        ),
    ]


def _frozen(plan: Plan, figures: Figures) -> list[Stage]:
    if not (cells := len(plan.frozen.bootstraps())):
        return []
    work = f"{cells} cells of {len(plan.frozen.columns())} data sets"
    hours = [figures.hours(f"frozen.evaluation.{device}", cells) for device in ("gpu", "cpu")]
    return [Stage("frozen", "evaluation", work, gpu=hours[0], instead=hours[1])]


def _sum(values: Iterable[float]) -> float:
    return sum(value for value in values if not isnan(value))


def _hours(value: float) -> str:
    if isnan(value):
        return "not measured"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}" if value else "-"


def _gigabytes(value: float) -> str:
    return _hours(value / 1e9)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of a folder's experiment; the result is the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tracklearn.experiment.cost", description="What the experiment costs"
    )
    parser.add_argument("--directory", type=Path, default=Path(), help="folder of the experiment, as for snakemake")
    parser.add_argument("--config", nargs="+", default=[], metavar="NAME=VALUE", help="settings, as for snakemake")
    parser.add_argument("--videos", type=int, help=f"length of the list (default: that of the list, else {VIDEOS})")
    given = parser.parse_args(arguments)
    try:
        _enter(given.directory)
        plan = plan_of_folder(given.config, given.videos)
        print(markdown(stages(plan, Figures())))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _enter(folder: Path) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise UserError(f"--directory {folder}: {error.strerror}; expected the folder of an experiment") from error


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` then ends it without a traceback
    sys.exit(main())
