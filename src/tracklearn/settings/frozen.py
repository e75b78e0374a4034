"""Settings of the block `frozen`: what the features of networks show on any folder of photos or of masks."""

import re
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from tracklearn.settings.base import Count, Names, Natural, Positive, Settings, setting
from tracklearn.settings.scenes import Softmax
from tracklearn.settings.tables import ID, ID_IN_WORDS

FIGURES = {
    "sets": ("linear", "knn", "precision"),
    "masks": ("J&F", "J", "F"),
    "pairs": ("recall", "recall_other_clips"),
}
"""The figures of the cells, by the key of their data set."""


class ImageSet(Settings):
    """Photos of categories."""

    where: ClassVar[str] = "frozen.sets"

    folder: str = setting(..., "Folder with one folder of photos a category")
    half: Literal["all", "choose", "report"] = setting(
        "all",
        "Which photos are evaluated: `all`, or one of two halves of each category, which `frozen.seed` draws: settings "
        "are chosen on `choose`, and results are reported on `report`",
    )


class Knn(Settings):
    """The vote of the nearest training photos."""

    where: ClassVar[str] = "frozen.knn"

    k: Count = setting(
        20,
        "Number of training photos, nearest by the cosine of their features, that vote on a photo's category",
        unit="photos",
    )
    temperature: Positive | None = setting(
        0.07,
        "A vote counts exp(cosine / temperature); with `null`, every vote counts 1. Of categories with equal votes, "
        "the first by name wins",
        assume="as Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination, 2018",
    )


class Linear(Softmax):
    """The linear probe, a softmax as that of `scenes`."""

    where: ClassVar[str] = "frozen.linear"

    held_out: float = setting(
        0.2,
        "Share of each category's training photos on which the probe's C is chosen; the chosen probe then trains on "
        "all training photos",
        unit="share",
        gt=0,
        lt=1,
    )


class Precision(Settings):
    """The nearest photos of every photo."""

    where: ClassVar[str] = "frozen.precision"

    k: Count = setting(
        20,
        "Number of other photos, nearest by the cosine of their features, of which the share of the same category "
        "counts",
        unit="photos",
    )


class MaskSet(Settings):
    """Videos whose objects have masks, in the layout of DAVIS."""

    where: ClassVar[str] = "frozen.masks"

    folder: str = setting(
        ...,
        "Folder with the frames `JPEGImages/{resolution}/{sequence}/*.jpg` and the masks "
        "`Annotations/{resolution}/{sequence}/*.png`, as DAVIS has them",
    )
    resolution: str = setting("480p", "Name of the folder of the resolution")
    sequences: Names | None = setting(None, "Names of the evaluated sequences; `null` takes all")


class PairSet(Settings):
    """Pairs of patches of videos that no network learned from."""

    where: ClassVar[str] = "frozen.pairs"

    folder: str = setting(
        ..., "Folder of patch shards, `results/patches` of another experiment; the patches have the size of the input"
    )
    layer: Literal["pool5", "fc6", "fc7"] | None = setting(
        None,
        "Layer whose features are compared; `null` takes `frozen.layer`. The losses of ranking compare those of fc7",
    )


CELLS = {
    "caffenet": ("conv5", "pool5"),
    "alexnet": ("conv3", "conv4", "conv5", "pool5"),
    "resnet18": ("conv3", "conv4", "conv5"),
    "resnet50": ("conv3", "conv4", "conv5"),
}
"""The layers that have cells, by backbone."""


