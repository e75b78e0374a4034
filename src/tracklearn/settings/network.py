"""Settings of the block `network`: CaffeNet's size and its initial weights."""

from typing import ClassVar

from tracklearn.settings.base import Count, Positive, Settings, setting


class Network(Settings):
    """CaffeNet's size, its input and its initial weights."""

    where: ClassVar[str] = "network"

    width: Positive = setting(1, "Factor on the channels of CaffeNet", unit="factor")
    input_size: int = setting(
        227, "Side of the input; ranking networks take patches of this size (`patches.size`)", unit="pixels", ge=67
    )
    ranking_fc7: Count = setting(1024, "Size of fc7, the last layer, in ranking", unit="units", paper="§5.1")
    detection_fc7: Count = setting(4096, "Size of fc7 in detection", unit="units")
    mean_bgr: tuple[float, float, float] = setting(
        (96.64, 102.75, 107.99),
        "Mean blue, green and red that is subtracted from pixels of 0 to 255; the default is that of the released "
        "code. A network that starts from a parent keeps its parent's mean",
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
