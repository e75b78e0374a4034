"""Fine-tuning on VOC's windows as R-CNN samples them (Girshick et al. 2014; https://github.com/rbgirshick/rcnn)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.networks.caffenet import CONV_LAYERS
from tracklearn.networks.initial import new_network
from tracklearn.networks.weights import transfer as copy_layers
from tracklearn.report import Report, silent
from tracklearn.settings.training import Saving, SoftmaxSchedule
from tracklearn.training.cache import ImageCache
from tracklearn.training.distributed import expect_one_process
from tracklearn.training.job import run_job
from tracklearn.training.sampling import batch_rng, coins, mirrored
from tracklearn.training.softmax import SoftmaxObjective
from tracklearn.voc.annotations import Voc
from tracklearn.voc.boxes import iou
from tracklearn.voc.proposals_file import read_proposals
from tracklearn.voc.protocols import CLASSES
from tracklearn.voc.warp import warp

FOREGROUND_IOU = 0.5  # PAPER R-CNN §2.3
FOREGROUND_SHARE = 0.25  # PAPER R-CNN §2.3: 32 of 128
TRANSFERRED = {"conv": CONV_LAYERS, "fc7": (*CONV_LAYERS, "fc6", "fc7")}


@dataclass(frozen=True)
class Windows:
    """Windows of several images: `images` (M,) index into `ids`, `boxes` (M, 4), `labels` (M,), 0 for background."""

    ids: Sequence[str]
    images: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


def window_labels(boxes: np.ndarray, object_boxes: np.ndarray, object_labels: np.ndarray) -> np.ndarray:
    """1 + the class of the object that a box overlaps most, or 0 where no IoU reaches 0.5: (N, 4) -> (N,) int64.

    Difficult objects count (R-CNN's rcnn_make_window_file).
    """
    if not len(object_boxes):
        return np.zeros(len(boxes), np.int64)
    overlaps = iou(boxes, object_boxes)
    return np.where(overlaps.max(1) >= FOREGROUND_IOU, object_labels[overlaps.argmax(1)] + 1, 0)


def collect_windows(photos: Voc, ids: Sequence[str], proposals: Mapping[str, np.ndarray]) -> Windows:
    """Annotated boxes and proposals of every image, labelled.

    Raises:
        UserError: an image without proposals, or a set without foreground or background windows.
    """
    images, boxes, labels = [], [], []
    for index, image_id in enumerate(ids):
        if image_id not in proposals:
            raise UserError(f"fine-tuning: image {image_id} is in no proposals file; make its proposals first")
        objects = photos.objects(image_id)
        windows = np.concatenate([objects.boxes, proposals[image_id]])
        boxes.append(windows)
        labels.append(window_labels(windows, objects.boxes, objects.labels))
        images.append(np.full(len(windows), index, np.int32))
    found = Windows(ids, np.concatenate(images), np.concatenate(boxes), np.concatenate(labels))
    foreground = int((found.labels > 0).sum())
    if foreground in (0, len(found.labels)):
        raise UserError(
            f"fine-tuning: {foreground} of {len(found.labels)} windows in {len(ids)} images show an object; "
            "expected some of both kinds; check the annotations and proposals"
        )
    return found


class WindowBatches:
    """Batch of an iteration: a quarter foreground, the rest background, with replacement; each mirrored or not."""

    def __init__(
        self,
        windows: Windows,
        load: Callable[[str], np.ndarray],
        *,
        batch: int,
        size: int,
        mean_rgb: Sequence[float],
        seed: int,
    ) -> None:
        self.windows, self.load = windows, load
        self.batch, self.size, self.mean_rgb, self.seed = batch, size, mean_rgb, seed
        self.foreground = np.flatnonzero(windows.labels > 0)
        self.background = np.flatnonzero(windows.labels == 0)

    def choose(self, rng: np.random.Generator) -> np.ndarray:
        """Indices of the windows (batch,), foreground first."""
        count = round(FOREGROUND_SHARE * self.batch)
        return np.concatenate([rng.choice(self.foreground, count), rng.choice(self.background, self.batch - count)])

    def __call__(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Images uint8 RGB (N, S, S, 3) and labels (N,)."""
        rng = batch_rng(self.seed, iteration)
        chosen = self.choose(rng)
        owners = self.windows.images[chosen]
        images = np.empty((len(chosen), self.size, self.size, 3), np.uint8)
        for owner in np.unique(owners):
            places = np.flatnonzero(owners == owner)
            photo, boxes = self.load(self.windows.ids[owner]), self.windows.boxes[chosen[places]]
            images[places] = warp(photo, boxes, mean=self.mean_rgb, size=self.size)
        return torch.from_numpy(mirrored(images, coins(rng, len(images)))), torch.from_numpy(
            self.windows.labels[chosen]
        )


def finetune_voc(
    *,
    voc: str | Path,
    year: int = 2012,
    image_set: str,
    proposals: Iterable[str | Path],
    parent: str | Path | None = None,
    transfer: str = "conv",
    classes: Sequence[str] = CLASSES,
    network: Mapping[str, Any],
    schedule: Mapping[str, Any],
    saving: Mapping[str, Any] | None = None,
    seed: int,
    weights: str | Path,
    log: str | Path,
    checkpoints: str | Path,
    conv1: str | Path,
    cache_gb: float = 8.0,
    threads: int | None = None,
    report: Report = silent,
) -> dict[str, float]:
    """Train conv1..fc8 to tell windows of the classes and background apart; fc8 has background first.

    `transfer` says what is taken from `parent`, the rest being Gaussian: "conv" (W&G: conv1..conv5) or "fc7" (R-CNN:
    fc6 and fc7 too). Without a parent everything is Gaussian (scratch). Decoded photos take at most `cache_gb` of
    memory; those beyond it are decoded each time.

    Raises:
        UserError: bad config or data, a parent of another shape, a loss that is not finite, or several processes.
    """
    expect_one_process("fine-tuning")
    if transfer not in TRANSFERRED:
        raise UserError(f"transfer is {transfer!r}; expected one of {', '.join(TRANSFERRED)}")
    plan = SoftmaxSchedule.read(schedule)
    net = new_network(network, head="detection", outputs=len(classes) + 1, seed=seed)
    if parent:
        copy_layers(net, parent, TRANSFERRED[transfer])
    photos = Voc(voc, year, classes=classes)
    windows = collect_windows(photos, photos.images(image_set), read_proposals(proposals))
    batches = WindowBatches(
        windows,
        ImageCache(photos.image, limit=cache_gb * 1e9),
        batch=plan.batch,
        size=net.input_size,
        mean_rgb=net.mean_bgr[::-1],
        seed=seed,
    )
    return run_job(
        net,
        batches,
        SoftmaxObjective(dropout=plan.dropout, seed=seed, background=True),
        schedule=plan,
        saving=Saving.read(saving),
        weights=weights,
        log=log,
        checkpoints=checkpoints,
        conv1=conv1,
        metadata={"training": "voc", "seed": seed, "classes": ["background", *classes]},
        layer_rates={"fc8": plan.fc8_lr},
        threads=threads,
        report=report,
    )
