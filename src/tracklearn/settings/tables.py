"""Settings of the blocks `table1`, `retrieval` and `evidence`: what is reported."""

from typing import Annotated, ClassVar, Literal

from annotated_types import MinLen

from tracklearn.settings.base import Count, Names, Settings, setting

Layer = Literal["pool5", "fc6", "fc7"]
Pair = tuple[str, str]


class Row(Settings):
    """A row of Table 1."""

    where: ClassVar[str] = "table1"

    id: str = setting(
        ...,
        "Unique name of the row, part of the paths of its cells: letters, digits, `.`, `_` and `-`",
        pattern="^[A-Za-z0-9._-]+$",
    )
    label: str = setting(..., "Text of the row's first column")
    external: str = setting("", "Text of the column of external data")
    models: Names = setting(
        ..., "Entries of `models`; several models are an ensemble, and each SVM sees the features of all of them"
    )
    layer: Layer = setting("fc7", "Layer whose features the SVMs see")


class Retrieval(Settings):
    """Nearest neighbours of windows, without fine-tuning."""

    where: ClassVar[str] = "retrieval"

    layer: Layer = setting("pool5", "Layer whose features are compared", paper="§6.1")
    k: Count = setting(
        20, "Number of nearest windows among which precision and hit rate are counted", unit="windows", paper="§6.1"
    )
    models: tuple[str, ...] = setting((), "Entries of `models` that are compared")


class Evidence(Settings):
    """Rows that are trained again from other seeds, to see how far results vary."""

    where: ClassVar[str] = "evidence"

    seeds: Count = setting(..., "Number of training seeds, the first of which is the experiment itself")
    rows: Names = setting(..., "Ids of the rows of Table 1 whose networks are trained again")
    retrieval: Annotated[dict[str, Names], MinLen(1)] = setting(
        ...,
        "Each key names a line of the retrieval table, and its value lists the line's models. Every further line is "
        "compared with the first",
    )
    comparisons: Annotated[tuple[Pair, ...], MinLen(1)] = setting(
        ..., "Pairs of row ids whose difference is averaged over the training seeds"
    )
