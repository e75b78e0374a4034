"""CaffeNet on an ImageFolder with CaffeNet's recipe for ILSVRC."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.networks.caffenet import CONV_LAYERS
from tracklearn.networks.initial import new_network, with_defaults
from tracklearn.networks.weights import transfer
from tracklearn.report import Report, silent
from tracklearn.training.cache import ImageCache
from tracklearn.training.checkpoint import digest_of_weights
from tracklearn.training.distributed import expect_one_process
from tracklearn.training.job import run_job
from tracklearn.training.sampling import batch_rng, coins, mirrored, shuffled
from tracklearn.training.schedule import Saving, SoftmaxSchedule
from tracklearn.training.softmax import SoftmaxObjective

RESIZED = 256 / 227  # CaffeNet's recipe: squeezed to 256 x 256, cropped to 227
REMEDY = "put ILSVRC 2012's training images there, one folder a class, or set imagenet.folder"
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


def list_images(folder: str | Path) -> tuple[list[str], list[Path], np.ndarray]:
    """Classes (the subfolders' names, sorted), image files and each file's class (N,), as in torchvision's ImageFolder.

    Raises:
        UserError: no such folder, fewer than two subfolders, or one without images.
    """
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: no ImageFolder there; {REMEDY}")
    folders = sorted(path for path in Path(folder).iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(folders) < 2:
        raise UserError(f"{folder}: {len(folders)} subfolders; expected one for each class, at least 2; {REMEDY}")
    files: list[Path] = []
    labels: list[int] = []
    for label, each in enumerate(folders):
        found = sorted(path for path in each.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            raise UserError(f"{each}: no image ({', '.join(sorted(SUFFIXES))}); remove the folder or fill it")
        files += found
        labels += [label] * len(found)
    return [each.name for each in folders], files, np.array(labels, np.int64)


def _digest_of_names(folder: str | Path, files: Sequence[Path]) -> str:
    """SHA-256 of the files' paths within the folder, in order."""
    return hashlib.sha256("\n".join(str(path.relative_to(folder)) for path in files).encode()).hexdigest()


def read_image(path: str, *, size: int) -> np.ndarray:
    """Decode to RGB uint8 (R, R, 3): R leaves room for a crop of `size` in an image larger than that, else R = `size`.

    Raises:
        UserError: not an image.
    """
    try:
        with Image.open(path) as image:
            side = round(RESIZED * size) if min(image.size) > size else size
            image.draft("RGB", (side, side))  # a JPEG is decoded at the nearest smaller scale that suffices
            return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
    except OSError as error:
        raise UserError(f"{path}: cannot be decoded ({error}); replace or remove it") from error


@dataclass(frozen=True)
class FolderBatches:
    """Batch of an iteration: every epoch in a new order, each image cropped at random and mirrored or not."""

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
    """Train conv1..fc8 to name the class of an image; from the conv layers of a `parent`, if one is given.

    `folder` is an ImageFolder, one subfolder a class. Decoded images take at most `cache_gb` of memory; those beyond it
    are decoded each time.

    Raises:
        UserError: bad config or data, a parent of another shape, a loss that is not finite, or several processes.
    """
    expect_one_process("imagenet")
    plan = SoftmaxSchedule.from_config(schedule)
    classes, files, labels = list_images(folder)
    net = new_network(network, head="detection", outputs=len(classes), seed=seed)
    if parent:
        transfer(net, parent, CONV_LAYERS)
    size = net.input_size
    cache = ImageCache(lambda path: read_image(path, size=size), limit=cache_gb * 1e9)
    return run_job(
        net,
        FolderBatches(files, labels, cache, plan.batch, size, seed),
        SoftmaxObjective(dropout=plan.dropout, seed=seed),
        schedule=plan,
        saving=Saving.from_config(saving or {}),
        weights=weights,
        log=log,
        checkpoints=checkpoints,
        conv1=conv1,
        settings={
            "training": "imagenet",
            "network": with_defaults(network),
            "schedule": asdict(plan),
            "seed": seed,
            "parent": digest_of_weights(parent),
            "classes": classes,
            "images": len(files),
            "files": _digest_of_names(folder, files),
        },
        metadata={"training": "imagenet", "seed": seed, "classes": classes},
        layer_rates={"fc8": plan.fc8_lr},
        threads=threads,
        report=report,
    )
