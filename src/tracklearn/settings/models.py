"""Settings of the block `models`: every network by its name."""

from collections.abc import Set
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import SerializerFunctionWrapHandler, model_serializer

from tracklearn.settings.base import Natural, Settings, setting
from tracklearn.settings.network import WITHOUT_FC7, BackboneName
from tracklearn.settings.ranking import Kind
from tracklearn.settings.training import RankingSchedule, SoftmaxSchedule

SHAPE = {"backbone", "width", "input_size", "mean_bgr"}
FILLERS = {"conv_std", "fc_std", "bias"}
# How the path of a given network ends; any other text names a released one.
FILES = (".safetensors", ".caffemodel", ".pth")
RELEASED_NAMES = ("bvlc_reference_caffenet",)


class Way(NamedTuple):
    """What a way of training needs and may have.

    Attributes:
        network: the keys of `network` that the trained weights depend on, but for the mean where there is a parent.
        needs: the keys of a model's entry that the way needs, beside `train`.
        may_have: the keys that it may have as well.
        schedule: the class of its schedule.
        useless: the keys of its schedule that mean nothing to it.
    """

    network: Set[str]
    needs: Set[str] = frozenset()
    may_have: Set[str] = frozenset()
    schedule: type[RankingSchedule] | type[SoftmaxSchedule] | None = None
    useless: Set[str] = frozenset()


WAYS = {
    "none": Way(SHAPE | FILLERS | {"detection_fc7"}, may_have={"seed"}),
    "scaled": Way(SHAPE | FILLERS | {"detection_fc7"}, needs={"subset"}, may_have={"seed"}),
    "given": Way(SHAPE, needs={"weights"}),
    "ranking": Way(
        SHAPE | FILLERS | {"ranking_fc7", "ranking_fc_std"},
        needs={"from", "subset", "schedule"},
        may_have={"seed", "loss", "pairs"},
        schedule=RankingSchedule,
    ),
    "imagenet": Way(
        SHAPE | FILLERS | {"detection_fc7", "fc8_std"},
        needs={"from", "schedule"},
        may_have={"seed", "stand_in"},
        schedule=SoftmaxSchedule,
        useless={"fc7_lr"},
    ),
    "voc": Way(
        SHAPE | FILLERS | {"detection_fc7", "fc8_std"},
        needs={"from", "schedule"},
        may_have={"seed", "transfer"},
        schedule=SoftmaxSchedule,
        useless={"fc7_lr"},
    ),
    "normals": Way(
        SHAPE | FILLERS,
        needs={"from", "schedule"},
        may_have={"seed", "frozen"},
        schedule=SoftmaxSchedule,
        useless={"fc8_lr"},
    ),
}


def layers_of(backbone: str, train: str) -> tuple[str, ...]:
    """The layers that a network which is trained in one way offers; what a given file holds is not known before."""
    lacks_fc7 = backbone in WITHOUT_FC7
    answers = train in ("imagenet", "voc", "given")
    return (
        "pool5",
        *(() if lacks_fc7 else ("fc6",)),
        *(() if lacks_fc7 and train not in ("ranking", "normals", "given") else ("fc7",)),
        *(("fc8",) if answers else ()),
    )


class Model(Settings):
    """How a network comes about; a key that its way of training has no use for is left out."""

    where: ClassVar[str] = "models"

    train: Literal["none", "scaled", "given", "ranking", "imagenet", "voc", "normals"] = setting(
        ...,
        "`none` keeps random weights; `scaled` scales random weights until each channel of every layer has mean 0 and "
        "variance 1 over patches of `subset`; `given` reads the file `weights`; `ranking` needs `from`, `subset` and "
        "`schedule`; `imagenet`, `voc` and `normals` need `from` and `schedule`",
    )
    backbone: BackboneName | None = setting(
        None, "Architecture; `null` means that of the parent, or `network.backbone` where there is no parent"
    )
    parent: str | None = setting(None, "Model whose weights the training starts from, or `random`", alias="from")
    subset: str | None = setting(
        None, "Entry of `subsets` whose patches a ranking training, or the scaling of `scaled`, sees"
    )
    schedule: str | None = setting(None, "Entry of `schedules` that the training follows")
    loss: str | None = setting(
        None,
        "Only for `train: ranking`: entry of `losses` that the training minimises; `null` means the block `ranking`",
    )
    pairs: Kind = setting(
        "tracked",
        "Only for `train: ranking`: where the second patch of each pair comes from. `tracked` is the method, the "
        "others are controls. In the frame of the tracked patch, `still` takes the query's box, and `random-box` any "
        "box of its size; `any-frame` tracks boxes from frames that the limits `noise` and `camera` of `mining.filter` "
        "reject, at most as many as there are tracked pairs; `one-patch` takes the query itself and needs a loss with "
        "`augment`",
    )
    transfer: Literal["conv", "fc7"] | None = setting(
        None,
        "Only for `train: voc`: layers that the model takes from its parent. `conv` takes conv1 to conv5; `fc7` takes "
        "conv1 to conv5, fc6 and fc7, which ResNets lack; `null` means `conv`",
    )
    frozen: bool | None = setting(
        None, "Only for `train: normals`: whether conv1 to conv5 keep the parent's weights; `null` means false"
    )
    seed: Natural | None = setting(None, "Seed of the initial weights, batches and mirrored images; `null` means 0")
    weights: str | None = setting(
        None,
        "Only for `train: given`: a safetensors file of this project, a `.caffemodel` file of Caffe, a `.pth` or "
        "safetensors file with the weights of torchvision's model of the same `backbone`, or "
        "`bvlc_reference_caffenet`, which is downloaded to `data/released` (232 MB) unless it is there. If a "
        "`.caffemodel` file does not state its input size or its mean, the value of `network` applies",
    )
    stand_in: str | None = setting(
        None,
        "Only for `train: imagenet`: model that takes the place of this one while `imagenet.folder` does not exist; "
        "with `null`, or a released network of another shape than `network`, the cells of the rows that need this "
        "model are empty",
    )

    @model_serializer(mode="wrap")
    def _given(self, complete: SerializerFunctionWrapHandler) -> dict[str, Any]:
        absent = {"pairs": "tracked"}
        return {key: value for key, value in complete(self).items() if value != absent.get(key)}
