"""Settings of the blocks `ranking` and `losses`: the ranking loss and its negatives."""

from typing import Any, ClassVar, Literal, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from tracklearn.settings.base import Count, Positive, Settings, setting

OF_INFONCE = frozenset({"temperature", "symmetric"})
USELESS = {"paper": OF_INFONCE, "fork": OF_INFONCE, "infonce": frozenset({"sampling", "negatives"})}
"""The keys that mean nothing to a form of the loss."""


class Loss(Settings):
    """The ranking loss and its negatives; keys that mean nothing to the form are refused and are left out."""

    where: ClassVar[str] = "ranking"

    form: Literal["paper", "fork", "infonce"] = setting(
        "paper",
        "`paper` is the loss of Eq. 2; `fork` is the symmetric loss of the authors' released code, a fork of Caffe; "
        "`infonce`, which is younger than the paper, is the cross-entropy of finding the tracked patch among all "
        "patches of other videos in the batch. `infonce` chooses no negatives, so that its schedule has "
        "`random_iterations: 0`",
        paper="§5.2",
    )
    sampling: Literal["paper", "fork"] | None = setting(
        None,
        "Not for `infonce`: sampling of hard negatives, which follow the `random_iterations` of the schedule: `paper` "
        "takes those of highest loss; `fork`, the sampling of the released code, draws among the rows that violate the "
        "margin, half of the negatives from the K nearest ones; `null` takes the sampling that belongs to `form`",
    )
    margin: Positive = setting(
        0.5,
        "Margin M: how much nearer to the query the tracked patch must be than a negative. With `infonce`, only the "
        "share `violated` in the log depends on it",
        unit="cosine distance",
        paper="§5.6",
    )
    negatives: Count = setting(4, "Not for `infonce`: number K of negatives of each pair", paper="§5.6")
    temperature: Positive = setting(
        0.1,
        "Only for `infonce`: the cosine distances are divided by it; the lower it is, the more the nearest negatives "
        "count",
        unit="cosine distance",
        assume="of the temperatures that are usual, one at which the features of few clips gained",
    )
    symmetric: bool = setting(
        False,
        "Only for `infonce`: whether the query is also found among the patches of other videos, from the tracked "
        "patch; the loss is the mean of both directions",
        assume="the paper's loss compares with the query alone",
    )

    @model_validator(mode="after")
    def _useful(self) -> Self:
        if useless := sorted(self.model_fields_set & USELESS[self.form]):
            raise ValueError(f"{useless[0]} means nothing to form: {self.form}; take it out")
        return self

    @model_serializer(mode="wrap")
    def _of_its_form(self, complete: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in complete(self).items() if key not in USELESS[self.form]}
