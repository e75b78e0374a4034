"""Files of features: one HDF5 file for each model and part of an image set, read image by image."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tracklearn.errors import UserError
from tracklearn.features.windows import NO_BOXES, Rows, Source

FORMAT = 1


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
    file["boxes"] = np.concatenate([NO_BOXES, *boxes])
    file["is_gt"] = np.concatenate(
        [np.zeros(0, bool), *(np.arange(count) < known for count, known in zip(counts, ground_truth, strict=True))]
    )
    return file.create_dataset("features", (sum(counts), width), np.float16)


class StoredFeatures(Source):
    """Features that `extract_features` wrote.

    Args:
        paths: all files, model after model, each model's in the order of the parts.
        models: number of models.

    Raises:
        UserError: a file is unreadable, the files hold different windows, or their number is not a multiple of the
            number of models.
    """

    def __init__(self, paths: Sequence[str | Path], models: int = 1) -> None:
        if not paths or len(paths) % models:
            raise UserError(f"{len(paths)} feature files for {models} models; expected as many files for each model")
        count = len(paths) // models
        self.parts = [list(paths[part::count]) for part in range(count)]  # one file a model
        ids: list[str] = []
        boxes: list[np.ndarray] = []
        ground_truth: list[int] = []
        self._starts: list[list[int]] = []  # the first row of each image in the files of its part
        for part in self.parts:
            with ExitStack() as files:
                first, *others = (files.enter_context(_open(path)) for path in part)
                for path, other in zip(part[1:], others, strict=True):
                    if not all(np.array_equal(first[name][:], other[name][:]) for name in ("ids", "boxes", "is_gt")):
                        raise UserError(
                            f"{path}: its windows differ from those of {part[0]}; extract both from the same proposals"
                        )
                offsets, is_gt = first["offsets"][:], first["is_gt"][:]
                ids += [image_id.decode() for image_id in first["ids"][:]]
                boxes += np.split(first["boxes"][:], offsets[1:-1]) if len(offsets) > 1 else []
                ground_truth += [int(is_gt[low:high].sum()) for low, high in pairwise(offsets)]
                self._starts.append(offsets[:-1].tolist())
                widths = [file["features"].shape[1] for file in (first, *others)]
        names = [str(path) for path in self.parts[0]]
        super().__init__(ids=ids, boxes=boxes, ground_truth=ground_truth, names=names, widths=widths)

    def _features(self, rows: Rows) -> Generator[Sequence[np.ndarray]]:
        images = iter(rows)
        for part, starts in zip(self.parts, self._starts, strict=True):
            with ExitStack() as stack:
                data = [stack.enter_context(_open(path))["features"] for path in part]
                for start in starts:
                    own = next(images)
                    # One block of the file that holds all rows: HDF5 reads scattered rows slowly.
                    low, high = (int(own[0]), int(own[-1]) + 1) if len(own) else (0, 0)
                    yield [each[start + low : start + high][own - low] for each in data]


def _open(path: str | Path) -> h5py.File:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"{path}: not a readable feature file ({error}); extract the features again") from error
    if file.attrs.get("format_version") != FORMAT:
        raise UserError(f"{path}: not a feature file of format {FORMAT}; extract the features again")
    return file
