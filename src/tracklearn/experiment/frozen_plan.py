"""The cells of frozen networks, as the rules look them up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklearn.experiment.file_digests import digest_of_files, digest_of_folder

if TYPE_CHECKING:
    from tracklearn.experiment.plan import Plan

ENSEMBLE = "+"  # between the names of an ensemble's models
OF_TABLE = {"sets", "masks", "pairs", "rows"}  # settings that say which cells there are
OF_MASKS = {"propagation", "bootstrap"}


class FrozenPlan:
    """What follows from the block `frozen` of a plan's configuration.

    Attributes:
        rows: rows of the table; none if the configuration leaves the table out.
        image_sets, mask_sets, pair_sets: the sets of photos, of videos with masks, and of pairs, by column.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._settings: dict[str, Any] = plan.config["frozen"] or {"rows": [], "sets": {}, "masks": {}, "pairs": {}}
        self.rows: list[dict[str, Any]] = self._settings["rows"]
        self.image_sets: dict[str, dict[str, Any]] = self._settings["sets"]
        self.mask_sets: dict[str, dict[str, Any]] = self._settings["masks"]
        self.pair_sets: dict[str, dict[str, Any]] = self._settings["pairs"]

    def columns(self) -> list[str]:
        """The data sets, in the order of the table."""
        return [*self.image_sets, *self.mask_sets, *self.pair_sets]

    def of_images(self, column: str) -> dict[str, Any]:
        """The settings that the cells of a set of photos depend on."""
        shared = {name: value for name, value in self._settings.items() if name not in {*OF_TABLE, "propagation"}}
        return {**shared, "sets": {column: self.image_sets[column]}}

    def of_masks(self, column: str) -> dict[str, Any]:
        """The settings that the cells of videos with masks depend on."""
        return {name: self._settings[name] for name in OF_MASKS} | {"masks": {column: self.mask_sets[column]}}

    def of_pairs(self, column: str) -> dict[str, Any]:
        """The settings that the cells of a set of pairs depend on."""
        pairs = self.pair_sets[column]
        layer = pairs["layer"] or self._settings["layer"]
        return {"bootstrap": self._settings["bootstrap"], "pairs": {column: {**pairs, "layer": layer}}}

    def folder(self, column: str) -> str:
        """The folder of a column's data."""
        return str({**self.image_sets, **self.mask_sets, **self.pair_sets}[column]["folder"])

    def digest(self, column: str) -> str:
        """Digest of the files of a column: a replaced or added file re-runs what reads it."""
        folder = self.folder(column)
        if column in self.pair_sets:
            return digest_of_files(self.stores(column))
        return digest_of_folder(folder) if Path(folder).is_dir() else ""

    def stores(self, column: str) -> list[str]:
        """The shards of a set of pairs."""
        return sorted(map(str, Path(self.folder(column)).glob("[0-9]*.h5")))

    def networks(self) -> list[str]:
        """The models of all rows."""
        return list(dict.fromkeys(name for row in self.rows for name in row["models"]))

    def computed_models(self) -> list[str]:
        """Models whose features can be computed."""
        return [name for name in self._plan.config["models"] if not self._plan.lack_of([name])]

    def lack(self, model: str) -> str:
        """Why a model's cells cannot be computed; "" if they can."""
        return self._plan.lack_of([model])

    def ensembles(self) -> list[str]:
        """Names of the ensembles that questions ask for."""
        return list(dict.fromkeys(name for name in self._plan.questions.systems() if ENSEMBLE in name))

    def members(self, system: str) -> list[str]:
        """The weights of a model or of the models of an ensemble."""
        return [self._plan.weights(name) for name in system.split(ENSEMBLE)]

    def cell(self, column: str, system: str) -> str:
        """The cell of a model or of an ensemble."""
        return f"results/cells/frozen/{self._plan.protocol.name}/{column}/{system}.json"

    def bootstrap(self, column: str, system: str) -> str:
        """The bootstrap replicates of a cell."""
        return f"results/frozen/{self._plan.protocol.name}/bootstraps/{column}/{system}.npz"

    def _parts(self) -> list[tuple[str, str]]:
        """Column and model of every cell of the table."""
        return [(column, name) for column in self.columns() for name in self.networks()]

    def empty(self) -> list[str]:
        """The cells that cannot be computed, as `{column}/{model}`."""
        return [f"{column}/{name}" for column, name in self._parts() if self.lack(name)]

    def cells(self) -> list[str]:
        """The cells of the table."""
        return [self.cell(column, name) for column, name in self._parts()]

    def bootstraps(self) -> list[str]:
        """Bootstrap replicates of the cells that can be computed."""
        return [self.bootstrap(column, name) for column, name in self._parts() if not self.lack(name)]
