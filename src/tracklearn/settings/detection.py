"""Settings of the block `detection`: SVMs and detection."""

from typing import ClassVar

from tracklearn.settings.base import Count, Positive, Settings, Share, setting


class Svm(Settings):
    """One linear SVM a class; the defaults are those of R-CNN's rcnn_train."""

    where: ClassVar[str] = "detection.svm"

    C: Positive = setting(0.001, "Weight of the hinge loss against the regulariser")
    positive_weight: Positive = setting(2, "Factor on the loss of positives")
    bias: Positive = setting(10, "Value of the constant feature that stands for the bias")
    target_norm: Positive = setting(20, "Mean norm to which features are scaled")
    hard_threshold: float = setting(-1.0001, "A negative that scores higher is hard and is taken in", unit="score")
    evict: float = setting(-1.2, "A negative that scores lower after a training is dropped", unit="score")
    retrain_every: Count = setting(2000, "New negatives after which a class is trained again", unit="windows")
    negative_iou: Share = setting(
        0.3, "Negatives overlap every object of the class by less", unit="intersection over union"
    )


class Detect(Settings):
    """Which boxes of an image are reported."""

    where: ClassVar[str] = "detection.detect"

    top: Count = setting(100, "Boxes of a class and image that enter non-maximum suppression, best first", unit="boxes")
    nms: Share = setting(0.3, "A box that overlaps a better one by more is suppressed", unit="intersection over union")


class Detection(Settings):
    """SVMs, detection, and the intervals behind average precisions."""

    where: ClassVar[str] = "detection"

    svm: Svm = setting(Svm(), "One linear SVM a class")
    detect: Detect = setting(Detect(), "Which boxes are reported")
    bootstrap: Count = setting(1000, "Draws of test images behind each 95% interval", unit="draws")
    server_scores: str | None = setting(
        None,
        "For `voc2012-test`: file with the average precisions of the test server, one `row class value` a line. Cells "
        "that it does not hold stay empty and say so",
    )
