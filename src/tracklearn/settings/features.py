"""Settings of the block `features`: what networks compute of windows."""

from typing import ClassVar

from tracklearn.settings.base import Count, Settings, setting
from tracklearn.settings.training import Precision


class Features(Settings):
    """Features of windows."""

    where: ClassVar[str] = "features"

    keep: bool = setting(
        False,
        "Whether features are stored for SVMs and detection, so that an edit of the SVM runs no network again. "
        "Otherwise they are computed where they are used, and nothing is written. At the paper's size, stored features "
        "take 189 GB a model",
    )
    precision: Precision = setting(
        "fp32", "How the networks compute features, as the `precision` of a schedule; features are stored in float16"
    )
    processes: Count = setting(
        1,
        "Number of processes of a job that computes features. Each process has its own GPU if there are GPUs, and the "
        "processes share the job's threads. The number changes a feature by one step of float16 at most",
        unit="processes",
    )
