"""Which images train and which are evaluated: the protocol alone decides, for every stage of detection.

This module imports nothing heavy, so that the workflow can read image sets while it builds its graph.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tracklearn.errors import UserError

# Everingham et al., The PASCAL Visual Object Classes Challenge, in the order of the benchmark's own tables.
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

# Images of the official sets, by year: http://host.robots.ox.ac.uk/pascal/VOC/voc{2007,2012}/
OFFICIAL_SIZES = {
    2007: {"train": 2501, "val": 2510, "trainval": 5011, "test": 4952},
    2012: {"train": 5717, "val": 5823, "trainval": 11540, "test": 10991},
}


@dataclass(frozen=True)
class Protocol:
    """Image sets of one evaluation: fine-tuning, SVMs and crops take `train`, reported figures come from `test`."""

    name: str
    year: int
    train: str
    test: str
    annotated: bool = True
    """False: the organisers keep the test annotations, so a submission is written and scores are read back."""

    def check(self, root: str | Path) -> None:
        """Refuse image sets that share an image (see `check_disjoint`)."""
        sets = {name: read_image_set(root, year=self.year, image_set=name) for name in (self.train, self.test)}
        check_disjoint(sets[self.train], sets[self.test], train_set=self.train, test_set=self.test)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("voc2012-val", 2012, train="train", test="val"),
        Protocol("voc2007-test", 2007, train="trainval", test="test"),
        Protocol("voc2012-test", 2012, train="trainval", test="test", annotated=False),
        Protocol("labelled-test", 2012, train="trainval", test="test"),
        # Settings are chosen here, on a set `tune` that shares no image with the test set of `labelled-test`.
        Protocol("tuning", 2012, train="trainval", test="tune"),
    )
}


def protocol_named(name: str) -> Protocol:
    """Look a protocol up.

    Raises:
        UserError: no such protocol.
    """
    if name not in PROTOCOLS:
        raise UserError(f"detection.protocol is {name!r}: expected one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def official_size(year: int, image_set: str) -> int:
    """Images in an official set, known before it is downloaded.

    Raises:
        UserError: not a set of that year's detection challenge.
    """
    sizes = OFFICIAL_SIZES.get(year, {})
    if image_set not in sizes:
        raise UserError(
            f"VOC{year} {image_set}: no official detection set; expected train, val, trainval or test of 2007 or 2012"
        )
    return sizes[image_set]


def voc_folder(root: str | Path, year: int) -> Path:
    """Folder of one year inside the VOCdevkit `root`."""
    return Path(root) / f"VOC{year}"


def read_image_set(root: str | Path, *, year: int, image_set: str) -> list[str]:
    """Image ids of `ImageSets/Main/{image_set}.txt`, in the file's order.

    Raises:
        UserError: no such file, no image in it, an id twice or one that is no file name.
    """
    path = voc_folder(root, year) / "ImageSets" / "Main" / f"{image_set}.txt"
    if not path.is_file():
        raise UserError(f"{path}: no such image set; voc.root must be a VOCdevkit folder that holds VOC{year}")
    # The lists of single classes carry a second column, 1 or -1.
    ids = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
    if not ids:
        raise UserError(f"{path}: the image set is empty; expected one image id a line")
    seen: set[str] = set()
    for image_id in ids:
        if image_id in seen:
            raise UserError(f"{path}: image {image_id} is listed twice; remove one of the lines")
        if image_id != Path(image_id).name:
            raise UserError(f"{path}: {image_id!r} is no image id; expected a file name without folder and suffix")
        seen.add(image_id)
    return ids


def check_disjoint(train: Sequence[str], test: Sequence[str], *, train_set: str, test_set: str) -> None:
    """Refuse to train on an evaluation image.

    Raises:
        UserError: names the first image that is in both sets, and how many there are.
    """
    shared = sorted(set(train) & set(test))
    if shared:
        raise UserError(
            f"image {shared[0]} is in the training set {train_set!r} and in the evaluation set {test_set!r} "
            f"({len(shared)} such images); no evaluation image may be trained on: choose disjoint sets"
        )