class Propagation(Settings):
    """Labels of the first frame, carried to later frames by the likeness of features."""

    where: ClassVar[str] = "frozen.propagation"

    layer: Literal["conv3", "conv4", "conv5", "pool5"] = setting(
        "conv5",
        "Layer whose cells carry labels; a cell of conv5 has 16 pixels, a cell of pool5 32. CaffeNet has cells in "
        "these two. AlexNet has them in conv3 and conv4 too, of 16 pixels; ResNets have cells of 8, 16 and 32 pixels "
        "in conv3, conv4 and conv5, and none in pool5",
    )
    side: int = setting(
        480,
        "Length of the shorter side to which a frame is resized; both sides are rounded to whole cells",
        unit="pixels",
        ge=64,
    )
    context: Count = setting(
        7,
        "Number of last frames whose labels are carried on, beside those of the first frame",
        unit="frames",
        assume="as Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021",
    )
    radius: Natural = setting(
        6,
        "A cell takes labels from cells at most this far away, in rows and in columns",
        unit="cells",
        assume="12 cells of 8 pixels are usual; cells of conv5 are twice as long",
    )
    top_k: Count = setting(
        5, "Number of cells, of highest cosine, whose labels a cell takes", unit="cells", assume="see `context`"
    )
    temperature: Positive = setting(0.1, "A label counts exp(cosine / temperature)", assume="see `context`")


class FrozenRow(Settings):
    """A row of the table of frozen features."""

    where: ClassVar[str] = "frozen.rows"

    id: str = setting(..., "Name of the row, unique in its table", pattern=ID)
    label: str = setting(..., "Text of the row's first column")
    external: str = setting("", "Text of the column of external data")
    models: Names = setting(
        ...,
        "Entries of `models`, or copies of them for the further seeds of `evidence`, such as `unsup-8M-seed2`; several "
        "models are seeds of one method: the row shows their mean, and its interval is over seeds and images",
    )


class Frozen(Settings):
    """Evaluations of networks that are trained no further."""

    where: ClassVar[str] = "frozen"

    sets: dict[str, ImageSet] = setting({}, "Folders of photos by the name of their column")
    masks: dict[str, MaskSet] = setting({}, "Folders of videos with masks by the name of their column")
    pairs: dict[str, PairSet] = setting({}, "Folders of patch shards by the name of their column")
    rows: tuple[FrozenRow, ...] = setting((), "Rows of the table; each is compared with the first")
    layer: Literal["pool5", "fc6", "fc7", "fc8"] = setting(
        "pool5",
        "Layer whose features of whole photos, and of patches, are evaluated; only networks with outputs have fc8",
    )
    seed: Natural = setting(0, "Seed of the halves and of all draws of training photos")
    train_images: int = setting(
        20,
        "Number of training photos of each category, for the linear probe and the nearest neighbours; the others are "
        "tested",
        unit="photos",
        ge=2,
    )
    draws: Count = setting(
        5, "Number of draws of the training photos, over which accuracies are averaged", unit="draws"
    )
    knn: Knn = setting(Knn(), "Vote of the nearest training photos")
    linear: Linear = setting(Linear(), "The linear probe, a softmax as that of `scenes`")
    precision: Precision = setting(Precision(), "Retrieval of each photo's nearest photos")
    propagation: Propagation = setting(Propagation(), "Propagation of masks through videos")
    bootstrap: Count = setting(
        1000, "Number of draws of the photos, sequences or clips behind each 95% interval", unit="draws"
    )

    @model_validator(mode="after")
    def _columns_and_rows(self) -> Self:
        columns_of = {"sets": [*self.sets], "masks": [*self.masks], "pairs": [*self.pairs]}
        for key, columns in columns_of.items():
            if wrong := [name for name in columns if not re.match(ID, name)]:
                raise ValueError(f"{key}: the name is {wrong[0]!r}; expected {ID_IN_WORDS}")
        for key, others in (("masks", self.sets.keys()), ("pairs", self.sets.keys() | self.masks.keys())):
            if twice := others & {*columns_of[key]}:
                raise ValueError(f"{key}.{min(twice)}: a set has this name too; a column needs a name of its own")
        if self.layer == "fc8" and (lacking := [name for name, each in self.pairs.items() if not each.layer]):
            raise ValueError(
                f"layer is fc8, which gives answers; the patches of pairs.{lacking[0]} have no labels, so give it a "
                "layer of its own: pool5, fc6 or fc7"
            )
        if self.rows and not any(columns_of.values()):
            raise ValueError("rows has rows, but no data set; write frozen.sets, frozen.masks or frozen.pairs")
        return self
