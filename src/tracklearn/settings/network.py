"""Settings of the block `network`: the backbone, its input, its size and its initial weights."""

from typing import Any, ClassVar, Literal, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from tracklearn.settings.base import Count, Positive, Settings, setting

BackboneName = Literal["caffenet", "alexnet", "resnet18", "resnet50"]
CAFFENET: BackboneName = "caffenet"
OF_CAFFENET = frozenset({"width", "mean_bgr", "conv_std", "fc_std", "ranking_fc_std", "fc8_std", "bias"})
USELESS = {
    "caffenet": frozenset[str](),
    "alexnet": OF_CAFFENET,
    "resnet18": OF_CAFFENET | {"detection_fc7"},
    "resnet50": OF_CAFFENET | {"detection_fc7"},
}
"""The keys of the block that mean nothing to a backbone."""
WITHOUT_FC7 = frozenset({"resnet18", "resnet50"})
"""The backbones that have no fc6, and no fc7 but for ranking and normals."""


class Network(Settings):
    """The backbone, its input, its size and its initial weights.

    The complete block does not name CaffeNet: a training of the paper's network has the record that it had before there
    were other backbones.
    """

    where: ClassVar[str] = "network"

    backbone: BackboneName = setting(
        CAFFENET,
        "Architecture of the models that name none. `caffenet` is the paper's; `alexnet`, `resnet18` and `resnet50` "
        "are torchvision's, with their initial weights, their mean and their scale. The pooled output of a ResNet is "
        "called `pool5`; ResNets have no fc6, and no fc7 but for ranking, where it follows pool5",
    )
    width: Positive = setting(
        1, "Factor on the channels of CaffeNet; the other backbones have one width only", unit="factor"
    )
    input_size: int = setting(
        227, "Side of the input; ranking networks take patches of this size (`patches.size`)", unit="pixels", ge=67
    )
    ranking_fc7: Count = setting(1024, "Size of fc7, the last layer, in ranking", unit="units", paper="§5.1")
    detection_fc7: Count = setting(4096, "Size of fc7 in detection; ResNets have none there", unit="units")
    mean_bgr: tuple[float, float, float] = setting(
        (96.64, 102.75, 107.99),
        "Mean blue, green and red that is subtracted from pixels of 0 to 255; the default is that of the released "
        "code. Only for `caffenet`, as are the initial weights below. A network that starts from a parent keeps its "
        "parent's mean",
        unit="grey levels",
    )
    conv_std: Positive = setting(0.01, "Standard deviation of the initial weights of conv1 to conv5")
    fc_std: Positive = setting(0.005, "Standard deviation of the initial weights of fc6 and fc7")
    ranking_fc_std: Positive | None = setting(
        None,
        "Standard deviation of the initial weights of fc6 and fc7 in ranking; `null` means the value of `fc_std`",
    )
    fc8_std: Positive = setting(0.01, "Standard deviation of the initial weights of fc8")
    bias: float = setting(
        1, "Initial bias of conv2, conv4, conv5, fc6 and fc7; the initial bias of the other layers is 0"
    )

    @model_validator(mode="after")
    def _one_width(self) -> Self:
        if self.width != 1 and self.backbone != CAFFENET:
            raise ValueError(
                f"width is {self.width:g}, but {self.backbone} has one width only; take it out, or set backbone: "
                "caffenet"
            )
        return self

    @model_serializer(mode="wrap")
    def _but_for_caffenet(self, complete: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in complete(self).items() if (key, value) != ("backbone", CAFFENET)}
