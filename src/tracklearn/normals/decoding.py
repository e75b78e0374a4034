"""Normals from the probabilities of words (PAPER §6.2.2)."""

import numpy as np
import torch
from scipy.spatial import ConvexHull, QhullError
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.networks.of_normals import NormalsHead
from tracklearn.normals.cells import unit
from tracklearn.settings.normals import Decoding


@torch.no_grad()
def predict(net: NormalsHead, images: Tensor, words: np.ndarray, decoding: Decoding = "soft") -> np.ndarray:
    """Normals of the cells of uint8 RGB images (N, S, S, 3), (N, cells, cells, 3), decoded from the words (K, 3)."""
    probabilities = net.scores(net.to_input(images)).double().softmax(-1).cpu().numpy()
    if decoding == "soft":
        return decode_soft(probabilities, words)
    return decode_triangle(probabilities, words, triangles(words))


def decode_soft(probabilities: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Mean of the words (K, 3), weighted by probabilities (..., K) and scaled to length 1."""
    return unit(probabilities @ words)


def triangles(words: np.ndarray) -> np.ndarray:
    """Words (T, 3) of the triangles into which the words divide the sphere: the faces of their convex hull.

    ASSUME: faces that look away from the camera close the hull behind the visible normals and are left out.

    Raises:
        UserError: the words lie in one plane.
    """
    try:
        hull = ConvexHull(words)
    except QhullError:
        raise UserError(
            f"normals.codebook.words is {len(words)}, but these words lie in one plane and make no triangles; raise it "
            "or set normals.codebook.decoding to soft"
        ) from None
    return np.sort(hull.simplices[hull.equations[:, 2] > 0], axis=1)


def decode_triangle(probabilities: np.ndarray, words: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Weighted mean of the three words of the triangle with the largest summed probability, scaled to length 1.

    Args:
        probabilities: (..., K).
        corners: of `triangles`, (T, 3).
    """
    best = corners[probabilities[..., corners].sum(axis=-1).argmax(axis=-1)]  # (..., 3)
    weights = np.take_along_axis(probabilities, best, axis=-1)
    return unit((weights[..., None] * words[best]).sum(axis=-2))
