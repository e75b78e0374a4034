"""The files that a configuration asks for: what the rules of the workflow look up.

Nothing here computes a result. The plan reads small lists (videos, image sets, packed shards) and answers which file
follows from which, so that the rules stay lists of inputs, outputs and settings.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tracklearn.experiment import model_graph
from tracklearn.experiment.cards_plan import CardsPlan
from tracklearn.experiment.configuration import complete
from tracklearn.experiment.figures_plan import FiguresPlan
from tracklearn.experiment.file_digests import digest_of_folder
from tracklearn.experiment.frozen_plan import FrozenPlan
from tracklearn.experiment.mining_plan import MiningPlan
from tracklearn.experiment.normals_plan import NormalsPlan
from tracklearn.experiment.questions_plan import QuestionsPlan
from tracklearn.experiment.scenes_plan import ScenesPlan
from tracklearn.experiment.section6_plan import Section6Plan
from tracklearn.experiment.subsets import outermost_subsets
from tracklearn.experiment.subsets_plan import SubsetsPlan
from tracklearn.experiment.voc_plan import VocPlan
from tracklearn.settings.models import RELEASED_NAMES, WAYS
from tracklearn.voc.protocols import protocol_named

GET_IMAGENET = "put ILSVRC 2012's training images there, one folder a class, or set imagenet.folder"
TABLES = (
    *("table1.csv", "table1.md", "table1.html", "differences.csv"),
    *("section6.csv", "section6.md", "section6.html"),
    *("table2.csv", "table2.md", "table2.html"),
    *("frozen.csv", "frozen.md", "frozen.html"),
    *("evidence.csv", "evidence.md", "evidence_normals.csv", "evidence_normals.md"),
)


class Plan:
    """A checked configuration and what follows from it; paths are relative to the working folder.

    Args:
        config: what the user wrote.
        of_job: the plan is made again in the process of a single job, and must be that of the run which started it.
        videos: length of the list of videos where no run is planned, only its size; by default the list is read.

    Attributes:
        config: the complete configuration, with the models that `evidence:` adds and with stand-ins in place.
        rows: rows of Table 1 with their copies for further seeds, and the rows of detection in section 6, by id.
        mining: what follows from the blocks `videos` and `patches`.
        subsets, voc, section6, scenes, frozen, questions, normals, figures, cards: what follows from the blocks of
            these names.
        protocol: the evaluation protocol.
        untrainable: models that ImageNet's absent images would train and that have no weights from earlier.

    Raises:
        UserError: the configuration is wrong, or a list of videos or images that is asked for; one line that names
            what.
    """

    def __init__(self, config: Mapping[str, Any], *, of_job: bool = False, videos: int | None = None) -> None:
        whole = self.config = complete(config)
        self.protocol = protocol_named(whole["voc"]["protocol"])
        self.config = model_graph.with_stand_ins(whole, self._untrainable())
        self.config = model_graph.with_seeds(self.config)
        self.untrainable = self._untrainable()
        self.rows = model_graph.rows_by_id(self.config)
        self.table1_rows = [row["id"] for row in whole["table1"]]
        self.mining = MiningPlan(self.config, of_job=of_job, videos=videos)
        self.subsets = SubsetsPlan(self, of_job=of_job)
        self.voc = VocPlan(whole["voc"], self.protocol)
        self.section6 = Section6Plan(self)
        self.scenes = ScenesPlan(self.config["scenes"])
        self.frozen = FrozenPlan(self)
        self.questions = QuestionsPlan(self)
        self.normals = NormalsPlan(self)
        self.figures = FiguresPlan(self)
        self.cards = CardsPlan(self)

    # Models. A model's path is its place below results/models; its name is its key in `models:`, the path's last part.

    def model_entry(self, path: str) -> dict[str, Any]:
        """A model's entry."""
        entry: dict[str, Any] = self.config["models"][model_graph.name_of(path)]
        return entry

    def model_path(self, name: str) -> str:
        """A model's place below results/models: the protocol's folder if it learned from the protocol's images."""
        return f"{self.protocol.name}/{name}" if model_graph.depends_on_protocol(self.config, name) else name

    def model_paths(self, way: str | None = None) -> list[str]:
        """Where the models trained in one way, or all models, lie."""
        return [self.model_path(name) for name in (self.trained_by(way) if way else self.config["models"])]

    def network(self, path: str) -> dict[str, Any]:
        """The settings of `network:` that a model depends on."""
        return model_graph.network_settings(self.config, model_graph.name_of(path))

    def loss(self, path: str) -> dict[str, Any]:
        """The loss of a ranking model."""
        return model_graph.loss_settings(self.config, model_graph.name_of(path))

    def given_file(self, path: str) -> str | list[str]:
        """The file of given weights; none if they are a released network, which is downloaded."""
        weights: str = self.model_entry(path)["weights"]
        return [] if weights in RELEASED_NAMES else weights

    def schedule(self, path: str) -> dict[str, Any]:
        """The settings of its schedule that a model depends on."""
        model = self.model_entry(path)
        entry: dict[str, Any] = self.config["schedules"][model["schedule"]]
        return {key: value for key, value in entry.items() if key not in WAYS[model["train"]].useless}

    def seed(self, path: str) -> int:
        """A model's seed."""
        return int(self.model_entry(path).get("seed", 0))

    def weights(self, name: str) -> str:
        """A model's weights."""
        return f"results/models/{self.model_path(name)}/weights.safetensors"

    def parent(self, path: str) -> str | list[str]:
        """The weights that a model starts from; none if they are random."""
        parent = self.model_entry(path).get("from", "random")
        return [] if parent == "random" else self.weights(parent)

    def model_files(self, file: str, names: Sequence[str]) -> list[str]:
        """One of the files of each model."""
        return [f"results/models/{self.model_path(name)}/{file}" for name in names]

    def trained_by(self, way: str) -> list[str]:
        """Names of the models trained in one way."""
        return model_graph.trained_by(self.config, way)

    def models_of_tables(self) -> list[str]:
        """The models behind all tables, each after those it learned from."""
        rows = self.computed_rows([*self.table1_rows, *self.section6.rows("detection")])
        named = [model for row in rows for model in self.rows[row]["models"]]
        named += [*self.section6.networks(), *self.frozen.networks(), *self.normals.networks()]
        listed = dict.fromkeys(name for model in named for name in reversed(self.lineage([model])))
        return [model for model in listed if not self.lacking([model])]

    def trained_models(self) -> list[str]:
        """Those of the models behind the tables that have a training log."""
        trained = {name for way in WAYS if WAYS[way].schedule for name in self.trained_by(way)}
        return [model for model in self.models_of_tables() if model in trained]

    def ranking_models(self, models: Iterable[str] | None = None) -> list[str]:
        """Models trained by ranking among some models and their ancestors; by default, those behind Table 1."""
        if models is None:
            models = [model for row in self.computed_rows(self.table1_rows) for model in self.rows[row]["models"]]
        used = self.lineage(models)
        return [name for name in self.trained_by("ranking") if name in used]

    def lineage(self, models: Iterable[str]) -> list[str]:
        """Some models and their ancestors, each once."""
        every = (name for model in models for name in [model, *model_graph.ancestors(self.config, model)])
        return list(dict.fromkeys(every))

    @cache  # noqa: B019 (one plan a process)
    def image_folder_digest(self) -> str:
        """Digest of every file of the ImageFolder for `train: imagenet`."""
        folder = self.config["imagenet"]["folder"]
        return digest_of_folder(folder) if folder and Path(folder).is_dir() else ""

    def supervised_models(self) -> list[str]:
        """Where the models that a job trains on the ImageFolder lie.

        If the images are gone, no job makes the weights that were trained on them, so these weights stay as they are.
        """
        return self.model_paths("imagenet") if not self._images_gone() else [*map(self.model_path, self.untrainable)]

    def _images_gone(self) -> bool:
        folder = self.config["imagenet"]["folder"]
        return folder is not None and not Path(folder).is_dir()

    def _untrainable(self) -> list[str]:
        if not self._images_gone():
            return []
        return [name for name in self.trained_by("imagenet") if not Path(self.weights(name)).exists()]

    def lacking(self, models: Sequence[str]) -> list[str]:
        """Models without images to learn from among some models and their ancestors."""
        return [name for name in self.lineage(models) if name in self.untrainable]

    # Features

    def row_weights(self, row: str) -> list[str]:
        """The weights of a row's models."""
        return [self.weights(model) for model in self.rows[row]["models"]]

    def stored_features(self, row: str, image_set: str) -> list[str]:
        """Feature files of a row, model after model, each model's in the order of the images; none if none are kept."""
        if not self.config["features"]["keep"]:
            return []
        entry = self.rows[row]
        folders = [f"results/features/{self.protocol.name}/{model}/{entry['layer']}" for model in entry["models"]]
        return [f"{folder}/{image_set}-{part}.h5" for folder in folders for part in self.voc.parts(image_set)]

    def feature_settings(self, layer: str, *, ground_truth: bool) -> dict[str, Any]:
        """What features depend on, beside networks, photos and boxes."""
        return {"layer": layer, "ground_truth": ground_truth, "precision": self.config["features"]["precision"]}

    def uses_external_data(self, row: str) -> bool:
        """Whether a row learned from more than the challenge's own images (comp4 instead of comp3)."""
        own = {"voc", "none"} if self.config["imagenet"]["folder"] else {"voc", "none", "imagenet"}
        lineage = self.lineage(self.rows[row]["models"])
        return any(self.model_entry(model)["train"] not in own for model in lineage)

    # Tables

    def cells(self, rows: Sequence[str]) -> list[str]:
        """Cells of some rows: one a class, and the mean."""
        folder = f"results/cells/table1/{self.protocol.name}"
        return [f"{folder}/{row}/{column}.json" for row in rows for column in self.voc.columns]

    def external_data(self, table: str) -> dict[str, dict[str, Any]]:
        """What the rows of a table learned from beside the challenge's own images; see `_external_data`.

        The keys are the ids of the rows; in section 6, `{task}/{id}`.
        """
        if table == "table1":
            return {row: self._external_data(self.rows[row]) for row in self.table1_rows}
        if table == "table2":
            return {row["id"]: self._external_data(row) for row in self.normals.rows}
        if table == "frozen":
            return {row["id"]: self._external_data(row) for row in self.frozen.rows}
        return {
            f"{task}/{row['id']}": self._external_data(row)
            for task, rows in self.section6.tasks.items()
            for row in rows
        }

    def external_weights(self, table: str) -> list[str]:
        """The weights that `external_data` names."""
        rows = self.external_data(table).values()
        ranking = [weights for row in rows for weights, _ in row["patches"]]
        return list(dict.fromkeys([*ranking, *(weights for row in rows for weights in row["images"])]))

    def _external_data(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What one row learned from. If the row cannot be computed, only its label is given.

        Returns:
            `label`: the row's text of the configuration; `patches`: weights of a ranking model and the number of
            patches that its subset wants, for each subset that lies in no other subset of the row; `images`: weights of
            the models trained on labelled images; `crops`: whether models learned from crops of the challenge's own
            images in place of labelled images; `given`: names of the given models, with their files.
        """
        lineage = [] if self.lack_of(row["models"]) else self.lineage(row["models"])
        by_way = {way: [name for name in lineage if self.model_entry(name)["train"] == way] for way in WAYS}
        subsets = {self.model_entry(name)["subset"]: name for name in by_way["ranking"]}
        outer = outermost_subsets({subset: self.config["subsets"][subset] for subset in subsets})
        return {
            "label": row["external"],
            "patches": [(self.weights(subsets[name]), self.config["subsets"][name]["patches"]) for name in outer],
            "images": [self.weights(name) for name in by_way["imagenet"]] if self.config["imagenet"]["folder"] else [],
            "crops": bool(by_way["imagenet"] and not self.config["imagenet"]["folder"]),
            "given": [f"{name} ({Path(self.model_entry(name)['weights']).name})" for name in by_way["given"]],
        }

    def lacks(self, row: str) -> str:
        """Why a row cannot be computed and how to get what it lacks; "" for a row that can."""
        return self.lack_of(self.rows[row]["models"])

    def lack_of(self, models: Sequence[str]) -> str:
        """What some models lack; "" if nothing."""
        if not (without := self.lacking(models)):
            return ""
        stand_ins = dict.fromkeys(stand_in for name in without if (stand_in := self.model_entry(name).get("stand_in")))
        misfits = [name for name in stand_ins if not model_graph.fits_network(self.config, name)]
        reason = f"no ImageNet there to train {', '.join(without)}"
        if misfits:
            reason += f", and the width or input_size of {', '.join(misfits)} is not that of `network:`"
        return f"{self.config['imagenet']['folder']}: {reason}; {GET_IMAGENET}"

    def computed_rows(self, rows: Iterable[str] | None = None) -> list[str]:
        """Those of some rows, or of all, that lack nothing."""
        return [row for row in (self.rows if rows is None else rows) if not self.lacks(row)]

    def empty_rows(self) -> list[str]:
        """Rows that lack data."""
        return [row for row in self.rows if self.lacks(row)]

    def bootstraps(self, rows: Sequence[str]) -> list[str]:
        """Bootstrap replicates of some rows."""
        return [f"results/detection/{self.protocol.name}/bootstraps/{row}.npz" for row in rows]

    def rows_with_pages(self) -> list[str]:
        """Rows of Table 1 whose detections have pages: computed ones, if the evaluation images are annotated."""
        return self.computed_rows(self.table1_rows) if self.protocol.annotated else []

    def compared_rows(self) -> list[list[str]]:
        """The comparisons [row, row] of Table 1 that have a page of both rows' detections."""
        return [pair for pair in self.config["comparisons"] if set(pair) <= {*self.rows_with_pages()}]

    def detection_pages(self) -> list[str]:
        """The page of each row's detections, which comes with a page of each class, and those of two rows."""
        folder = f"results/detection/{self.protocol.name}"
        pages = [f"{folder}/pages/{row}.html" for row in self.rows_with_pages()]
        return pages + [f"{folder}/compared/{row}/{against}.html" for row, against in self.compared_rows()]

    def seeded(self, names: Iterable[str], block: str = "evidence") -> list[str]:
        """Rows or models with their copies for each seed of `evidence:` or `evidence_normals:`."""
        seeds = range(1, self.config[block]["seeds"] + 1)
        return [model_graph.seed_name(name, seed) for name in names for seed in seeds]


def count_gpus() -> int:
    """NVIDIA GPUs that jobs of this machine may use, without the seconds that asking torch takes."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
