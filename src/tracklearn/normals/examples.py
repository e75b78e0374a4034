"""What the network of surface normals learns from: photos of its input's size and the true normals of their cells."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from tracklearn.normals.cells import cell_normals
from tracklearn.normals.nyuv2 import Nyuv2
from tracklearn.normals.truth import Truth


class Examples(NamedTuple):
    """Photos uint8 RGB (N, S, S, 3) and normals float32 (N, cells, cells, 3), zero where they are unknown."""

    photos: np.ndarray
    normals: np.ndarray


def network_photo(photo: np.ndarray, side: int) -> np.ndarray:
    """A photo (H, W, 3) squeezed to a square as in `photos.read_square`: uint8 (side, side, 3).

    ASSUME: the paper does not say how photos of 640 x 480 become square. Its cells divide the whole photo.
    """
    return np.asarray(Image.fromarray(photo).resize((side, side), Image.Resampling.BILINEAR))


def read_examples(nyuv2: Nyuv2, truth: Truth, images: Sequence[int] | np.ndarray, *, side: int, cells: int) -> Examples:
    """Photos and normals of some images; 795 photos of 227 pixels take 123 MB."""
    return Examples(
        np.stack([network_photo(nyuv2.photo(int(image)), side) for image in images]),
        np.stack([cell_normals(truth[int(image)], cells) for image in images]),
    )
