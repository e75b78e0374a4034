"""Windows of photos with their features, stored or computed: what SVMs, detection and retrieval ask for."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np

from tracklearn.errors import UserError
from tracklearn.voc.annotations import Objects, Voc

FLOAT32 = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)  # of the bits of each float16
FLOAT32[np.isnan(FLOAT32)] = np.nan  # a product with a signalling NaN would warn
NO_BOXES = np.zeros((0, 4), np.float32)
Rows = Sequence[np.ndarray]
"""Which windows of each image are asked for: indices in increasing order, possibly none, into the image's windows."""


class ImageWindows(NamedTuple):
    """Windows of one image; the ground-truth boxes come first."""

    image_id: str
    boxes: np.ndarray  # (N, 4) float32
    is_gt: np.ndarray  # (N,) bool
    features: np.ndarray  # (N, D) float32, the features of the models concatenated


class Source(ABC):
    """The windows of a set of images, and their features on demand.

    Features are rounded to float16 whether they are stored or computed, so both differ by at most one float16 step.

    Args:
        ids: image ids (I,).
        boxes: boxes (N, 4) of each image, the ground-truth boxes first.
        ground_truth: number of ground-truth boxes of each image.
        names: files of the models, for error messages.
        widths: features of a window by each model.
    """

    def __init__(
        self,
        *,
        ids: Sequence[str],
        boxes: Sequence[np.ndarray],
        ground_truth: Sequence[int],
        names: Sequence[str],
        widths: Sequence[int],
    ) -> None:
        self.ids, self.boxes, self.ground_truth = list(ids), list(boxes), list(ground_truth)
        self.names, self.widths = list(names), list(widths)

    def __len__(self) -> int:
        return len(self.ids)

    def annotated(self) -> Rows:
        """The ground-truth windows of each image."""
        return [np.arange(known) for known in self.ground_truth]

    def annotated_objects(self, photos: Voc) -> list[Objects]:
        """The annotated objects of each image, whose boxes are its ground-truth windows.

        Raises:
            UserError: they are not, because the annotations changed or the features have no ground truth.
        """
        objects = [photos.objects(image_id) for image_id in self.ids]
        for image_id, boxes, known, each in zip(self.ids, self.boxes, self.ground_truth, objects, strict=True):
            if not np.array_equal(boxes[:known], each.boxes):
                raise UserError(
                    f"{self.names[0]}: the {known} ground-truth windows of image {image_id} are not the "
                    f"{len(each.boxes)} objects annotated in {photos.folder}; extract the features again, with ground "
                    "truth"
                )
        return objects

    def proposed(self) -> Rows:
        """The windows of each image that are no ground-truth windows."""
        return [np.arange(known, len(boxes)) for known, boxes in zip(self.ground_truth, self.boxes, strict=True)]

    def windows(self, rows: Rows | None = None, scales: np.ndarray | None = None) -> Generator[ImageWindows]:
        """The windows of every image in turn, or those in `rows`; nothing else is read or computed.

        Args:
            rows: for each image, the indices of the windows that are wanted. An image without any is yielded too, with
                empty arrays.
            scales: factors (models,) on the features of each model, by default 1.

        Raises:
            UserError: a photo or a file is unreadable, or a network has diverged.
        """
        chosen = [np.arange(len(boxes)) for boxes in self.boxes] if rows is None else rows
        factors: np.ndarray = (np.ones(len(self.widths)) if scales is None else scales).astype(np.float32)
        with closing(self._features(chosen)) as all_features:
            for image, (own, features) in enumerate(zip(chosen, all_features, strict=True)):
                scaled = np.empty((len(own), sum(self.widths)), np.float32)
                columns = np.split(scaled, np.cumsum(self.widths)[:-1], axis=1)
                for name, column, values, factor in zip(self.names, columns, features, factors, strict=True):
                    # Reading a table takes a fifth of the time of NumPy's conversion and product.
                    np.take(FLOAT32 * factor, values.view(np.uint16), out=column, mode="clip")
                    if not np.isfinite(column.sum()):
                        raise UserError(
                            f"{name}: a feature of image {self.ids[image]} exceeds float16; the training has diverged"
                        )
                yield ImageWindows(self.ids[image], self.boxes[image][own], own < self.ground_truth[image], scaled)

    @abstractmethod
    def _features(self, rows: Rows) -> Generator[Sequence[np.ndarray]]:
        """Features (n, D) float16 by each model of the windows in `rows`, image by image."""
