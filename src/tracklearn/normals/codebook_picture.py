"""The picture of the words of normals."""

import numpy as np

from tracklearn.normals.codebook import encode
from tracklearn.normals.colours import colours


def draw_words(words: np.ndarray, side: int = 256) -> np.ndarray:
    """The visible hemisphere, uint8 RGB (side, side, 3): each direction in the colour of its nearest word."""
    y, x = (1 - 2 * (np.mgrid[:side, :side] + 0.5) / side) * np.array([1, -1])[:, None, None]
    squared = x**2 + y**2
    directions = np.stack([x, y, np.sqrt(np.maximum(1 - squared, 0))], axis=-1)
    return np.where((squared < 1)[..., None], colours(words)[encode(directions, words)], 255).astype(np.uint8)
