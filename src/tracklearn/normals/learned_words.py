"""Words of normals, learned by k-means on the sphere (PAPER §6.2.2)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.cluster import KMeans

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.normals.cells import unit
from tracklearn.normals.codebook_picture import draw_words
from tracklearn.normals.nyuv2 import chosen_split
from tracklearn.normals.truth import Truth
from tracklearn.npz import write_arrays
from tracklearn.settings.base import Block
from tracklearn.settings.normals import Normals


def write_codebook(
    truth: str | Path, *, settings: Block = None, out: str | Path, picture: str | Path
) -> dict[str, float]:
    """Learn the words from random pixels of the training images.

    Args:
        truth: file of `true_normals.write_truth`.
        settings: `settings.normals.Normals`, of which `nyuv2`, `split` and, of `codebook`, `words`, `sample` and `seed`
            count.
        out: npz file with `words`, float64 (K, 3).
        picture: PNG file of the words, see `codebook_picture.draw_words`.

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
    write_arrays(out, words=words)
    with atomic(picture) as temporary:
        Image.fromarray(draw_words(words)).save(temporary, format="png")
    return {"words": float(len(words)), "pixels": float(len(sample))}


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
