"""Images and annotations in the folders of PASCAL VOC (JPEGImages, Annotations, ImageSets/Main)."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import PHOTO_SUFFIXES
from tracklearn.photos import Header, read_header, read_pixels, turned_box
from tracklearn.voc.annotation_xml import OR_ADOPT, read_xml
from tracklearn.voc.image_sets import CLASSES, files_by_id, read_image_set, voc_folder


class Objects(NamedTuple):
    """Annotated objects of one image, N in all."""

    boxes: np.ndarray  # (N, 4) float32 x1 y1 x2 y2, 0-based, inclusive
    labels: np.ndarray  # (N,) int64, index into the classes
    difficult: np.ndarray  # (N,) bool


class Voc:
    """One year of a VOCdevkit.

    Args:
        root: folder that holds `VOC{year}`.
        classes: names in the order of the labels; by default VOC's twenty.

    Raises:
        UserError: the year's folder is missing.
    """

    def __init__(self, root: str | Path, year: int = 2012, *, classes: Sequence[str] = CLASSES) -> None:
        self.folder = voc_folder(root, year)
        self.root, self.year, self.classes = Path(root), year, tuple(classes)
        self._headers: dict[Path, Header] = {}
        if not self.folder.is_dir():
            raise UserError(
                f"voc.root is {root}: it has no folder VOC{year}; point it at a VOCdevkit or let it be downloaded"
            )

    def images(self, image_set: str) -> list[str]:
        """Image ids of a set (train, val, trainval, test)."""
        return read_image_set(self.root, year=self.year, image_set=image_set)

    def image(self, image_id: str) -> np.ndarray:
        """Decode one photo: RGB uint8 (H, W, 3), upright by its EXIF orientation.

        Raises:
            UserError: the file is missing or cannot be decoded.
        """
        path = self.photo_path(image_id)
        try:
            return read_pixels(path)
        except FileNotFoundError as error:
            raise _missing(path) from error

    def size(self, image_id: str) -> tuple[int, int]:
        """Width and height in pixels of the upright photo, from the file's header alone, which is read once."""
        return self._header(image_id).upright

    def objects(self, image_id: str) -> Objects:
        """Annotated objects of an image, difficult ones included; boxes are clipped to the upright image.

        The annotation's size shows whether its boxes were drawn in the photo as stored or as EXIF turns it. An
        annotation without a size, or of labelImg's size 0 x 0, counts for a photo that EXIF does not turn.

        Raises:
            UserError: the annotation is missing, is not XML, states another size than the image has, does not show
                whether the photo was turned, or holds an unknown class or a box outside the image.
        """
        path = self._path("Annotations", image_id)
        try:
            root = read_xml(path)
        except FileNotFoundError as error:
            raise _missing(path) from error
        photo = self._header(image_id)
        turned = _is_to_be_turned(root, path, self.photo_path(image_id), photo)
        found = [self._object(element, path, photo, turned) for element in root.iter("object")]
        return Objects(
            np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
            np.array([label for _, label, _ in found], np.int64),
            np.array([difficult for _, _, difficult in found], bool),
        )

    def _object(
        self, element: ElementTree.Element, path: Path, photo: Header, turned: bool
    ) -> tuple[list[float], int, bool]:
        name = (element.findtext("name") or "").strip()
        if name not in self.classes:
            raise UserError(
                f"{path}: object of class {name!r}; expected one of voc.classes ({', '.join(self.classes)})"
            )
        corners = [element.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
        try:
            # VOC counts pixels from 1; some corners of 2012 have decimals.
            x1, y1, x2, y2 = (float(corner or "nan") - 1 for corner in corners)
        except ValueError as error:
            raise UserError(f"{path}: bndbox of {name!r} is {corners}; expected four numbers, {OR_ADOPT}") from error
        width, height = photo.upright
        if turned:
            x1, y1, x2, y2 = turned_box((x1, y1, x2, y2), photo)
        box = [max(x1, 0.0), max(y1, 0.0), min(x2, width - 1.0), min(y2, height - 1.0)]
        if not (box[0] <= box[2] and box[1] <= box[3]):
            raise UserError(
                f"{path}: bndbox of {name!r} is {corners}; expected a box inside {width} x {height} pixels, {OR_ADOPT}"
            )
        return box, self.classes.index(name), (element.findtext("difficult") or "0").strip() == "1"

    def photo_path(self, image_id: str) -> Path:
        """The file of a photo, which may be missing."""
        return self._path("JPEGImages", image_id)

    def _header(self, image_id: str) -> Header:
        path = self.photo_path(image_id)
        if path not in self._headers:
            if not os.path.exists(path):  # noqa: PTH110 (Path's raises for a name that no file can have)
                raise _missing(path)
            self._headers[path] = read_header(path)
        return self._headers[path]

    def _path(self, folder: str, image_id: str) -> Path:
        own = ".jpg" if folder == "JPEGImages" else ".xml"
        return self.folder / folder / self._names[folder].get(image_id, f"{image_id}{own}")

    @cached_property
    def _names(self) -> dict[str, dict[str, str]]:
        return {name: files_by_id(self.folder / name) for name in ("JPEGImages", "Annotations")}


def _is_to_be_turned(root: ElementTree.Element, path: Path, photo_path: Path, photo: Header) -> bool:
    """Whether boxes were drawn in the photo as stored, and not in the upright one.

    Raises:
        UserError: the annotation's size is not that of the photo, or does not show it.
    """
    texts = [(root.findtext(f"size/{side}") or "0").strip() for side in ("width", "height")]
    try:
        stated = [float(text) for text in texts]
    except ValueError:
        stated = [-1.0, -1.0]
    unknown = not any(stated)
    stored = photo[:2]
    if not unknown and not any(_same_size(stated, size) for size in (stored, photo.upright)):
        exif = f" (EXIF orientation {photo.orientation})" if photo.orientation > 1 else ""
        raise UserError(
            f"{path}: size is {texts[0]} x {texts[1]}, but its image has {photo.upright[0]} x {photo.upright[1]} "
            f"pixels{exif}; correct the size, {OR_ADOPT}"
        )
    if photo.orientation == 1 or root.find(".//object") is None:
        return False
    if unknown or _same_size(stored, photo.upright):
        raise UserError(
            f"{path}: EXIF turns {photo_path.name} (orientation {photo.orientation}), and the annotation's size does "
            "not show whether its boxes were drawn in the turned photo; if they were, turn the pixels (mogrify "
            f"-auto-orient {photo_path.name}), else remove the orientation (exiftool -Orientation= {photo_path.name})"
        )
    return _same_size(stated, stored)


def _same_size(size: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two sizes are the same but for decimals."""
    return all(abs(a - b) < 1 for a, b in zip(size, other, strict=True))


def _missing(path: Path) -> UserError:
    others = f", or one with another suffix ({', '.join(PHOTO_SUFFIXES)})" if path.suffix == ".jpg" else ""
    return UserError(f"{path}: no such file; expected it beside the other files of its image set{others}")
