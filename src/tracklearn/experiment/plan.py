"""The files that a configuration asks for: what the rules of the workflow look up.

Nothing here computes a result. It reads small lists (videos, image sets, packed shards) and answers which file follows
from which, so that the rules stay lists of inputs and outputs.
"""

import json
import os
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.experiment import configuration
from tracklearn.files import atomic
from tracklearn.patches.published import read_pairs
from tracklearn.videos.lists import Video, ledger_of, plan_shards, read_list
from tracklearn.voc.image_sets import CLASSES, read_image_set
from tracklearn.voc.protocols import official_size, protocol_named

LEDGER = Path("results/videos/shards.json")
FEATURES = "results/features/{model}/{layer}/{set}-{part}.h5"


class Plan:
    """A checked configuration and what follows from it; paths are relative to the working folder.

    Raises:
        UserError: the configuration, the list of videos or the image sets are wrong; one line that names what.
    """

    def __init__(self, config: configuration.Config, schema: Mapping[str, Any]) -> None:
        configuration.check(config, schema)
        self.config = configuration.with_seeds(config)
        self.rows = configuration.all_rows(config)
        self.table1 = [row["id"] for row in config["table1"]]
        self.protocol = protocol_named(config["detection"]["protocol"])
        self.classes = list(config["voc"]["classes"] or CLASSES)
        self.voc = {"voc": config["voc"]["root"], "year": self.protocol.year, "classes": self.classes}
        self.parts_of = {name: range(ceil(self._size(name) / self._images_per_part)) for name in self._image_sets}
        self.shards = {} if config["patches"]["import"] else self._video_shards()
        self.patch_shards = list(self.shards) or self._imported_shards()
        self._packed = configuration.packed_patches("results/patches")
        for model in self.trained_by("ranking"):
            self.stores(model)  # a share without a shard is said before anything runs

    # Videos and patches

    def _video_shards(self) -> dict[str, list[Video]]:
        ledger = json.loads(LEDGER.read_text()) if LEDGER.exists() else []
        settings = self.config["videos"]
        return plan_shards(read_list(settings["list"]), ledger, settings["shard_size"])

    def record_shards(self) -> None:
        """Keep the boundaries of the shards, so that videos appended to the list start a new one."""
        if self.shards:
            with atomic(LEDGER) as temporary:
                temporary.write_text(json.dumps(ledger_of(self.shards)))

    def sources(self, shard: str) -> list[list[str]]:
        """[video_id, source] of a shard's videos."""
        return [[video.video_id, video.source] for video in self.shards[shard]]

    def local_files(self, shard: str) -> list[int]:
        """Sizes and times of a shard's local videos: one that is replaced is probed and mined again."""
        return [value for video in self.shards[shard] for value in _size_and_time(Path(video.source))]

    def galleries(self) -> list[str]:
        """Pages of what was mined, one a shard; none of patches that were imported."""
        return [f"results/patches/{shard}.html" for shard in self.shards]

    def _imported_shards(self) -> list[str]:
        imported = self.config["patches"]["import"]
        try:
            pairs = sum(1 for _ in read_pairs(imported["list"]))
        except FileNotFoundError as error:
            raise UserError(
                f"patches.import.list: no file {imported['list']}; expected lines of `path label`"
            ) from error
        return [f"{number:05d}" for number in range(ceil(pairs / imported["pairs_per_shard"]))]

    def stores(self, model: str) -> list[str]:
        """Patch shards that a ranking model trains on."""
        name = self.model(model)["subset"]
        shards = self._taken(name)
        if not shards:
            raise UserError(
                f"config: subsets.{name}: none of the {len(self.patch_shards)} shards lies in its share; "
                "lower videos.shard_size or widen the share"
            )
        # What a smaller subset reads comes first, so that it lies inside a larger one whatever was mined.
        inner = {shard for other in self._inside(name) for shard in self._taken(other)}
        return [f"results/patches/{shard}.h5" for shard in sorted(shards, key=lambda shard: shard not in inner)]

    def _taken(self, subset: str) -> list[str]:
        imported = self.config["patches"]["import"]
        per_video = self.config["patches"]["per_video"]
        expected = {
            shard: 2.0 * imported["pairs_per_shard"] if imported else per_video * len(self.shards[shard])
            for shard in self.patch_shards
        }
        return configuration.subset_shards(self.config["subsets"][subset], expected=expected, packed=self._packed)

    def _inside(self, name: str) -> list[str]:
        """Subsets whose share lies inside that of `name`."""
        low, high = self.config["subsets"][name]["share"]
        shares = {other: subset["share"] for other, subset in self.config["subsets"].items() if other != name}
        return [other for other, share in shares.items() if low <= share[0] and share[1] <= high]

    def patches_wanted(self, model: str) -> int | None:
        """Patches that a ranking model's subset must hold; None takes what there is."""
        wanted: int | None = self.config["subsets"][self.model(model)["subset"]].get("patches")
        return wanted

    # Models

    def model(self, name: str) -> dict[str, Any]:
        """A model's entry."""
        entry: dict[str, Any] = self.config["models"][name]
        return entry

    def schedule(self, name: str) -> dict[str, Any]:
        """A model's schedule."""
        entry: dict[str, Any] = self.config["schedules"][self.model(name)["schedule"]]
        return entry

    def seed(self, name: str) -> int:
        """A model's seed."""
        return int(self.model(name).get("seed", 0))

    def parent(self, name: str) -> str | list[str]:
        """The weights that a model starts from; none where they are random."""
        parent = self.model(name).get("from", "random")
        return [] if parent == "random" else f"results/models/{parent}/weights.safetensors"

    def trained_by(self, way: str) -> list[str]:
        """Names of the models trained in one way."""
        return configuration.trained_by(self.config, way)

    def shown_models(self) -> list[str]:
        """Models whose filters the page shows: those of retrieval, then the first one of each row."""
        first = [self.rows[row]["models"][0] for row in self.table1]
        return list(dict.fromkeys([*self.config["retrieval"]["models"], *first]))

    def retrieval_models(self) -> list[str]:
        """Models of the retrieval experiment; none where the test annotations, its queries, are not public."""
        listed: list[str] = self.config["retrieval"]["models"]
        return listed if self.protocol.annotated else []

    def ranked_models(self) -> list[str]:
        """Models trained by ranking that Table 1 rests on."""
        leaves = [model for row in self.table1 for model in self.rows[row]["models"]]
        used = {name for leaf in leaves for name in configuration.ancestors(self.config, leaf)}
        return [name for name in self.trained_by("ranking") if name in used]

    # VOC and detection

    @property
    def _image_sets(self) -> tuple[str, str]:
        return self.protocol.train, self.protocol.test

    @property
    def _images_per_part(self) -> int:
        return int(self.config["detection"]["images_per_shard"])

    def image_list(self, image_set: str) -> str:
        """The file that names the images of a set."""
        return f"{self.config['voc']['root']}/VOC{self.protocol.year}/ImageSets/Main/{image_set}.txt"

    def voc_files(self, image_set: str) -> str:
        """What a job waits for before it reads a set: its download, or the list of a devkit that the user keeps."""
        downloaded = self.config["voc"]["download"]
        return f"results/voc/VOC{self.protocol.year}.json" if downloaded else self.image_list(image_set)

    @property
    def photos(self) -> list[int]:
        """When files last came to or left a devkit that the user keeps: what was made of the others is out of date."""
        if self.config["voc"]["download"]:
            return []
        folder = Path(self.config["voc"]["root"], f"VOC{self.protocol.year}")
        return [value for name in ("JPEGImages", "Annotations") for value in _size_and_time(folder / name)]

    @property
    def image_folder(self) -> list[int]:
        """The same for the categories of the ImageFolder."""
        folder = Path(self.config["imagenet"]["folder"] or "")
        categories = sorted(folder.glob("*/")) if self.config["imagenet"]["folder"] else []
        return [value for category in categories for value in _size_and_time(category)]

    def _size(self, image_set: str) -> int:
        """Images in a set: counted where VOC is at hand, known for the official sets before they are downloaded."""
        settings = self.config["voc"]
        if all(Path(self.image_list(name)).exists() for name in self._image_sets):
            self.protocol.check(settings["root"])
            return len(read_image_set(settings["root"], year=self.protocol.year, image_set=image_set))
        if not settings["download"]:
            raise UserError(
                f"{self.image_list(image_set)}: no such file; point voc.root at a folder that holds "
                f"VOC{self.protocol.year}, or set voc.download: true"
            )
        return official_size(self.protocol.year, image_set)

    def parts(self, pattern: str, image_set: str, **names: str) -> list[str]:
        """Files of all parts of an image set, in the order of its images."""
        return [pattern.format(set=image_set, part=part, **names) for part in self.parts_of[image_set]]

    def features(self, model: str, layer: str, image_set: str) -> list[str]:
        """Feature files of one model."""
        return self.parts(FEATURES, image_set, model=model, layer=layer)

    def row_features(self, row: str, image_set: str) -> list[str]:
        """Feature files of a row: model after model."""
        entry = self.rows[row]
        layer = entry.get("layer", "fc7")
        return [file for model in entry["models"] for file in self.features(model, layer, image_set)]

    def external(self, row: str) -> bool:
        """Whether a row learned from more than the challenge's own images (comp4 instead of comp3)."""
        models = self.rows[row]["models"]
        models = [*models, *(parent for model in models for parent in configuration.ancestors(self.config, model))]
        return any(self.model(model)["train"] not in ("voc", "none") for model in models)

    def cells(self, rows: Sequence[str]) -> list[str]:
        """Cells of some rows: one a class, and the mean."""
        columns = [*self.classes, "mAP"]
        return [f"results/cells/table1/{row}/{column}.json" for row in rows for column in columns]

    # Evidence

    def seeded(self, names: Sequence[str]) -> list[str]:
        """Rows or models with their copies for each seed of `evidence:`."""
        seeds = range(1, self.config["evidence"]["seeds"] + 1)
        return [configuration.seed_name(name, seed) for name in names for seed in seeds]

    def warnings(self) -> list[str]:
        """What is missing but stops only some of the jobs."""
        folder = self.config["imagenet"]["folder"]
        if folder is None or Path(folder).is_dir() or not self.trained_by("imagenet"):
            return []
        return [
            f"{folder}: no ImageNet there, so {', '.join(self.trained_by('imagenet'))} cannot be trained; "
            "put ILSVRC 2012's training images there, one folder a class, or set imagenet.folder"
        ]


def _size_and_time(path: Path) -> tuple[int, ...]:
    """Bytes and modification time (ns) of what is there; nothing for what is not."""
    if not path.exists():
        return ()
    found = path.stat()
    return found.st_size if path.is_file() else 0, found.st_mtime_ns


def count_gpus() -> int:
    """NVIDIA GPUs that jobs of this machine may use, without the seconds that asking torch takes."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
