"""Features of whole photos, each resized to the network's square input."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.machine.devices import own_device
from tracklearn.networks.backbone import Layer
from tracklearn.networks.weights import build
from tracklearn.photos import read_square
from tracklearn.report import Report, silent
from tracklearn.training.feed import feed
from tracklearn.training.gpu import set_precision

BATCH = 64  # photos of one forward pass


def whole_image_features(
    files: Sequence[str | Path],
    *,
    weights: str | Path,
    layer: Layer = "pool5",
    precision: str = "fp32",
    threads: int = 1,
    report: Report = silent,
) -> np.ndarray:
    """Features (N, D) float32 of photos of any size; proportions are not kept.

    Args:
        files: the photos; only those of a few batches are in memory at a time.
        weights: file of the network.
        precision: how the network computes, as in a schedule: "fp32", "tf32" (on a GPU) or "bf16".
        threads: threads that decode for a GPU.

    Raises:
        UserError: a layer that the network lacks, a photo that cannot be decoded, or features that are not finite.
    """
    net = build(weights)
    width = net.layer_width(layer, weights)
    device = own_device()
    net.to(device)

    def photos(batch: int) -> tuple[Tensor]:
        wanted = files[batch * BATCH : (batch + 1) * BATCH]
        return (torch.from_numpy(np.stack([read_square(path, net.input_size) for path in wanted])),)

    features = np.empty((len(files), width), np.float32)
    batches = feed(photos, device, 0, -(-len(files) // BATCH), threads=threads)
    try:
        with set_precision(device, precision), torch.inference_mode():
            for start in range(0, len(files), BATCH):
                (images,) = next(batches)
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                    values = net.features(images, layer)
                features[start : start + BATCH] = values.float().cpu().numpy()
                report(start + len(images), {"photos": start + len(images)})
    finally:
        batches.close()
    if not np.isfinite(features.sum(dtype=np.float64)):
        raise UserError(f"{weights}: a feature of {layer} is not a finite number; the training has diverged")
    return features
