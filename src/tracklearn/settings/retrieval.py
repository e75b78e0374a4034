"""Settings of the block `retrieval`: the nearest windows of an object, without fine-tuning."""

from typing import ClassVar

from tracklearn.settings.base import Count, Settings, setting
from tracklearn.settings.tables import Layer


class Retrieval(Settings):
    """Nearest neighbours of windows, without fine-tuning."""

    where: ClassVar[str] = "retrieval"

    layer: Layer = setting("pool5", "Layer whose features are compared", paper="§6.1")
    k: Count = setting(
        20, "Number of nearest windows among which precision and hit rate are counted", unit="windows", paper="§6.1"
    )
