"""Settings of the block `scenes`: whole photos of categories, classified without fine-tuning."""

import hashlib
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, Self

from annotated_types import MinLen
from pydantic import model_validator

from tracklearn.settings.base import Count, Natural, Positive, Settings, setting

Grid = Annotated[tuple[Positive, ...], MinLen(1)]

# SHA-256 of the sorted lines of MIT Indoor-67's official lists.
INDOOR67_TRAIN = "0a0ab3061bb3cf98b3dbb21ce10989ac9e59451fc670d2af5e20363320e847e6"
INDOOR67_TEST = "855be3d517c47f3d46c47a84936a2a7c88aa111514e094a28bfca8123661dd03"


def names_digest(names: Iterable[str]) -> str:
    """SHA-256 of the sorted names, one a line."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


class Softmax(Settings):
    """The linear classifier of a network's features."""

    where: ClassVar[str] = "scenes.softmax"

    C: Grid = setting(
        (0.1, 1, 10, 100, 1000),
        "Values of C of which one is chosen. The classifier minimises half the sum of squared weights plus C times the "
        "sum of losses. Its features are standardised and divided by the square root of their number",
        assume="the paper does not say how the softmax is regularised",
    )


class GistSvm(Settings):
    """The SVM of GIST."""

    where: ClassVar[str] = "scenes.svm"

    kernels: Annotated[tuple[Literal["linear", "rbf"], ...], MinLen(1)] = setting(
        ("linear", "rbf"), "Kernels of which one is chosen together with C", assume="the paper does not say which"
    )
    C: Grid = setting(
        (0.1, 1, 10, 100),
        "Values of C of which one is chosen, for features scaled as in `softmax.C`",
        assume="the paper does not say",
    )


class Neighbours(Settings):
    """The vote of the nearest training photos."""

    where: ClassVar[str] = "scenes.neighbours"

    k: Count = setting(
        20,
        "Number of training photos, nearest by the cosine of their features, that vote on a photo's category",
        unit="photos",
        assume="the paper has no nearest neighbours of scenes; 20 gives many later papers' best figures",
    )
    temperature: Positive = setting(
        0.07,
        "A vote counts exp(cosine / temperature)",
        assume="as Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination, 2018",
    )


class Gist(Settings):
    """GIST descriptors."""

    where: ClassVar[str] = "scenes.gist"

    size: int = setting(
        128,
        "Side of the square to which a photo is resized before it is described",
        unit="pixels",
        assume="the usual size; LEAR's program takes photos as they are",
        ge=8,
    )
    orientations: Annotated[tuple[Count, ...], MinLen(1)] = setting(
        (8, 8, 4),
        "Number of orientations of each scale, the finest first; `[8, 8, 8, 8]` is the original article's",
        assume="the default of LEAR's program",
    )
    cells: Count = setting(4, "Number of cells along each side", unit="cells", assume="the default of LEAR's program")

    @model_validator(mode="after")
    def _cells_of_pixels(self) -> Self:
        if self.cells > self.size:
            raise ValueError(f"cells is {self.cells}; expected at most one cell a pixel: size is {self.size}")
        return self


class Scenes(Settings):
    """Classification of whole photos, without fine-tuning."""

    where: ClassVar[str] = "scenes"

    root: str = setting(
        "data/indoor67",
        "Folder with one folder of photos a category, or with such a folder named `Images`, as MIT Indoor-67 has it",
        paper="§6.1",
    )
    download: bool = setting(
        True, "Whether MIT Indoor-67 (2.4 GB) is downloaded, checked and unpacked if its lists are not in `root`"
    )
    lists: tuple[str, str] | None = setting(
        ("TrainImages.txt", "TestImages.txt"),
        "Files in `root` that list the training and the test photos, one `category/file` a line; the default is MIT "
        "Indoor-67's own split. With `null`, each category is split by `train_share` and `seed`",
    )
    train_share: float = setting(
        0.5, "Only with `lists: null`: share of each category's photos that train", unit="share", gt=0, lt=1
    )
    seed: Natural = setting(0, "Seed of the split, and of the held-out training photos")
    held_out: float = setting(
        0.2,
        "Share of each category's training photos on which regularisation and kernel are chosen; the chosen classifier "
        "is then trained on all training photos",
        unit="share",
        assume="the paper does not say how they were chosen",
        gt=0,
        lt=1,
    )
    layer: Literal["pool5", "fc6", "fc7", "fc8"] = setting(
        "pool5",
        "Layer of the networks whose features of the whole photo are classified; only networks with outputs have fc8",
        paper="§6.1",
    )
    softmax: Softmax = setting(Softmax(), "Linear softmax on the features of networks")
    neighbours: Neighbours = setting(Neighbours(), "Vote of the nearest photos")
    gist: Gist = setting(Gist(), "GIST descriptors")
    svm: GistSvm = setting(GistSvm(), "SVM on GIST descriptors")
    bootstrap: Count = setting(1000, "Number of draws of the test photos behind each 95% interval", unit="draws")
