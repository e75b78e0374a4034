"""Learning visual features from unlabelled video by tracking (Wang & Gupta, ICCV 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tracklearn.networks.caffenet import CaffeNet
    from tracklearn.networks.loading import Preprocessing

__version__ = "0.1.0"
__all__ = ["load"]


def load(model: str | Path) -> tuple[CaffeNet, Preprocessing]:
    """A trained network in evaluation mode, and the function that turns RGB images into its input.

        net, prepare = tracklearn.load("unsup-8M")
        features = net(prepare(Image.open("photo.jpg")), "pool5")  # (1, 9216)

    Args:
        model: path of a .safetensors or .caffemodel file, or the name of a model in results/models.

    Raises:
        UserError: the file or model does not exist, or the file does not hold a CaffeNet.
    """
    from tracklearn.networks import loading  # noqa: PLC0415 (importing torch takes seconds, `import tracklearn` should not)

    return loading.load(model)
