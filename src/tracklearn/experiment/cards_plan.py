"""The model cards, as their rule looks them up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracklearn.experiment.plan import Plan


class CardsPlan:
    """The trained networks of the tables, and the facts that the card of each one states."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def files(self) -> list[str]:
        """The card of each model."""
        return self._plan.model_files("card.md", self._plan.trained_models())

    def weights(self) -> list[str]:
        """The weights of each model."""
        return [self._plan.weights(model) for model in self._plan.trained_models()]

    def cells(self) -> list[str]:
        """The cells whose figures the cards state."""
        return [measure["cell"] for measure in self._measures]

    def described(self) -> list[dict[str, Any]]:
        """What `networks.card.write_cards` states of each of `plan.trained_models()`."""
        return [
            {
                "name": name,
                "entry": self._plan.model_entry(name),
                "ancestors": [
                    {"name": each, "train": self._plan.model_entry(each)["train"]}
                    for each in self._plan.lineage([name])[1:]
                ],
                "schedule": self._plan.schedule(name),
                **({"loss": self._plan.loss(name)} if "loss" in self._plan.model_entry(name) else {}),
                "data": self._data(name),
                "measures": [each for each in self._measures if name in self._plan.lineage(each["models"])],
            }
            for name in self._plan.trained_models()
        ]

    def _data(self, name: str) -> dict[str, Any]:
        """What a model learned from, beside what its own metadata say."""
        config, protocol = self._plan.config, self._plan.protocol
        match self._plan.model_entry(name)["train"]:
            case "ranking":
                shards = [Path(path).stem for path in self._plan.subsets.shards(name)]
                videos = sum(len(self._plan.mining.shards.get(shard, [])) for shard in shards)
                published = config["patches"]["import"]
                source = published["list"] if published else config["videos"]["list"]
                return {"source": source, "videos": videos, "patches_wanted": self._plan.subsets.patches_wanted(name)}
            case "imagenet":
                return {"source": config["imagenet"]["folder"]}
            case "voc":
                return {"source": self._detection_images(protocol.train), "photos": self._plan.voc.size(protocol.train)}
            case _:
                return {"source": config["normals"]["nyuv2"]}

    def _detection_images(self, image_set: str) -> str:
        """Name of the images of a set: VOC's, or the folder of a user's own."""
        root, year = self._plan.config["voc"]["root"], self._plan.protocol.year
        return f"PASCAL VOC {year} {image_set}" if self._plan.protocol.of_voc else f"{root}, {image_set}"

    @cached_property
    def _measures(self) -> list[dict[str, Any]]:
        """Every cell of a network that can be computed: its figure, its row's label, its models and its images."""
        return [*self._of_table1_and_detection(), *self._of_networks()]

    def _of_table1_and_detection(self) -> Iterator[dict[str, Any]]:
        plan, section6 = self._plan, self._plan.section6
        detected = self._detection_images(plan.protocol.test)
        for row in plan.computed_rows(plan.table1_rows):
            cell = f"results/cells/table1/{plan.protocol.name}/{row}/mAP.json"
            yield _measure("Table 1", "mAP", plan.rows[row]["label"], plan.rows[row]["models"], detected, cell)
        for row in section6.rows("detection"):
            if not section6.lack("detection", row):
                (cell,), entry = section6.cells("detection", [row]), plan.rows[row]
                yield _measure("Section 6", "mAP", entry["label"], entry["models"], detected, cell)

    def _of_networks(self) -> Iterator[dict[str, Any]]:
        plan, section6 = self._plan, self._plan.section6
        detected, scenes = self._detection_images(plan.protocol.test), plan.config["scenes"]["root"]
        for task, figure, images in (
            ("retrieval", f"precision at {plan.config['retrieval']['k']}", detected),
            ("scenes", "accuracy", "MIT Indoor-67" if plan.scenes.are_indoor67() else scenes),
        ):
            for model, label in _labels(section6.tasks.get(task, [])).items():
                if not section6.lack(task, model):
                    (cell,) = section6.cells(task, [model])
                    yield _measure("Section 6", figure, label, [model], images, cell)
        rooms = plan.config["normals"]["nyuv2"]
        for model, label in _labels(plan.normals.rows).items():
            if not plan.normals.lack(model):
                (cell,) = plan.normals.cells([model])
                yield _measure("Table 2", "mean angular error", label, [model], rooms, cell)


def _labels(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The label of the row of each model, in a table whose cells are models'."""
    return {model: row["label"] for row in rows for model in row["models"]}


def _measure(table: str, figure: str, label: str, models: list[str], images: str, cell: str) -> dict[str, Any]:
    return {"table": table, "figure": figure, "label": label, "models": models, "images": images, "cell": cell}
