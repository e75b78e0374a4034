"""What the network of surface normals learns from: photos of its input's size and the true normals of their cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.normals.cells import cell_normals, mirrored_normals
from tracklearn.normals.nyuv2 import Nyuv2
from tracklearn.normals.truth import Truth
from tracklearn.training.sampling import batch_rng, coins, mirrored, shuffled


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
    """Photos and normals of some images; 795 photos of 227 pixels take 123 MB.

    Raises:
        UserError: the truth is of other images.
    """
    check_same_images(nyuv2, truth)
    return Examples(
        np.stack([network_photo(nyuv2.photo(int(image)), side) for image in images]),
        np.stack([cell_normals(truth[int(image)], cells) for image in images]),
    )


def check_same_images(nyuv2: Nyuv2, truth: Truth) -> None:
    """Check that a file of photos and a truth have as many images of the same size.

    Raises:
        UserError: they have not.
    """
    photos, normals = ((len(nyuv2), nyuv2.camera.height, nyuv2.camera.width), (len(truth), *truth.size))
    if photos != normals:
        raise UserError(
            f"{nyuv2.path}: its images (number, height, width) are {photos}, those of the true normals {normals}; "
            "compute the true normals again"
        )


@dataclass(frozen=True)
class NormalsBatches:
    """Makes the batch of an iteration: every epoch in a new order, each image mirrored at random with its normals.

    Attributes:
        examples: the training images.
        batch: images in a batch.
        seed: of orders and mirroring.
    """

    examples: Examples
    batch: int
    seed: int

    def __call__(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Photos (batch, S, S, 3) and normals (batch, cells, cells, 3)."""
        chosen = shuffled(iteration, count=self.batch, total=len(self.examples.photos), seed=self.seed)
        turned = coins(batch_rng(self.seed, iteration), self.batch)
        normals = self.examples.normals[chosen]
        normals[turned] = mirrored_normals(normals[turned])
        return torch.from_numpy(mirrored(self.examples.photos[chosen], turned)), torch.from_numpy(normals)
