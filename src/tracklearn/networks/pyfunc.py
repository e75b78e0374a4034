"""A network as MLflow loads it: `mlflow.pyfunc.load_model("models:/m-...").predict(images)`, without pickled code."""

from typing import Any

import numpy as np
import torch

from tracklearn.networks.loading import load

BATCH = 256  # images in the network at once, which take 0.7 GB at full width


class Predictor:
    """Gives features of images."""

    def __init__(self, path: str) -> None:
        self.network, self.prepare = load(path)

    @torch.inference_mode()
    def predict(self, images: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        """Features (N, D) of uint8 RGB images (N, H, W, 3), from the layer `params["layer"]`, by default pool5.

        Raises:
            UserError: a layer that the network lacks, no image, or an array of another type or shape.
        """
        layer = (params or {}).get("layer", "pool5")
        self.network.layer_width(layer, "predict")
        # The first part is taken even if it is empty, so that it is refused.
        parts = [list(images[start : start + BATCH]) for start in range(0, max(len(images), 1), BATCH)]
        return np.concatenate([self.network(self.prepare(part), layer).numpy() for part in parts])


def _load_pyfunc(path: str) -> Predictor:
    """MLflow calls this with the path of the .safetensors file."""
    return Predictor(path)
