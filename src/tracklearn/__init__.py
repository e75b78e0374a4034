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
    """A trained network in evaluation mode, and what turns RGB images into its input.

        net, prepare = tracklearn.load("unsup-8M")
        features = net(prepare(Image.open("photo.jpg")), "pool5")  # (1, 9216)

    Args:
        model: path of a .safetensors or .caffemodel file, or the name of a model below results/models.

    Raises:
        UserError: no such file or model, or a file that holds no CaffeNet.
    """
    from tracklearn.networks import loading  # noqa: PLC0415 (torch takes seconds: not for a mere `import tracklearn`)

    return loading.load(model)
