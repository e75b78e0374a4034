"""Which images train and which are evaluated: the protocol alone decides, for every stage of detection.

Only the plan of the experiment imports this module. No script reaches it, so a new protocol re-runs nothing.
"""

from dataclasses import dataclass
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.voc.disjoint import check_disjoint
from tracklearn.voc.image_sets import read_image_set

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
    of_voc: bool = True
    """False: the images may be a user's own, which the paper's numbers say nothing about."""

    def check(self, root: str | Path) -> None:
        """Refuse image sets that share an image (see `check_disjoint`)."""
        train, test = (read_image_set(root, year=self.year, image_set=name) for name in (self.train, self.test))
        check_disjoint(train, test, train_set=self.train, test_set=self.test)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("voc2012-val", 2012, train="train", test="val"),
        Protocol("voc2007-test", 2007, train="trainval", test="test"),
        Protocol("voc2012-test", 2012, train="trainval", test="test", annotated=False),
        Protocol("labelled-test", 2012, train="trainval", test="test", of_voc=False),
        # Settings are chosen here, on a set `tune` that shares no image with the test set of `labelled-test`.
        Protocol("tuning", 2012, train="trainval", test="tune", of_voc=False),
    )
}


def protocol_named(name: str) -> Protocol:
    """Look up a protocol.

    Raises:
        UserError: no such protocol.
    """
    if name not in PROTOCOLS:
        raise UserError(f"voc.protocol is {name!r}; expected one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def official_size(year: int, image_set: str) -> int:
    """Number of images in an official set, known before the set is downloaded.

    Raises:
        UserError: not a set of that year's detection challenge.
    """
    sizes = OFFICIAL_SIZES.get(year, {})
    if image_set not in sizes:
        raise UserError(
            f"VOC{year} {image_set}: no official detection set; expected train, val, trainval or test of 2007 or 2012"
        )
    return sizes[image_set]
