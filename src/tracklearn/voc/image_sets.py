"""Image sets of a VOCdevkit: the lists of image ids under `ImageSets/Main`, and the names of the classes.

This module imports no large package, so that the workflow can read image sets while it builds its graph.
"""

import os
import re
import unicodedata
from collections import Counter
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.files import PHOTO_SUFFIXES, names_by_stem, read_text

# Everingham et al., The PASCAL Visual Object Classes Challenge, in the order of the benchmark's own tables.
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def voc_folder(root: str | Path, year: int) -> Path:
    """Folder of one year inside the VOCdevkit `root`."""
    return Path(root) / f"VOC{year}"


FILES = {"JPEGImages": PHOTO_SUFFIXES, "Annotations": (".xml",)}
"""Suffixes of the files in the folders of a year; VOC's own are the first ones."""

_WITH_LABEL = re.compile(r"(\S.*?)\s+(?:-1|0|1)")


def files_by_id(folder: Path) -> dict[str, str]:
    """Names of the photos or annotations in a folder, `JPEGImages` or `Annotations`, by image id."""
    return names_by_stem(folder, FILES[folder.name])


def read_image_set(root: str | Path, *, year: int, image_set: str) -> list[str]:
    """Image ids of `ImageSets/Main/{image_set}.txt`, in the file's order.

    Ids may have blanks in them and the suffix of a photo behind them. The second column of VOC's lists of a class (1,
    0 or -1) is passed over.

    Raises:
        UserError: the file is missing, empty or no text, or an id is listed twice or is not a file name.
    """
    path = voc_folder(root, year) / "ImageSets" / "Main" / f"{image_set}.txt"
    if not path.is_file():
        raise UserError(f"{path}: no such image set; voc.root must be a VOCdevkit folder that holds VOC{year}")
    lines = [unicodedata.normalize("NFC", line.strip()) for line in read_text(path).splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{path}: the image set is empty; expected one image id a line")
    ids = [_without_suffix(line) for line in lines]
    labelled = [_WITH_LABEL.fullmatch(line) for line in lines]
    # Photos may be called `beach 1` too.
    if all(labelled) and not files_by_id(voc_folder(root, year) / "JPEGImages").keys() & set(ids):
        ids = [_without_suffix(match[1]) for match in labelled if match]
    if others := [image_id for image_id in ids if image_id != Path(image_id).name]:
        raise UserError(
            f"{path}: {others[0]!r} is not an image id; expected a file name without folder and suffix "
            f"({len(others)} such lines)"
        )
    if twice := [image_id for image_id, count in Counter(ids).items() if count > 1]:
        raise UserError(f"{path}: image {twice[0]} is listed twice; remove one of the lines ({len(twice)} such images)")
    return ids


def _without_suffix(name: str) -> str:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return stem if suffix.lower() in PHOTO_SUFFIXES else name
