"""A network as MLflow loads it: `mlflow.pyfunc.load_model("models:/m-...").predict(images)`, without pickled code."""

from typing import Any

import numpy as np
import torch

from tracklearn.networks.loading import load


class Predictor:
    """Gives features of images."""

    def __init__(self, path: str) -> None:
        self.network, self.prepare = load(path)

    @torch.inference_mode()
    def predict(self, images: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        """Features (N, D) of uint8 RGB images (N, H, W, 3), from the layer `params["layer"]`, by default pool5.

        Raises:
            UserError: no image, or an array of another type or shape.
        """
        features: np.ndarray = self.network(self.prepare(images), (params or {}).get("layer", "pool5")).numpy()
        return features


def _load_pyfunc(path: str) -> Predictor:
    """MLflow calls this with the path of the .safetensors file."""
    return Predictor(path)
