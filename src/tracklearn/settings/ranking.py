"""Settings of the block `ranking`: the ranking loss and its negatives."""

from typing import ClassVar, Literal

from tracklearn.settings.base import Count, Positive, Settings, setting


class Loss(Settings):
    """The ranking loss and its negatives."""

    where: ClassVar[str] = "ranking"

    form: Literal["paper", "fork"] = setting(
        "paper", "`paper` is the loss of Eq. 2; `fork` is the symmetric loss of the released code", paper="§5.2"
    )
    sampling: Literal["paper", "fork"] | None = setting(
        None,
        "Whose sampling of negatives is used; `null` is that of `form`. The other one serves to compare the losses",
    )
    margin: Positive = setting(0.5, "Margin M between the distances", unit="cosine distance", paper="§5.6")
    negatives: Count = setting(4, "Number K of negatives of a pair", paper="§5.6")
