"""What a number in Table 2 is worth: predictions without a look at the photo, and the codebook's own error."""

from collections.abc import Iterable

import numpy as np

from tracklearn.normals.cells import cell_normals, unit
from tracklearn.normals.codebook import UNKNOWN, encode
from tracklearn.normals.truth import Truth

CAMERA_AXIS = np.array([[[0.0, 0.0, 1.0]]], np.float32)
"""Every surface faces the camera, as one cell (1, 1, 3)."""


def mean_cells(truth: Truth, images: Iterable[int] | np.ndarray, cells: int) -> np.ndarray:
    """Mean normal of each cell over some images, (cells, cells, 3); towards the camera where no image has one."""
    total = np.zeros((cells, cells, 3))
    for image in images:
        total += cell_normals(truth[int(image)], cells)
    return np.where(total.any(axis=-1, keepdims=True), unit(total), CAMERA_AXIS).astype(np.float32)


def words_of_cells(normals: np.ndarray, words: np.ndarray, cells: int) -> np.ndarray:
    """Normals (H, W, 3) encoded and decoded, (cells, cells, 3): the right word in every cell."""
    codes = encode(cell_normals(normals, cells), words)
    return np.where((codes != UNKNOWN)[..., None], words[codes], 0).astype(np.float32)
