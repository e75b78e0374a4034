"""The words of normals: k-means on the sphere, encoding and decoding (PAPER §6.2.2)."""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from PIL import Image
from scipy.spatial import ConvexHull
from sklearn.cluster import KMeans

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.normals.cells import unit
from tracklearn.normals.nyuv2 import chosen_split
from tracklearn.normals.truth import Truth
from tracklearn.settings.base import Block
from tracklearn.settings.normals import Normals

UNKNOWN = -1  # code of a cell without a normal


def write_codebook(
    truth: str | Path, *, settings: Block = None, out: str | Path, picture: str | Path
) -> dict[str, float]:
    """Learn the words from random pixels of the training images.

    Args:
        truth: file of `truth.write_truth`.
        settings: `settings.normals.Normals`, of which `nyuv2`, `split` and, of `codebook`, `words`, `sample` and `seed`
            count.
        out: npz file with `words`, float64 (K, 3).
        picture: PNG file of the words, see `draw_words`.

    Returns:
        Number of words and of the pixels behind them.

    Raises:
        UserError: damaged files, or fewer different normals than words.
    """
    normals = Normals.read(settings)
    codebook = normals.codebook
    with Truth(truth) as true:
        sample = sample_normals(true, chosen_split(normals, len(true)).train, codebook.sample, codebook.seed)
    words = learn_words(sample, codebook.words, codebook.seed)
    with atomic(out) as temporary:
        np.savez(temporary, words=words)
    with atomic(picture) as temporary:
        Image.fromarray(draw_words(words)).save(temporary, format="png")
    return {"words": float(len(words)), "pixels": float(len(sample))}


def read_words(path: str | Path) -> np.ndarray:
    """Words (K, 3) from a file of `write_codebook`.

    Raises:
        UserError: not such a file.
    """
    try:
        with np.load(path) as stored:
            words: np.ndarray = stored["words"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"{path}: no codebook of normals ({error}); delete it and run again") from error
    return words


def sample_normals(truth: Truth, images: Sequence[int] | np.ndarray, per_image: int, seed: int = 0) -> np.ndarray:
    """Normals (n, 3) of random pixels that have one, at most `per_image` of each image."""
    samples = []
    for image in images:
        known = truth[int(image)].reshape(-1, 3)
        known = known[known.any(axis=1)]
        rng = np.random.default_rng([seed, int(image)])
        samples.append(known[rng.choice(len(known), min(per_image, len(known)), replace=False)])
    return np.concatenate(samples)


def learn_words(normals: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Words (count, 3): centres of k-means of the unit vectors (n, 3), scaled to length 1.

    Raises:
        UserError: fewer different normals than words.
    """
    if (different := len(np.unique(normals, axis=0))) < count:
        raise UserError(
            f"normals.codebook.words is {count}, but the sample holds {different} different normals; lower it"
        )
    kmeans = KMeans(count, n_init=4, random_state=seed).fit(normals.astype(np.float64))
    return unit(kmeans.cluster_centers_)


def encode(normals: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Index of the nearest word of normals (..., 3), int64 (...); `UNKNOWN` for zero vectors."""
    return np.where(normals.any(axis=-1), (normals @ words.T.astype(normals.dtype)).argmax(axis=-1), UNKNOWN)


def decode_soft(probabilities: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Mean of the words (K, 3), weighted by probabilities (..., K) and scaled to length 1."""
    return unit(probabilities @ words)


def triangles(words: np.ndarray) -> np.ndarray:
    """Words (T, 3) of the triangles into which the words divide the sphere: the faces of their convex hull.

    ASSUME: faces that look away from the camera close the hull behind the visible normals and are left out.
    """
    hull = ConvexHull(words)
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


def colours(normals: np.ndarray) -> np.ndarray:
    """Normals (..., 3) in the paper's colours, uint8 RGB: x blue, y green, z red; black where there is none."""
    rgb = np.round(127.5 * (1 + normals[..., ::-1]))
    return (rgb * normals.any(axis=-1, keepdims=True)).astype(np.uint8)


def draw_words(words: np.ndarray, side: int = 256) -> np.ndarray:
    """The visible hemisphere, uint8 RGB (side, side, 3): each direction in the colour of its nearest word."""
    y, x = (1 - 2 * (np.mgrid[:side, :side] + 0.5) / side) * np.array([1, -1])[:, None, None]
    squared = x**2 + y**2
    directions = np.stack([x, y, np.sqrt(np.maximum(1 - squared, 0))], axis=-1)
    return np.where((squared < 1)[..., None], colours(words)[encode(directions, words)], 255).astype(np.uint8)
