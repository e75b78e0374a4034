"""Settings of the block `models`: every network by its name."""

from typing import Any, ClassVar, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from tracklearn.settings.base import Settings, setting


class Model(Settings):
    """How a network comes about; a key that its way of training has no use for is left out."""

    where: ClassVar[str] = "models"

    train: Literal["none", "given", "ranking", "imagenet", "voc"] = setting(
        ...,
        "`none` keeps random weights; `given` reads the file `weights`; `ranking` needs `from`, `subset` and "
        "`schedule`; `imagenet` and `voc` need `from` and `schedule`",
    )
    parent: str | None = setting(None, "Model whose weights the training starts from, or `random`", alias="from")
    subset: str | None = setting(None, "Entry of `subsets` that a ranking training sees")
    schedule: str | None = setting(None, "Entry of `schedules`")
    transfer: Literal["conv", "fc7"] | None = setting(
        None,
        "What a `voc` model takes from its parent: `conv`, the layers conv1 to conv5, which `null` means as well; "
        "`fc7`, fc6 and fc7 too",
    )
    seed: int | None = setting(None, "Seed of weights, batches and mirrored images; `null` is 0")
    weights: str | None = setting(
        None,
        "A safetensors file of this project, or a `.caffemodel` of Caffe, whose input size and mean are those of "
        "`network` unless the file states them",
    )

    @model_serializer(mode="wrap")
    def _given(self, complete: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in complete(self).items() if value is not None}
