"""Surface normals and Table 2, as the rules look them up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from tracklearn.errors import UserError
from tracklearn.experiment.file_digests import digest_of_files, digest_of_folder, unpacked
from tracklearn.settings.normals import LABELED, SPLITS
from tracklearn.settings.tables import NormalsMethod

if TYPE_CHECKING:
    from tracklearn.experiment.plan import Plan

STAMP = Path("results/normals/nyuv2.json")
METHODS: tuple[str, ...] = get_args(NormalsMethod)  # their cells of Table 2 lie beside those of the models


class NormalsPlan:
    """What follows from the blocks `normals` and `table2` of a plan's configuration.

    Attributes:
        rows: rows of Table 2; none if the configuration leaves the table out.
        labeled: path of the file of images and depths.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._settings: Mapping[str, Any] = plan.config["normals"]
        self.rows: list[dict[str, Any]] = plan.config["table2"]
        self.labeled = str(Path(self._settings["nyuv2"], LABELED))

    def settings(self, *names: str) -> dict[str, Any]:
        """Some settings of `normals:`, and those of `normals.codebook` as `codebook.NAME`."""
        chosen: dict[str, Any] = {}
        for name in names:
            if name.startswith("codebook."):
                key = name.removeprefix("codebook.")
                chosen.setdefault("codebook", {})[key] = self._settings["codebook"][key]
            else:
                chosen[name] = self._settings[name]
        return chosen

    def of_split(self, *names: str) -> dict[str, Any]:
        """The settings that say which images train and which are evaluated, and some more settings."""
        return self.settings("nyuv2", "split", *names)

    def of_baseline(self, method: str) -> dict[str, Any]:
        """The settings that a method without a network depends on."""
        return self.of_split("bootstrap", *([] if method == "camera_axis" else ["codebook.cells"]))

    def ready_file(self) -> str | list[str]:
        """The stamp of NYUv2's download; none for files that the user has."""
        return str(STAMP) if self._settings["download"] else []

    def photos_digest(self) -> str:
        """Digest of the file of images and depths: a replaced file re-runs what reads it."""
        return self._digest(self.labeled)

    def split_digest(self) -> str:
        """Digest of the file of the split."""
        return self._digest(str(Path(self._settings["nyuv2"], SPLITS)))

    def given_digest(self) -> str:
        """Digest of given normals, a file or a folder of files."""
        given = self._settings["given"]
        return digest_of_folder(given) if given and Path(given).is_dir() else digest_of_files([given] if given else [])

    def _digest(self, file: str) -> str:
        """Digest of a file, which does not change when the file is downloaded."""
        if not self._settings["download"]:
            return digest_of_files([file])
        downloaded = unpacked(STAMP) if STAMP.exists() else {}
        return digest_of_files({file} & downloaded.keys(), known=downloaded)

    def check_files(self) -> None:
        """Check that given normals, and the files which are not downloaded, are there.

        Raises:
            UserError: one is missing.
        """
        if (given := self._settings["given"]) and not Path(given).exists():
            raise UserError(f"config: normals.given: {given} does not exist; null computes the normals from the depth")
        folder = Path(self._settings["nyuv2"])
        missing = [name for name in (LABELED, SPLITS) if not (folder / name).is_file()]
        if missing and not self._settings["download"]:
            raise UserError(
                f"{folder}: no {missing[0]} in it; put NYUv2's file there, set normals.download: true, or write "
                "table2: [] to do without Table 2"
            )

    def systems(self) -> list[str]:
        """What the cells of Table 2 are named after: models, or methods without models."""
        return list(dict.fromkeys(name for row in self.rows for name in row["models"] or [row["method"]]))

    def networks(self) -> list[str]:
        """The models of all rows."""
        return [name for name in self.systems() if name in self._plan.config["models"]]

    def lack(self, system: str) -> str:
        """Why a cell of Table 2 cannot be computed; "" for one that can."""
        return self._plan.lack_of([system]) if system in self._plan.config["models"] else ""

    def computed_models(self) -> list[str]:
        """Models trained on normals that lack nothing."""
        return [name for name in self._plan.trained_by("normals") if not self.lack(name)]

    def empty(self) -> list[str]:
        """Systems whose cells cannot be computed."""
        return [name for name in self.systems() if self.lack(name)]

    def evidence_models(self) -> list[str]:
        """The models of `evidence_normals:` with their copies for each seed."""
        evidence = self._plan.config["evidence_normals"] or {"lines": {}}
        listed = dict.fromkeys(model for models in evidence["lines"].values() for model in models)
        return self._plan.seeded(listed, "evidence_normals") if listed else []

    def cells(self, systems: Iterable[str] | None = None) -> list[str]:
        """The cells of some systems, or of all rows."""
        folder = f"results/cells/table2/{self._plan.protocol.name}"
        return [f"{folder}/{system}.json" for system in (self.systems() if systems is None else systems)]

    def bootstraps(self, systems: Iterable[str] | None = None) -> list[str]:
        """Bootstrap replicates of those systems that can be computed."""
        folder = f"results/normals/{self._plan.protocol.name}/bootstraps"
        listed = self.systems() if systems is None else systems
        return [f"{folder}/{system}.npz" for system in listed if not self.lack(system)]

    def _papers_rows(self) -> list[tuple[str, str]]:
        """The rows of the paper's networks: label and model, the first of several."""
        return [(row["label"], row["models"][0]) for row in self.rows if row["models"] and row["paper"]]

    def pictured(self) -> list[tuple[str, str]]:
        """What figure 8 shows of the paper's rows: label and model, without what is lacking."""
        return [(label, model) for label, model in self._papers_rows() if not self.lack(model)]

    def figure8_notes(self) -> list[str]:
        """The paper's rows that figure 8 lacks, each with the reason."""
        return [f"{label}: left out; {lack}" for label, model in self._papers_rows() if (lack := self.lack(model))]

    def figure8_page(self) -> list[str]:
        """The page of figure 8; none where no network of Table 2 can be computed."""
        return [f"results/normals/{self._plan.protocol.name}/figure8.html"] if self.pictured() else []
