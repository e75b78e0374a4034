"""Files of features: one HDF5 file for each model and part of an image set, read image by image."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from tracklearn.errors import UserError

FORMAT = 1


class ImageWindows(NamedTuple):
    """Windows of one image; the ground-truth boxes come first."""

    image_id: str
    boxes: np.ndarray  # (N, 4) float32
    is_gt: np.ndarray  # (N,) bool
    features: np.ndarray  # (N, D) float32, the features of the models concatenated


def create(
    file: h5py.File,
    *,
    ids: Sequence[str],
    boxes: Sequence[np.ndarray],
    ground_truth: Sequence[int],
    width: int,
    attrs: Mapping[str, Any],
) -> h5py.Dataset:
    """Write everything but the features to a new file, and return its empty dataset of features (N, width).

    Layout: ids (I,), offsets (I + 1,), boxes (N, 4) float32, is_gt (N,) bool, features (N, width) float16, contiguous.

    Args:
        ids: image ids (I,).
        boxes: boxes (n, 4) of each image, the ground-truth boxes first.
        ground_truth: number of ground-truth boxes of each image.
        width: features of a window.
        attrs: attributes of the file.
    """
    counts = [len(each) for each in boxes]
    file.attrs.update({"format_version": FORMAT, **attrs})
    file["ids"] = np.array([image_id.encode() for image_id in ids], dtype="S")
    file["offsets"] = np.cumsum([0, *counts])
    file["boxes"] = np.concatenate([np.zeros((0, 4), np.float32), *boxes])
    file["is_gt"] = np.concatenate(
        [np.zeros(0, bool), *(np.arange(count) < known for count, known in zip(counts, ground_truth, strict=True))]
    )
    return file.create_dataset("features", (sum(counts), width), np.float16)


class Part:
    """Feature files of one part of an image set, one file a model, open for reading.

    Raises:
        UserError: a file is unreadable, or the files hold different windows.
    """

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
        """Rows of an image's windows; `image` is its index in the part."""
        return slice(int(self.offsets[image]), int(self.offsets[image + 1]))

    def windows(self, image: int, scales: np.ndarray, rows: slice | None = None) -> ImageWindows:
        """Windows of an image, or those of them in `rows`; the features of each model are multiplied by its scale."""
        rows = self.rows(image) if rows is None else rows
        features = [
            file["features"][rows].astype(np.float32) * np.float32(scale)
            for file, scale in zip(self.files, scales, strict=True)
        ]
        return ImageWindows(self.ids[image], self.boxes[rows], self.is_gt[rows], np.hstack(features))


def part_paths(feature_paths: Sequence[str | Path], models: int) -> list[list[str | Path]]:
    """The files of each part, one file a model.

    Args:
        feature_paths: all files, model after model, each model's in the order of the parts.
        models: number of models.

    Raises:
        UserError: the number of files is not a multiple of the number of models.
    """
    if not feature_paths or len(feature_paths) % models:
        raise UserError(
            f"{len(feature_paths)} feature files for {models} models; expected as many files for each model"
        )
    count = len(feature_paths) // models
    return [list(feature_paths[part::count]) for part in range(count)]


def open_parts(feature_paths: Sequence[str | Path], models: int) -> Iterator[Part]:
    """Each part in turn; its files are closed before the next part is opened."""
    for paths in part_paths(feature_paths, models):
        with ExitStack() as files:
            yield Part(paths, files)


def all_windows(feature_paths: Sequence[str | Path], models: int, scales: np.ndarray) -> Iterator[ImageWindows]:
    """The windows of every image in turn; see `Part.windows`."""
    for part in open_parts(feature_paths, models):
        for image in range(len(part.ids)):
            yield part.windows(image, scales)


def image_ids(feature_paths: Sequence[str | Path], models: int) -> list[str]:
    """Ids of all images, in order."""
    return [image_id for part in open_parts(feature_paths, models) for image_id in part.ids]


def feature_width(paths: Iterable[str | Path]) -> int:
    """Features of a window in all files of one part together."""
    total = 0
    for path in paths:
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
