"""Features of windows on disk: one HDF5 file for each model and part of an image set, read image by image."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from tracklearn.errors import UserError

FORMAT = 1


class Windows(NamedTuple):
    """Windows of one image; the ground-truth boxes come first."""

    image_id: str
    boxes: np.ndarray  # (N, 4) float32
    is_gt: np.ndarray  # (N,) bool
    features: np.ndarray  # (N, D) float32, the models' features side by side


def create(
    file: h5py.File,
    *,
    ids: Sequence[str],
    boxes: Sequence[np.ndarray],
    gt: Sequence[int],
    size: int,
    attrs: Mapping[str, Any],
) -> h5py.Dataset:
    """Lay out a file for `boxes` of each image, the first `gt` of them ground truth; returns features (N, size).

    Layout: ids (I,), offsets (I + 1,), boxes (N, 4) float32, is_gt (N,) bool, features (N, D) float16 contiguous.
    """
    counts = [len(each) for each in boxes]
    file.attrs.update({"format_version": FORMAT, **attrs})
    file["ids"] = np.array([image_id.encode() for image_id in ids], dtype="S")
    file["offsets"] = np.cumsum([0, *counts])
    file["boxes"] = np.concatenate([np.zeros((0, 4), np.float32), *boxes])
    file["is_gt"] = np.concatenate(
        [np.zeros(0, bool), *(np.arange(count) < known for count, known in zip(counts, gt, strict=True))]
    )
    return file.create_dataset("features", (sum(counts), size), np.float16)


class Part:
    """Feature files of the same images from one or more models, open for reading."""

    def __init__(self, paths: Sequence[str | Path], files: ExitStack) -> None:
        self.files = [files.enter_context(_open(path)) for path in paths]
        self.ids = [image_id.decode() for image_id in self.files[0]["ids"][:]]
        self.offsets, self.boxes, self.is_gt = (self.files[0][name][:] for name in ("offsets", "boxes", "is_gt"))
        self.widths = [file["features"].shape[1] for file in self.files]
        for path, file in zip(paths, self.files, strict=True):
            if not np.array_equal(file["ids"][:], self.files[0]["ids"][:]) or not np.array_equal(
                file["boxes"][:], self.boxes
            ):
                raise UserError(
                    f"{path}: its windows differ from those of {paths[0]}; extract both from the same proposals"
                )

    def rows(self, image: int) -> slice:
        """Rows of an image."""
        return slice(int(self.offsets[image]), int(self.offsets[image + 1]))

    def windows(self, image: int, scales: np.ndarray, rows: slice | None = None) -> Windows:
        """Windows of an image (or `rows` of them), each model's features times its scale."""
        rows = self.rows(image) if rows is None else rows
        features = [
            file["features"][rows].astype(np.float32) * np.float32(s)
            for file, s in zip(self.files, scales, strict=True)
        ]
        return Windows(self.ids[image], self.boxes[rows], self.is_gt[rows], np.hstack(features))


def parts(features: Sequence[str | Path], models: int) -> list[list[str | Path]]:
    """Group a flat list, model after model and each in the order of the parts: one list of `models` files a part.

    Raises:
        UserError: the list cannot be divided among the models.
    """
    if not features or len(features) % models:
        raise UserError(f"{len(features)} feature files for {models} models; expected as many files for each model")
    count = len(features) // models
    return [list(features[part::count]) for part in range(count)]


def opened(features: Sequence[str | Path], models: int) -> Iterator[Part]:
    """Each part in turn; it is closed when the next one is asked for."""
    for paths in parts(features, models):
        with ExitStack() as files:
            yield Part(paths, files)


def all_windows(features: Sequence[str | Path], models: int, scales: np.ndarray) -> Iterator[Windows]:
    """Stream the windows of every image."""
    for part in opened(features, models):
        for image in range(len(part.ids)):
            yield part.windows(image, scales)


def image_ids(features: Sequence[str | Path], models: int) -> list[str]:
    """Ids of all images, in order."""
    return [image_id for part in opened(features, models) for image_id in part.ids]


def widths(features: Iterable[str | Path]) -> int:
    """Features of a window, summed over files of one part."""
    total = 0
    for path in features:
        with _open(path) as file:
            total += file["features"].shape[1]
    return total


def _open(path: str | Path) -> h5py.File:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"{path}: not a readable feature file ({error}); extract the features again") from error
    if file.attrs.get("format_version") != FORMAT:
        raise UserError(f"{path}: not a feature file of format {FORMAT}; extract the features again")
    return file
