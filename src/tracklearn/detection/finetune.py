"""Fine-tuning on VOC's windows as R-CNN samples them (Girshick et al. 2014; https://github.com/rbgirshick/rcnn)."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.machine.limits import DECODED_IMAGES_BYTES
from tracklearn.networks.initial import new_network
from tracklearn.networks.weights import transfer as copy_layers
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.network import Network
from tracklearn.settings.training import Saving, SoftmaxSchedule
from tracklearn.training.cache import ImageCache
from tracklearn.training.checkpoint import digest_of_weights
from tracklearn.training.distributed import expect_one_process
from tracklearn.training.job import run_job
from tracklearn.training.sampling import batch_rng, coins, mirrored
from tracklearn.training.softmax import SoftmaxObjective
from tracklearn.voc.annotations import Voc
from tracklearn.voc.boxes import iou
from tracklearn.voc.image_sets import CLASSES
from tracklearn.voc.proposals_file import read_proposals
from tracklearn.voc.warp import placements, warp_each

FOREGROUND_IOU = 0.5  # PAPER R-CNN §2.3
FOREGROUND_SHARE = 0.25  # PAPER R-CNN §2.3: 32 of 128


@dataclass(frozen=True)
class TrainingWindows:
    """Labelled windows of several images, M in all."""

    ids: Sequence[str]  # of the images, (I,)
    images: np.ndarray  # (M,) index into `ids`
    boxes: np.ndarray  # (M, 4)
    labels: np.ndarray  # (M,) 0 for background, otherwise 1 + the class


def window_labels(boxes: np.ndarray, object_boxes: np.ndarray, object_labels: np.ndarray) -> np.ndarray:
    """Labels (N,) int64 of boxes (N, 4): 1 + the class of the object with the largest IoU, 0 where no IoU reaches 0.5.

    Difficult objects count (R-CNN's rcnn_make_window_file).

    Args:
        object_boxes, object_labels: (K, 4) and (K,) of the image's objects.
    """
    if not len(object_boxes):
        return np.zeros(len(boxes), np.int64)
    overlaps = iou(boxes, object_boxes)
    return np.where(overlaps.max(1) >= FOREGROUND_IOU, object_labels[overlaps.argmax(1)] + 1, 0)


def collect_windows(photos: Voc, ids: Sequence[str], proposals: Mapping[str, np.ndarray]) -> TrainingWindows:
    """Annotated boxes and proposals of every image, with their labels.

    Raises:
        UserError: an image without proposals, or a set without foreground or background windows.
    """
    images, boxes, labels = [], [], []
    for index, image_id in enumerate(ids):
        if image_id not in proposals:
            raise UserError(f"fine-tuning: image {image_id} is in no file of proposals; make its proposals first")
        objects = photos.objects(image_id)
        windows = np.concatenate([objects.boxes, proposals[image_id]])
        boxes.append(windows)
        labels.append(window_labels(windows, objects.boxes, objects.labels))
        images.append(np.full(len(windows), index, np.int32))
    found = TrainingWindows(ids, np.concatenate(images), np.concatenate(boxes), np.concatenate(labels))
    foreground = int((found.labels > 0).sum())
    if foreground in (0, len(found.labels)):
        raise UserError(
            f"fine-tuning: {foreground} of {len(found.labels)} windows in {len(ids)} images show an object; "
            "expected some of both kinds; check the annotations and proposals"
        )
    return found


def _digest_of_windows(windows: TrainingWindows, photos: Voc) -> str:
    """SHA-256 of all windows and labels, and of the names and sizes of the photos behind them."""
    sizes = [photos.photo_path(image_id).stat().st_size for image_id in windows.ids]
    digest = hashlib.sha256(repr(list(zip(windows.ids, sizes, strict=True))).encode())
    for values in (windows.images, windows.boxes, windows.labels):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


class WindowBatches:
    """Batches of an iteration: a quarter is foreground and the rest background, drawn with replacement.

    Each window is mirrored with probability 1/2. `load` gives the photo (H, W, 3) of an image id.
    """

    def __init__(
        self,
        windows: TrainingWindows,
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
        photos = [self.load(self.windows.ids[image]) for image in self.windows.images[chosen].tolist()]
        shapes = np.array([photo.shape[:2] for photo in photos])
        places = placements(self.windows.boxes[chosen], shapes, size=self.size)
        images = warp_each(photos, places, mean=np.rint(self.mean_rgb).tolist(), size=self.size)
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
    network: Block,
    schedule: Block,
    saving: Block = None,
    seed: int,
    weights: str | Path,
    log: str | Path,
    checkpoints: str | Path,
    conv1: str | Path,
    threads: int | None = None,
    report: Report = silent,
) -> dict[str, float]:
    """Train conv1 to fc8 to classify windows; output 0 of fc8 is background, the classes follow.

    Args:
        parent: weights file; without it all weights are random (the rows "scratch").
        transfer: which layers are copied from `parent`; the others are random. "conv" (W&G) copies conv1 to conv5, and
            "fc7" (R-CNN) fc6 and fc7 too.
        network, schedule, saving: blocks `network` and `saving`, and an entry of `schedules`.

    Raises:
        UserError: an invalid setting, invalid data, a parent of another shape, a loss that is not finite, or a training
            by several processes.
    """
    expect_one_process("fine-tuning")
    plan = SoftmaxSchedule.read(schedule)
    net = new_network(network, head="detection", outputs=len(classes) + 1, seed=seed)
    if transfer not in net.transferable:
        raise UserError(f"transfer is {transfer!r}; expected one of {', '.join(net.transferable)}")
    if parent:
        copy_layers(net, parent, transfer)
    photos = Voc(voc, year, classes=classes)
    windows = collect_windows(photos, photos.images(image_set), read_proposals(proposals))
    batches = WindowBatches(
        windows,
        ImageCache(photos.image, limit=DECODED_IMAGES_BYTES),
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
        identity={
            "training": "voc",
            "network": Network.read(network).complete(),
            "schedule": plan.complete(),
            "seed": seed,
            "transfer": transfer,
            "parent": digest_of_weights(parent),
            "image_set": image_set,
            "classes": list(classes),
            "windows": _digest_of_windows(windows, photos),
        },
        metadata={"training": "voc", "seed": seed, "classes": ["background", *classes]},
        layer_rates={"fc8": plan.fc8_lr},
        threads=threads,
        report=report,
    )
