"""Settings of the block `ranking`: the ranking loss and its negatives."""

from typing import ClassVar, Literal

from tracklearn.settings.base import Count, Positive, Settings, setting


class Loss(Settings):
    """The ranking loss and its negatives."""

    where: ClassVar[str] = "ranking"

    form: Literal["paper", "fork"] = setting(
        "paper",
        "`paper` is the loss of Eq. 2; `fork` is the symmetric loss of the authors' released code, a fork of Caffe",
        paper="§5.2",
    )
    sampling: Literal["paper", "fork"] | None = setting(
        None,
        "Sampling of hard negatives, which follow the `random_iterations` of the schedule: `paper` takes those of "
        "highest loss; `fork`, the sampling of the released code, draws among the rows that violate the margin, half "
        "of the negatives from the K nearest ones; `null` takes the sampling that belongs to `form`",
    )
    margin: Positive = setting(
        0.5,
        "Margin M: how much nearer to the query the tracked patch must be than a negative",
        unit="cosine distance",
        paper="§5.6",
    )
    negatives: Count = setting(4, "Number K of negatives of each pair", paper="§5.6")
