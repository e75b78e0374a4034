"""Files of features: one HDF5 file for each model and part of an image set, read image by image."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from tracklearn.errors import UserError
from tracklearn.features.windows import NO_BOXES, Rows, Source
from tracklearn.files import check_claim, damage_explained

FORMAT = 1
EXTRACT_AGAIN = "extract the features again"


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
            first, *others = map(_read_windows, part)
            for path, other in zip(part[1:], others, strict=True):
                if not all(
                    np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(first[:4], other[:4], strict=True)
                ):
                    raise UserError(
                        f"{path}: its windows differ from those of {part[0]}; extract both from the same proposals"
                    )
            ids += first.ids
            boxes += np.split(first.boxes, first.offsets[1:-1]) if first.ids else []
            ground_truth += [int(first.is_gt[low:high].sum()) for low, high in pairwise(first.offsets)]
            self._starts.append(first.offsets[:-1].tolist())
            widths = [each.width for each in (first, *others)]
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
                    yield [_rows(each, start + low, start + high)[own - low] for each in data]


class _Windows(NamedTuple):
    """What a file says of its windows."""

    ids: list[str]
    boxes: np.ndarray
    is_gt: np.ndarray
    offsets: np.ndarray
    width: int


def _read_windows(path: str | Path) -> _Windows:
    with _open(path) as file, damage_explained(path, EXTRACT_AGAIN):
        shapes = {name: file[name].shape for name in ("ids", "offsets", "boxes", "is_gt", "features")}
        images, count = len(file["ids"]), len(file["features"])
        width = shapes["features"][-1]
        wanted = {"ids": (images,), "offsets": (images + 1,), "boxes": (count, 4), "is_gt": (count,)}
        wanted |= {"features": (count, width)}
        types = {name: file[name].dtype for name in ("boxes", "is_gt", "features")}
        if shapes != wanted or types != {"boxes": np.float32, "is_gt": bool, "features": np.float16}:
            raise UserError(f"{path}: its arrays are {shapes}, expected {wanted}; {EXTRACT_AGAIN}")
        check_claim(path, file["features"].nbytes + file["boxes"].nbytes + 8 * (images + 1), EXTRACT_AGAIN)
        offsets, boxes = file["offsets"][:], file["boxes"][:]
        ids = [image_id.decode() for image_id in file["ids"][:]]
        if offsets[0] != 0 or offsets[-1] != count or (np.diff(offsets) < 0).any() or not np.isfinite(boxes).all():
            raise UserError(f"{path}: its offsets or boxes are damaged; {EXTRACT_AGAIN}")
        return _Windows(ids, boxes, file["is_gt"][:], offsets, width)


def _rows(features: h5py.Dataset, low: int, high: int) -> np.ndarray:
    path = features.file.filename
    with damage_explained(path, EXTRACT_AGAIN):
        rows: np.ndarray = features[low:high]
    return rows


def _open(path: str | Path) -> h5py.File:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"{path}: not a readable feature file ({error}); {EXTRACT_AGAIN}") from error
    with damage_explained(path, EXTRACT_AGAIN):
        version = file.attrs.get("format_version")
    if version != FORMAT:
        raise UserError(f"{path}: not a feature file of format {FORMAT}; {EXTRACT_AGAIN}")
    return file
