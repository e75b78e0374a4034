"""The tables of `questions`, as the rules look them up."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from tracklearn.experiment.frozen_plan import ENSEMBLE
from tracklearn.experiment.model_graph import seed_name

if TYPE_CHECKING:
    from tracklearn.experiment.plan import Plan


class QuestionsPlan:
    """What follows from the block `questions` of a plan's configuration.

    Attributes:
        by_id: the questions.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.by_id: dict[str, dict[str, Any]] = {question["id"]: question for question in plan.config["questions"]}

    def models(self, question: str) -> list[str]:
        """The networks of a question's lines, over all seeds."""
        asked = self.by_id[question]
        names = [seed_name(name, seed) for name in chain(*asked["lines"].values()) for seed in self._seeds(question)]
        return list(dict.fromkeys(names))

    def logs(self, question: str) -> list[str]:
        """The logs of those of a question's networks that ranking trained, each in the folder of its network."""
        ranked = set(self._plan.trained_by("ranking"))
        return self._plan.model_files("log.csv", [name for name in self.models(question) if name in ranked])

    def rows(self, question: str) -> list[str]:
        """The rows of Table 1 whose detections a question asks for, over all seeds."""
        rows = self.by_id[question]["detection"].values()
        return list(dict.fromkeys(seed_name(row, seed) for row in rows for seed in self._seeds(question)))

    def systems(self, question: str | None = None) -> list[str]:
        """The networks and ensembles with cells, of a question or of all."""
        if question is None:
            return [system for each in self.by_id for system in self.systems(each)]
        asked = self.by_id[question]
        if not asked["ensembles"]:
            return self.models(question)
        lines = asked["lines"].values()
        return [ensemble(models, seed) for models in lines for seed in self._seeds(question)]

    def cells(self, question: str) -> list[str]:
        """The cells of a question's networks and ensembles."""
        return [self._plan.frozen.cell(*part) for part in self._parts(question)]

    def bootstraps(self, question: str) -> list[str]:
        """The bootstrap replicates of `cells`."""
        return [self._plan.frozen.bootstrap(*part) for part in self._parts(question)]

    def detections(self, question: str) -> list[str]:
        """The cells with the mAP of a question's rows of Table 1."""
        folder = f"results/cells/table1/{self._plan.protocol.name}"
        return [f"{folder}/{row}/mAP.json" for row in self.rows(question)]

    def _parts(self, question: str) -> list[tuple[str, str]]:
        columns = dict.fromkeys(figure.rpartition(".")[0] for figure in self.by_id[question]["figures"])
        return [(column, system) for column in columns for system in self.systems(question)]

    def _seeds(self, question: str) -> range:
        return range(1, self.by_id[question]["seeds"] + 1)


def ensemble(models: list[str] | tuple[str, ...], seed: int) -> str:
    """Name of the ensemble of some models, or of the one model, of a seed."""
    return ENSEMBLE.join(seed_name(name, seed) for name in models)
