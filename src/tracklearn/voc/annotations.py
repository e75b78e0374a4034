"""Images and annotations in the folders of PASCAL VOC (JPEGImages, Annotations, ImageSets/Main)."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import simplejpeg

from tracklearn.errors import UserError
from tracklearn.voc.image_sets import CLASSES, read_image_set, voc_folder


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
        if not self.folder.is_dir():
            raise UserError(
                f"voc.root is {root}: it has no folder VOC{year}; point it at a VOCdevkit or let it be downloaded"
            )

    def images(self, image_set: str) -> list[str]:
        """Image ids of a set (train, val, trainval, test)."""
        return read_image_set(self.root, year=self.year, image_set=image_set)

    def image(self, image_id: str) -> np.ndarray:
        """Decode one photo: RGB uint8 (H, W, 3).

        Raises:
            UserError: the file is missing or not a JPEG image.
        """
        path = self.photo_path(image_id)
        try:
            return simplejpeg.decode_jpeg(self._read(path), colorspace="RGB")
        except ValueError as error:
            raise UserError(f"{path}: cannot be decoded ({error}); expected a JPEG image") from error

    def size(self, image_id: str) -> tuple[int, int]:
        """Width and height in pixels, from the JPEG header alone."""
        path = self.photo_path(image_id)
        try:
            height, width, _, _ = simplejpeg.decode_jpeg_header(self._read(path))
        except ValueError as error:
            raise UserError(f"{path}: cannot be decoded ({error}); expected a JPEG image") from error
        return width, height

    def objects(self, image_id: str) -> Objects:
        """Annotated objects of an image, difficult ones included; boxes are clipped to the image.

        Raises:
            UserError: the annotation is missing, is not XML, states another size than the image has, or holds an
                unknown class or a box outside the image.
        """
        path = self.folder / "Annotations" / f"{image_id}.xml"
        try:
            root = ElementTree.fromstring(self._read(path))
        except ElementTree.ParseError as error:
            raise UserError(f"{path}: not well-formed XML ({error}); expected a VOC annotation") from error
        width, height = self.size(image_id)
        stated = root.findtext("size/width"), root.findtext("size/height")
        if stated != (str(width), str(height)):
            raise UserError(f"{path}: size is {stated[0]} x {stated[1]}, but its image has {width} x {height} pixels")
        found = [self._object(element, path, width, height) for element in root.iter("object")]
        return Objects(
            np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
            np.array([label for _, label, _ in found], np.int64),
            np.array([difficult for _, _, difficult in found], bool),
        )

    def _object(
        self, element: ElementTree.Element, path: Path, width: int, height: int
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
            raise UserError(f"{path}: bndbox of {name!r} is {corners}; expected four numbers") from error
        box = [max(x1, 0.0), max(y1, 0.0), min(x2, width - 1.0), min(y2, height - 1.0)]
        if not (box[0] <= box[2] and box[1] <= box[3]):
            raise UserError(f"{path}: bndbox of {name!r} is {corners}; expected a box inside {width} x {height} pixels")
        return box, self.classes.index(name), (element.findtext("difficult") or "0").strip() == "1"

    def photo_path(self, image_id: str) -> Path:
        """The file of a photo, which may be missing."""
        return self.folder / "JPEGImages" / f"{image_id}.jpg"

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise UserError(f"{path}: no such file; expected it beside the other files of its image set") from error
