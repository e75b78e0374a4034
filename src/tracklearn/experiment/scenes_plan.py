"""The photos of scenes, as the rules of scenes.smk look them up."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.experiment.file_digests import digest_of_files, digest_of_folder, unpacked
from tracklearn.files import read_text
from tracklearn.settings.scenes import INDOOR67_TEST, INDOOR67_TRAIN, names_digest

INDOOR67 = Path("results/scenes/indoor67.json")


class ScenesPlan:
    """What follows from the block `scenes` of a complete configuration."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings

    def settings(self, *unused: str) -> dict[str, Any]:
        """The settings of `scenes:` that a classification depends on: all but `unused`, those of other features."""
        scenes = self._settings
        no_effect = {"download", *unused, *(["train_share"] if scenes["lists"] else [])}
        return {name: value for name, value in scenes.items() if name not in no_effect}

    def ready_file(self) -> str | list[str]:
        """The stamp of the download of the scenes' photos; none for a folder that the user has."""
        return str(INDOOR67) if self._settings["download"] else []

    @cache  # noqa: B019 (one plan a process)
    def digest(self) -> str:
        """Digest of the scenes' photos and lists: a replaced or added file re-runs what reads them."""
        scenes = self._settings
        if not scenes["download"]:
            return digest_of_folder(scenes["root"]) if Path(scenes["root"]).is_dir() else ""
        downloaded = unpacked(INDOOR67) if INDOOR67.exists() else {}
        return digest_of_files(downloaded, known=downloaded)

    def are_indoor67(self) -> bool:
        """Whether the scenes are MIT Indoor-67 in its own split: its lists are there, or are downloaded."""
        scenes = self._settings
        lists = [Path(scenes["root"], name) for name in scenes["lists"] or ()]
        if not lists or not all(path.is_file() for path in lists):
            return bool(scenes["download"])
        try:
            texts = [read_text(path).splitlines() for path in lists]
        except UserError:  # the job that reads the list says what is wrong with it
            return False
        digests = [names_digest(line.strip() for line in lines if line.strip()) for lines in texts]
        return digests == [INDOOR67_TRAIN, INDOOR67_TEST]
