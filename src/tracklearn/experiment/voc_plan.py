"""The photos of detection, as the rules of voc.smk and of all stages behind it look them up."""

from collections.abc import Mapping
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.experiment.file_digests import State, digest_of_files, unpacked
from tracklearn.voc.image_sets import CLASSES, files_by_id, read_image_set, voc_folder
from tracklearn.voc.protocols import Protocol, official_size


class VocPlan:
    """What follows from the block `voc` of a complete configuration.

    Args:
        settings: the block.
        protocol: its protocol.

    Attributes:
        classes: the categories, in the order of the tables.
        columns: the columns of a table of detection: the classes, and the mean.
        devkit: arguments of the functions that read photos.
        labelled_devkit: arguments of the functions that read annotations too.
    """

    def __init__(self, settings: Mapping[str, Any], protocol: Protocol) -> None:
        self._settings, self._protocol = settings, protocol
        self.classes: list[str] = list(settings["classes"] or CLASSES)
        self.columns = [*self.classes, "mAP"]
        self.devkit = {"voc": settings["root"], "year": protocol.year}
        self.labelled_devkit = self.devkit | {"classes": self.classes}

    @property
    def image_sets(self) -> tuple[str, str]:
        """The set that trains and the one that is evaluated."""
        return self._protocol.train, self._protocol.test

    @property
    def _images_per_part(self) -> int:
        return int(self._settings["images_per_part"])

    @property
    def _devkit_folder(self) -> Path:
        return voc_folder(self._settings["root"], self._protocol.year)

    def image_list(self, image_set: str) -> str:
        """The file that names the images of a set."""
        return f"{self._devkit_folder}/ImageSets/Main/{image_set}.txt"

    def ready_file(self, image_set: str) -> str:
        """The file that a job waits for before it reads a set: the download's stamp, or the user's image list."""
        return self._stamp(image_set) if self._settings["download"] else self.image_list(image_set)

    def _stamp(self, image_set: str) -> str:
        """The file that the download of a set's archive leaves when everything is unpacked and checked."""
        return f"results/voc/VOC{self._protocol.year}/{'test' if image_set == 'test' else 'trainval'}.json"

    def photos_digest(self, image_set: str, part: int | None = None) -> str:
        """Digest of the photos of a set or of one part of it: a replaced photo re-runs what reads it."""
        return self._devkit_files("JPEGImages", ".jpg", image_set, part)

    def annotations_digest(self, image_set: str, part: int | None = None) -> str:
        """Digest of the annotations of a set or of one part of it."""
        return self._devkit_files("Annotations", ".xml", image_set, part)

    @cache  # noqa: B019 (one plan a process)
    def _devkit_files(self, folder: str, suffix: str, image_set: str, part: int | None) -> str:
        image_list = Path(self.image_list(image_set))
        known = self._downloaded_files(image_set) if self._settings["download"] else {}
        if known is None or not image_list.exists():
            return digest_of_files([])
        ids = self._ids(image_set)
        if part is not None:
            ids = ids[part * self._images_per_part : (part + 1) * self._images_per_part]
        names = self._names(folder)
        files = (self._devkit_folder / folder / names.get(image_id, f"{image_id}{suffix}") for image_id in ids)
        return digest_of_files([image_list, *files], known=known)

    @cache  # noqa: B019 (one plan a process)
    def _names(self, folder: str) -> dict[str, str]:
        return files_by_id(self._devkit_folder / folder)

    @cache  # noqa: B019 (one plan a process)
    def _downloaded_files(self, image_set: str) -> dict[str, State] | None:
        """States of the files when their archive was unpacked; None before the download.

        Files in this state count neither before nor after the download, so that a first run is not out of date at once.
        """
        stamp = Path(self._stamp(image_set))
        return unpacked(stamp) if stamp.exists() else None

    @cache  # noqa: B019 (one plan a process)
    def _ids(self, image_set: str) -> list[str]:
        return read_image_set(self._settings["root"], year=self._protocol.year, image_set=image_set)

    def evaluated(self) -> list[str]:
        """Ids of the evaluation images, whose list must be there."""
        return self._ids(self._protocol.test)

    def parts(self, image_set: str) -> range:
        """Numbers of the parts of a set, each of which a job reads."""
        return range(ceil(self.size(image_set) / self._images_per_part))

    @cache  # noqa: B019 (one plan a process)
    def size(self, image_set: str) -> int:
        """Images in a set: counted where VOC is at hand, known for the official sets before they are downloaded."""
        if all(Path(self.image_list(name)).exists() for name in self.image_sets):
            self._protocol.check(self._settings["root"])
            return len(self._ids(image_set))
        if not self._settings["download"]:
            raise UserError(
                f"{self.image_list(image_set)}: no such file; point voc.root at a folder that holds "
                f"VOC{self._protocol.year}, or set voc.download: true"
            )
        return official_size(self._protocol.year, image_set)

    def proposals(self, image_set: str) -> list[str]:
        """Proposal files of a set, in the order of its images."""
        return [
            f"results/voc/proposals/VOC{self._protocol.year}/{image_set}-{part}.npz" for part in self.parts(image_set)
        ]
