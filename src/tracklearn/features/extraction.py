"""Features of the windows of a part of an image set, computed by one network."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, get_args

import h5py
import numpy as np
import torch

from tracklearn.errors import UserError
from tracklearn.features import store
from tracklearn.files import atomic
from tracklearn.machine.devices import own_device
from tracklearn.networks.caffenet import CaffeNet, Layer, to_input
from tracklearn.networks.weights import build
from tracklearn.report import Report, silent
from tracklearn.settings.tables import Layer as FeatureLayer
from tracklearn.training.prefetch import prefetch
from tracklearn.voc.annotations import Voc
from tracklearn.voc.image_sets import CLASSES
from tracklearn.voc.proposals_file import read_proposals
from tracklearn.voc.warp import warp

LAYERS = get_args(FeatureLayer)


def extract_features(
    *,
    voc: str | Path,
    year: int,
    proposals: str | Path,
    weights: str | Path,
    layer: str,
    out: str | Path,
    classes: Sequence[str] = CLASSES,
    with_ground_truth: bool = True,
    context: int | None = None,
    batch: int = 256,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Write the activations of `layer` for every window, as float16 (see `store.create`).

    Args:
        proposals: file of `propose`; the images are those of this file.
        weights: file of the network.
        layer: one of `LAYERS`.
        with_ground_truth: whether the annotated boxes, difficult ones too, come before the proposals of their image.
        context: pixels around each warped box; by default 16 at input size 227 and in proportion at other sizes.
        batch: windows of one forward pass.

    Returns:
        Numbers of images, windows and ground-truth windows.

    Raises:
        UserError: an unknown layer, an unreadable image or file, or an activation that float16 cannot hold.
    """
    if layer not in LAYERS:
        raise UserError(f"layer is {layer!r}; expected one of {', '.join(LAYERS)}")
    photos = Voc(voc, year, classes=classes)
    proposals_by_image = read_proposals([proposals])
    ids = list(proposals_by_image)
    none = np.zeros((0, 4), np.float32)
    annotated = [photos.objects(image_id).boxes if with_ground_truth else none for image_id in ids]
    boxes = [np.concatenate(both) for both in zip(annotated, proposals_by_image.values(), strict=True)]
    extractor = _Extractor(build(weights), cast(Layer, layer), context, threads)
    with atomic(out) as path, h5py.File(path, "w") as file:
        features = store.create(
            file,
            ids=ids,
            boxes=boxes,
            ground_truth=[len(each) for each in annotated],
            width=extractor.feature_width,
            attrs={"layer": layer, "weights": str(weights)},
        )
        done = 0
        for image_id, values in extractor(photos, ids, boxes, batch):
            if not np.isfinite(values).all():
                raise UserError(f"{weights}: {layer} of image {image_id} exceeds float16; the training has diverged")
            features[done : done + len(values)] = values
            done += len(values)
            report(done, {"windows": done})
    return {"images": len(ids), "windows": done, "ground_truth": sum(map(len, annotated))}


class _Extractor:
    """The network, and threads that warp the windows ahead of it."""

    def __init__(self, net: CaffeNet, layer: Layer, context: int | None, threads: int) -> None:
        self.device = own_device()
        if self.device.type == "cpu":
            torch.set_num_threads(threads)
        self.net, self.layer, self.context = net.to(self.device), layer, context
        # On a CPU the network itself takes all cores.
        self.workers = threads if self.device.type == "cuda" else 1
        empty = np.zeros((1, net.input_size, net.input_size, 3), np.uint8)
        self.feature_width = self.forward(empty).shape[1]

    def __call__(
        self, photos: Voc, ids: Sequence[str], boxes: Sequence[np.ndarray], batch: int
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (image id, features (n, D) float16) of at most `batch` windows each, in the order of the boxes."""
        chunks = [(image, start) for image, each in enumerate(boxes) for start in range(0, len(each), batch)]

        def warped(index: int) -> np.ndarray:
            image, start = chunks[index]
            mean_rgb = self.net.mean_bgr[::-1]
            chunk = boxes[image][start : start + batch]
            return warp(photos.image(ids[image]), chunk, mean=mean_rgb, size=self.net.input_size, context=self.context)

        ahead = prefetch(warped, 0, len(chunks), workers=self.workers)
        for (image, _), windows in zip(chunks, ahead, strict=True):
            yield ids[image], self.forward(windows)

    @torch.inference_mode()
    def forward(self, windows: np.ndarray) -> np.ndarray:
        """Features (N, D) float16 of RGB windows (N, S, S, 3) uint8."""
        images = to_input(torch.from_numpy(windows).to(self.device), self.net.mean_bgr)
        return self.net(images, self.layer).half().cpu().numpy()
