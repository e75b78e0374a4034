"""A network trained on an ImageFolder by CaffeNet's recipe for ILSVRC."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tracklearn.machine.limits import DECODED_IMAGES_BYTES
from tracklearn.networks.initial import new_network
from tracklearn.networks.weights import transfer
from tracklearn.photos import list_image_folder, read_photo
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.network import Network
from tracklearn.settings.training import Saving, SoftmaxSchedule
from tracklearn.training.cache import ImageCache
from tracklearn.training.checkpoint import digest_of_weights
from tracklearn.training.distributed import expect_one_process
from tracklearn.training.job import run_job
from tracklearn.training.sampling import batch_rng, coins, mirrored, shuffled
from tracklearn.training.softmax import SoftmaxObjective

RESIZED = 256 / 227  # CaffeNet's recipe: images are resized to 256 x 256 and cropped to 227 x 227
REMEDY = "put ILSVRC 2012's training images there, one folder a class, or set imagenet.folder"


def _digest_of_files(folder: str | Path, files: Sequence[Path]) -> str:
    """SHA-256 of the files' paths within the folder and their sizes, in order."""
    lines = (f"{path.relative_to(folder)} {path.stat().st_size}" for path in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_image(path: str, *, size: int) -> np.ndarray:
    """Decode and resize to RGB uint8 (R, R, 3).

    R is `size` x 256 / 227, from which a square of `size` is cropped, if both sides of the image are larger than
    `size`, and else `size` itself.

    Raises:
        UserError: the file cannot be decoded.
    """
    photo = read_photo(path, at_least=round(RESIZED * size))
    side = round(RESIZED * size) if min(photo.size) > size else size
    return np.asarray(photo.resize((side, side), Image.Resampling.BILINEAR))


@dataclass(frozen=True)
class FolderBatches:
    """Makes the batch of an iteration: every epoch in a new order, each image cropped and mirrored at random.

    Attributes:
        files: the N image files.
        labels: int64 (N,), their classes.
        load: decodes a file.
        batch: images in a batch.
        size: side S of the crops.
        seed: of orders, crops and mirroring.
    """

    files: Sequence[Path]
    labels: np.ndarray
    load: ImageCache
    batch: int
    size: int
    seed: int

    def __call__(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Images uint8 RGB (N, S, S, 3) and labels (N,)."""
        rng = batch_rng(self.seed, iteration)
        chosen = shuffled(iteration, count=self.batch, total=len(self.files), seed=self.seed)
        corners = rng.random((self.batch, 2))
        images = np.empty((self.batch, self.size, self.size, 3), np.uint8)
        for place, (index, corner) in enumerate(zip(chosen, corners, strict=True)):
            image = self.load(str(self.files[index]))
            top, left = (corner * (image.shape[0] - self.size + 1)).astype(int)
            images[place] = image[top : top + self.size, left : left + self.size]
        return torch.from_numpy(mirrored(images, coins(rng, len(images)))), torch.from_numpy(self.labels[chosen])


def train_imagenet(
    *,
    folder: str | Path,
    parent: str | Path | None = None,
    network: Block = None,
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
    """Train conv1 to fc8 to classify images, from scratch or from a parent's conv layers.

    Args:
        folder: an ImageFolder, one subfolder for each class.
        parent: weights whose conv layers the training starts from; None starts from scratch.
        network: settings of `settings.network.Network`.
        schedule: settings of `settings.training.SoftmaxSchedule`.
        saving: settings of `settings.training.Saving`.
        seed: of the initial weights, batches and dropout.
        weights: file to write the weights to.
        log: file to write the log to, CSV.
        checkpoints: folder of this training's own.
        conv1: file to write a picture of conv1's filters to.
        threads: as in `loop.train`.
        report: called with each row of the log.

    Returns:
        The last row of the log.

    Raises:
        UserError: invalid settings or data, a parent of another shape, several processes, or as `loop.train`.
        SystemExit: as `loop.train`.
    """
    expect_one_process("imagenet")
    schedule = SoftmaxSchedule.read(schedule)
    classes, files, labels = list_image_folder(folder, remedy=REMEDY)
    net = new_network(network, head="detection", outputs=len(classes), seed=seed)
    if parent:
        transfer(net, parent)
    size = net.input_size
    cache = ImageCache(lambda path: read_image(path, size=size), limit=DECODED_IMAGES_BYTES)
    return run_job(
        net,
        FolderBatches(files, labels, cache, schedule.batch, size, seed),
        SoftmaxObjective(dropout=schedule.dropout, seed=seed),
        schedule=schedule,
        saving=Saving.read(saving),
        weights=weights,
        log=log,
        checkpoints=checkpoints,
        conv1=conv1,
        identity={
            "training": "imagenet",
            "network": Network.read(network).complete(),
            "schedule": schedule.complete(),
            "seed": seed,
            "parent": digest_of_weights(parent),
            "classes": classes,
            "images": len(files),
            "files": _digest_of_files(folder, files),
        },
        metadata={"training": "imagenet", "seed": seed, "classes": classes, "images": len(files)},
        layer_rates={"fc8": schedule.fc8_lr},
        threads=threads,
        report=report,
    )
