"""Settings of the blocks `voc` and `imagenet`: photos with labels."""

from typing import Annotated, ClassVar, Literal

from annotated_types import MinLen

from tracklearn.settings.base import Count, Names, Natural, Positive, Settings, setting

Colour = Literal["hsv", "lab"]


class Proposals(Settings):
    """Selective search; the defaults are R-CNN's fast mode."""

    where: ClassVar[str] = "voc.proposals"

    colours: Annotated[tuple[Colour, ...], MinLen(1)] = setting(("hsv", "lab"), "Colour spaces")
    k: Annotated[tuple[Positive, ...], MinLen(1)] = setting((50, 100), "Scales of the first segmentation")
    sigma: Positive = setting(0.8, "Standard deviation of the blur before segmentation", unit="pixels")
    min_side: Natural = setting(
        20, "A box is dropped if its width or its height is smaller than this value", unit="pixels"
    )
    max_boxes: Count | None = setting(
        None, "Largest number of boxes of an image; `null` keeps all boxes, about 2,000 as in R-CNN", unit="boxes"
    )
    seed: Natural = setting(0, "Seed of the order of the boxes")


class Voc(Settings):
    """PASCAL VOC, or another set of photos in its format."""

    where: ClassVar[str] = "voc"

    root: str = setting("data/VOCdevkit", "Folder that holds `VOC2012`, and `VOC2007` for `voc2007-test`")
    download: bool = setting(True, "Whether the official archives are downloaded and checked if `root` is not there")
    classes: Names | None = setting(None, "Names of the categories; `null` is VOC's twenty")
    protocol: str = setting(
        "voc2012-val",
        "Image sets for training and for evaluation in every stage: `voc2012-val` (train, val), `voc2007-test` and "
        "`voc2012-test` (trainval, test; only the test server has the test annotations of 2012), `labelled-test` "
        "(trainval, test; the test annotations of `root` are used), `tuning` (trainval, tune; for choosing settings)",
    )
    images_per_part: Count = setting(
        500, "Number of images in one part of the proposals and the features", unit="images"
    )
    proposals: Proposals = setting(Proposals(), "Selective search")


class ImageNet(Settings):
    """Images of the RCNN rows of Table 1."""

    where: ClassVar[str] = "imagenet"

    folder: str | None = setting(
        "data/imagenet/train",
        "Folder with one folder of JPEGs a class; `null` takes crops of the objects in VOC's training images instead. "
        "While the folder does not exist, a model's `stand_in` takes its place, or the cells of its rows are empty",
    )
