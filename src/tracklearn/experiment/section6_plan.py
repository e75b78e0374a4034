"""The cells of section 6, as the rules look them up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracklearn.experiment.plan import Plan

NO_ANNOTATIONS = "the annotations of the test images are not public; set voc.protocol: voc2012-val"


class Section6Plan:
    """What follows from the block `section6` of a plan's configuration.

    Attributes:
        tasks: rows by task; empty if the configuration leaves the table out.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.tasks: dict[str, list[dict[str, Any]]] = plan.config["section6"] or {}

    def rows(self, task: str) -> list[str]:
        """Ids of the rows of a task of section 6."""
        return [row["id"] for row in self.tasks.get(task, [])]

    def systems(self, task: str) -> list[str]:
        """What the cells of a task are named after: rows of detection, models, or a method without models."""
        if task == "detection":
            return self.rows(task)
        listed = (name for row in self.tasks.get(task, []) for name in row["models"] or [row["method"]])
        return list(dict.fromkeys(listed))

    def networks(self, *tasks: str) -> list[str]:
        """The models behind the rows of some tasks of section 6; by default, of those whose cells are models'."""
        every = (name for task in tasks or ("retrieval", "scenes") for name in self.systems(task))
        return [name for name in dict.fromkeys(every) if name in self._plan.config["models"]]

    def lack(self, task: str, system: str) -> str:
        """Why a cell of section 6 cannot be computed; "" for one that can."""
        if task != "scenes" and not self._plan.protocol.annotated:
            return NO_ANNOTATIONS
        models = self._plan.rows[system]["models"] if task == "detection" else [system]
        return self._plan.lack_of([model for model in models if model in self._plan.config["models"]])

    def empty(self) -> list[str]:
        """The cells of section 6 that cannot be computed, as `{task}/{system}`."""
        every = ((task, system) for task in self.tasks for system in self.systems(task))
        return [f"{task}/{system}" for task, system in every if self.lack(task, system)]

    def papers_data(self) -> list[str]:
        """The rows of section 6, as `{task}/{id}`, of the paper's images, layer and number of neighbours.

        Only beside these rows can the paper's numbers stand.
        """
        of_voc2012 = self._plan.protocol.of_voc and self._plan.protocol.year == 2012
        retrieval, scenes = self._plan.config["retrieval"], self._plan.config["scenes"]
        theirs = {
            "detection": of_voc2012,
            "retrieval": of_voc2012 and (retrieval["layer"], retrieval["k"]) == ("pool5", 20),
            "scenes": self._plan.scenes.are_indoor67() and scenes["layer"] == "pool5",
        }
        rows = ((task, row) for task, rows in self.tasks.items() if theirs[task] for row in rows)
        return [f"{task}/{row['id']}" for task, row in rows if row.get("layer", "pool5") == "pool5"]

    def cells(self, task: str, systems: Iterable[str] | None = None) -> list[str]:
        """Cells of some systems, or of all, in a task of section 6."""
        folder = f"results/cells/section6/{self._plan.protocol.name}/{task}"
        return [f"{folder}/{system}.json" for system in (self.systems(task) if systems is None else systems)]

    def bootstraps(self, task: str, systems: Iterable[str] | None = None) -> list[str]:
        """Bootstrap replicates of those systems, some or all of a task, that can be computed."""
        listed = self.systems(task) if systems is None else systems
        computed = [system for system in listed if not self.lack(task, system)]
        return [f"results/{task}/{self._plan.protocol.name}/bootstraps/{system}.npz" for system in computed]

    def confusions(self) -> list[str]:
        """Pictures of the confused scenes of the systems that can be computed."""
        folder = f"results/scenes/{self._plan.protocol.name}"
        return [f"{folder}/{system}.png" for system in self.systems("scenes") if not self.lack("scenes", system)]

    def nearest(self) -> list[tuple[str, str]]:
        """What figure 7 shows of each row of retrieval that can be computed: its text and its file of nearest windows.

        Of a row with several models it is the file of the first, as the text says.
        """
        folder, shown = f"results/retrieval/{self._plan.protocol.name}/nearest", []
        for row in self.tasks.get("retrieval", []):
            system, *others = row["models"] or [row["method"]]
            note = f" (first of {1 + len(others)} networks)" if others else ""
            if not self.lack("retrieval", system):
                shown.append((f"{row['label']}{note}", f"{folder}/{system}.npz"))
        return shown

    def scenes_models(self) -> list[str]:
        """Models whose features can classify scenes."""
        return [name for name in self._plan.config["models"] if not self.lack("scenes", name)]
