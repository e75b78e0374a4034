"""Settings of the blocks `ranking` and `losses`: the ranking loss, its negatives, and how patches are augmented."""

from typing import Any, ClassVar, Literal, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from tracklearn.errors import UserError
from tracklearn.settings.base import Count, Positive, Settings, Share, setting

Kind = Literal["tracked", "still", "random-box", "any-frame", "one-patch"]
"""Where the positives of a ranking training come from: from tracking, or from a control of what tracking adds."""

OF_VIDEOS = ("still", "random-box", "any-frame")
"""The controls whose pairs are cut out of the videos; the others need stored pairs alone."""

OF_INFONCE = frozenset({"temperature", "symmetric"})
USELESS = {"paper": OF_INFONCE, "fork": OF_INFONCE, "infonce": frozenset({"sampling", "negatives"})}
"""The keys that mean nothing to a form of the loss."""


class Augment(Settings):
    """How patches are changed at random before they are ranked, each patch on its own; defaults are left out."""

    where: ClassVar[str] = "ranking.augment"

    crop: tuple[Share, Share] = setting(
        (1.0, 1.0),
        "Smallest and largest share of a patch's area that is cropped. The crop is a square at a random place and is "
        "enlarged to the size of the patch; `[1, 1]` crops nothing",
    )
    flip: Share = setting(0.5, "Share of the patches that are mirrored")
    colour: Share = setting(
        0.0,
        "Strength s of the changes of colour: brightness, contrast and saturation are multiplied by random factors "
        "from 1 - s to 1 + s, in this order, and hues are turned by up to s / 4 of the circle",
        assume="the proportions of SimCLR; the order is fixed, and hues are turned about the axis of greys, not in HSV",
    )
    grey: Share = setting(0.0, "Share of the patches that lose their colours")
    blur: Share = setting(
        0.0,
        "Share of the patches that are blurred, with a standard deviation of 1% of their side",
        assume="SimCLR's is drawn between 0.1 and 2 pixels",
    )

    @property
    def only_flips(self) -> bool:
        """Whether patches are at most mirrored."""
        return (self.crop, self.colour, self.grey, self.blur) == ((1, 1), 0, 0, 0)

    @model_validator(mode="after")
    def _crop_is_an_interval(self) -> Self:
        if not 0 < self.crop[0] <= self.crop[1]:
            raise ValueError(f"crop is {list(self.crop)}; expected [smallest, largest] with 0 < smallest <= largest")
        return self

    @model_serializer(mode="wrap")
    def _changed(self, complete: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        return {key: value for key, value in complete(self).items() if getattr(self, key) != fields[key].default}


class Loss(Settings):
    """The ranking loss and its negatives.

    Keys that mean nothing to the form are refused, and are left out of the complete block, as is an `augment` of
    nothing but defaults: a training that needs none of them has the record that it had before they existed.
    """

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
        assume="a usual value; networks learned with it from few clips",
    )
    symmetric: bool = setting(
        False,
        "Only for `infonce`: whether the query is also found among the patches of other videos, from the tracked "
        "patch; the loss is the mean of both directions",
        assume="the paper's loss compares with the query alone",
    )

    augment: Augment = setting(Augment(), "How patches are changed at random before they are ranked")

    @property
    def chooses_negatives(self) -> bool:
        """Whether hinges compare with some patches of other videos, rather than with all at once."""
        return self.form != "infonce"

    @model_validator(mode="after")
    def _useful(self) -> Self:
        if useless := sorted(self.model_fields_set & USELESS[self.form]):
            raise ValueError(f"{useless[0]} means nothing to form: {self.form}; take it out")
        return self

    @model_serializer(mode="wrap")
    def _of_its_form(self, complete: SerializerFunctionWrapHandler) -> dict[str, Any]:
        left_out = USELESS[self.form] | ({"augment"} if self.augment == Augment() else set())
        return {key: value for key, value in complete(self).items() if key not in left_out}


def check_augmented(kind: str, loss: Loss, *, entry: str) -> None:
    """Check that patches are augmented if both patches of a pair are the same one.

    Raises:
        UserError: they are not.
    """
    if kind == "one-patch" and loss.augment.only_flips:
        raise UserError(
            f"{entry} is one-patch, but the loss does not augment its patches, and equal patches teach nothing; set "
            "its `augment`, for example `augment: {crop: [0.5, 1]}`"
        )


def check_random_iterations(random_iterations: int, loss: Loss, *, entry: str) -> None:
    """Check that the loss chooses negatives if the schedule, an `entry`, has iterations with random ones.

    Raises:
        UserError: it does not.
    """
    if random_iterations and not loss.chooses_negatives:
        raise UserError(
            f"{entry}.random_iterations is {random_iterations}; expected 0, since a loss of the form {loss.form} "
            "chooses no negatives"
        )
