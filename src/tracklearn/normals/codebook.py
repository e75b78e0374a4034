"""The words of normals: their file, and the encoding of normals (PAPER §6.2.2)."""

from pathlib import Path

import numpy as np

from tracklearn.npz import read_arrays

UNKNOWN = -1  # code of a cell without a normal


def read_words(path: str | Path) -> np.ndarray:
    """Words (K, 3) from a file of `learned_words.write_codebook`.

    Raises:
        UserError: not such a file.
    """
    return read_arrays(path, "words")["words"]


def encode(normals: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Index of the nearest word of normals (..., 3), int64 (...); `UNKNOWN` for zero vectors."""
    return np.where(normals.any(axis=-1), (normals @ words.T.astype(normals.dtype)).argmax(axis=-1), UNKNOWN)
