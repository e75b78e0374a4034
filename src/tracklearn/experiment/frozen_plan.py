"""The cells of frozen networks, as the rules look them up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklearn.experiment.file_digests import digest_of_folder

if TYPE_CHECKING:
    from tracklearn.experiment.plan import Plan

OF_TABLE = {"sets", "masks", "rows"}  # settings that say which cells there are
OF_MASKS = {"propagation", "bootstrap"}


class FrozenPlan:
    """What follows from the block `frozen` of a plan's configuration.

    Attributes:
        rows: rows of the table; none if the configuration leaves the table out.
        image_sets, mask_sets: the sets of photos, and of videos with masks, by column.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._settings: dict[str, Any] = plan.config["frozen"] or {"rows": [], "sets": {}, "masks": {}}
        self.rows: list[dict[str, Any]] = self._settings["rows"]
        self.image_sets: dict[str, dict[str, Any]] = self._settings["sets"]
        self.mask_sets: dict[str, dict[str, Any]] = self._settings["masks"]

    def columns(self) -> list[str]:
        """The data sets, in the order of the table."""
        return [*self.image_sets, *self.mask_sets]

    def of_images(self, column: str) -> dict[str, Any]:
        """The settings that the cells of a set of photos depend on."""
        shared = {name: value for name, value in self._settings.items() if name not in {*OF_TABLE, "propagation"}}
        return {**shared, "sets": {column: self.image_sets[column]}}

    def of_masks(self, column: str) -> dict[str, Any]:
        """The settings that the cells of videos with masks depend on."""
        return {name: self._settings[name] for name in OF_MASKS} | {"masks": {column: self.mask_sets[column]}}

    def folder(self, column: str) -> str:
        """The folder of a column's data."""
        return str({**self.image_sets, **self.mask_sets}[column]["folder"])

    def digest(self, column: str) -> str:
        """Digest of the files of a column: a replaced or added file re-runs what reads it."""
        folder = self.folder(column)
        return digest_of_folder(folder) if Path(folder).is_dir() else ""

    def networks(self) -> list[str]:
        """The models of all rows."""
        return list(dict.fromkeys(name for row in self.rows for name in row["models"]))

    def computed_models(self) -> list[str]:
        """Models whose features can be computed."""
        return [name for name in self._plan.config["models"] if not self._plan.lack_of([name])]

    def lack(self, model: str) -> str:
        """Why a model's cells cannot be computed; "" if they can."""
        return self._plan.lack_of([model])

    def _parts(self) -> list[tuple[str, str]]:
        """Column and model of every cell of the table."""
        return [(column, name) for column in self.columns() for name in self.networks()]

    def empty(self) -> list[str]:
        """The cells that cannot be computed, as `{column}/{model}`."""
        return [f"{column}/{name}" for column, name in self._parts() if self.lack(name)]

    def cells(self) -> list[str]:
        """The cells of the table."""
        folder = f"results/cells/frozen/{self._plan.protocol.name}"
        return [f"{folder}/{column}/{name}.json" for column, name in self._parts()]

    def bootstraps(self) -> list[str]:
        """Bootstrap replicates of the cells that can be computed."""
        folder = f"results/frozen/{self._plan.protocol.name}/bootstraps"
        return [f"{folder}/{column}/{name}.npz" for column, name in self._parts() if not self.lack(name)]
