"""Settings of the block `frozen`: what the features of networks show on any folder of photos or of masks."""

import re
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from tracklearn.settings.base import Count, Names, Natural, Positive, Settings, setting
from tracklearn.settings.scenes import Softmax
from tracklearn.settings.tables import ID


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
        assume="20 gives many papers' best figures",
    )
    temperature: Positive | None = setting(
        0.07,
        "A vote counts exp(cosine / temperature); with `null`, every vote counts 1",
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


class FrozenRow(Settings):
    """A row of the table of frozen features."""

    where: ClassVar[str] = "frozen.rows"

    id: str = setting(..., "Name of the row, unique in its table", pattern=ID)
    label: str = setting(..., "Text of the row's first column")
    external: str = setting("", "Text of the column of external data")
    models: Names = setting(
        ...,
        "Entries of `models`; several models are seeds of one method: the row shows their mean, and its interval is "
        "over seeds and images",
    )


class Frozen(Settings):
    """Evaluations of networks that are trained no further."""

    where: ClassVar[str] = "frozen"

    sets: dict[str, ImageSet] = setting({}, "Folders of photos by the name of their column")
    rows: tuple[FrozenRow, ...] = setting((), "Rows of the table; each is compared with the first")
    layer: Literal["pool5", "fc6", "fc7", "fc8"] = setting(
        "pool5", "Layer whose features of whole photos are evaluated; only networks with outputs have fc8"
    )
    seed: Natural = setting(0, "Seed of the halves and of all draws of training photos")
    train_images: Count = setting(
        20,
        "Number of training photos of each category, for the linear probe and the nearest neighbours; the others are "
        "tested",
        unit="photos",
    )
    draws: Count = setting(
        5, "Number of draws of the training photos, over which accuracies are averaged", unit="draws"
    )
    knn: Knn = setting(Knn(), "Vote of the nearest training photos")
    linear: Linear = setting(Linear(), "The linear probe, a softmax as that of `scenes`")
    precision: Precision = setting(Precision(), "Retrieval of each photo's nearest photos")
    bootstrap: Count = setting(1000, "Number of draws of the photos behind each 95% interval", unit="draws")

    @model_validator(mode="after")
    def _columns_and_rows(self) -> Self:
        if wrong := [name for name in self.sets if not re.match(ID, name)]:
            raise ValueError(f"sets: the name is {wrong[0]!r}; expected letters, digits, `.`, `_` and `-`")
        if self.rows and not self.sets:
            raise ValueError("rows has rows, but no data set; write frozen.sets")
        return self
