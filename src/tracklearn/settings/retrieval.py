"""Settings of the block `retrieval`: the nearest windows of an object, without fine-tuning."""

from typing import ClassVar

from tracklearn.settings.base import Count, Natural, Positive, Settings, setting
from tracklearn.settings.tables import Layer


class Elda(Settings):
    """Exemplar LDA on HOG, the baseline of retrieval."""

    where: ClassVar[str] = "retrieval.elda"

    cells: int = setting(
        144,
        "Number of cells, about, of the template that a window is warped to",
        unit="cells",
        assume="12 x 12 cells for a square object",
        ge=9,
        le=400,
    )
    shapes: int = setting(
        11,
        "Number of template shapes, from 1 : 4 to 4 : 1; a query has the shape nearest to its own",
        assume="an odd number, so that one of them is square",
        ge=1,
        le=12,
    )
    ridge: Positive = setting(
        0.01, "Value added to the diagonal of HOG's covariance", assume="the value of the paper of ELDA"
    )


class Figure7(Settings):
    """The page of queries with their nearest windows."""

    where: ClassVar[str] = "retrieval.figure7"

    per_class: Count = setting(2, "Number of queries of each class, drawn at random", unit="queries")
    shown: Count = setting(6, "Number of nearest windows that are shown of each method", unit="windows")
    seed: Natural = setting(0, "Seed of the draw")


class Retrieval(Settings):
    """Nearest neighbours of windows, without fine-tuning."""

    where: ClassVar[str] = "retrieval"

    layer: Layer = setting("pool5", "Layer whose features are compared", paper="§6.1")
    k: Count = setting(
        20, "Number of nearest windows among which precision and hit rate are counted", unit="windows", paper="§6.1"
    )
    elda: Elda = setting(Elda(), "Exemplar LDA on HOG")
    figure7: Figure7 = setting(Figure7(), "The page of queries with their nearest windows")
