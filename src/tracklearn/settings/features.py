"""Settings of the block `features`: what networks compute of windows."""

from typing import ClassVar

from tracklearn.settings.base import Settings, setting


class Features(Settings):
    """Features of windows."""

    where: ClassVar[str] = "features"

    keep: bool = setting(
        False,
        "Whether features stay on disk after use, so that an edit of the SVM runs no network again. At the paper's "
        "size they take 189 GB a model",
    )
