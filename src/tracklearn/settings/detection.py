"""Settings of the block `detection`: SVMs and detection."""

from typing import ClassVar, Literal

from tracklearn.settings.base import Count, Positive, Settings, Share, setting


class Svm(Settings):
    """One linear SVM a class; the defaults are those of R-CNN's rcnn_train."""

    where: ClassVar[str] = "detection.svm"

    C: Positive = setting(0.001, "Weight of the hinge loss against the regulariser")
    positive_weight: Positive = setting(2, "Factor on the loss of positives")
    bias: Positive = setting(10, "Value of the constant feature that stands for the bias")
    target_norm: Positive = setting(20, "Mean norm, after scaling, of the vector that `norm_of` names")
    norm_of: Literal["whole", "model"] = setting(
        "whole",
        "In an ensemble every model is scaled to the same mean norm. `whole` scales the concatenated vector of all "
        "models to `target_norm`. `model` scales each model to `target_norm`: the norm of the whole grows with the "
        "root of the number of models, which weakens the regulariser",
        assume="R-CNN scales one model; equal shares of the models in the whole",
    )
    hard_threshold: float = setting(
        -1.0001,
        "A negative whose score is above this value is hard and takes part in the next training",
        unit="score",
    )
    evict: float = setting(-1.2, "A negative whose score is below this value after a training is dropped", unit="score")
    retrain_every: Count = setting(
        2000,
        "A class is trained again when it has more than this many hard negatives that its last training has not seen",
        unit="windows",
    )
    negative_iou: Share = setting(
        0.3,
        "A window, of another class's object too, is a negative of a class if it overlaps every object of the class by "
        "less than this value",
        unit="intersection over union",
    )


class Detect(Settings):
    """Which boxes of an image are reported."""

    where: ClassVar[str] = "detection.detect"

    top: Count = setting(
        100,
        "Number of boxes of one class and image that enter non-maximum suppression: those with the highest scores",
        unit="boxes",
    )
    boxes_per_image: Count | None = setting(
        40,
        "Number of boxes of one class that enter non-maximum suppression in all images together, divided by the number "
        "of images: where `top` leaves more boxes, those with the highest scores stay; null sets no limit",
        unit="boxes",
    )
    nms: Share = setting(
        0.3,
        "A box is suppressed if it overlaps a box with a higher score by more than this value",
        unit="intersection over union",
    )


class Detection(Settings):
    """SVMs, detection, and the intervals behind average precisions."""

    where: ClassVar[str] = "detection"

    svm: Svm = setting(Svm(), "One linear SVM a class")
    detect: Detect = setting(Detect(), "Which boxes are reported")
    bootstrap: Count = setting(1000, "Number of draws of the test images behind each 95% interval", unit="draws")
    server_scores: str | None = setting(
        None,
        "Only for `protocol: voc2012-test`: file with the average precisions of the test server, one `row class value` "
        "a line. A cell whose value is not in the file stays empty and states this reason",
    )
