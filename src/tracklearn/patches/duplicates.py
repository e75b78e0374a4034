"""Pairs that add nothing: frozen pictures, and repetitions of another pair of the same video."""

from collections.abc import Iterable

import cv2
import numpy as np

SIDE = 64  # pixels, of the thumbnails: small enough to average out the noise of the coding, large enough to keep motion


def thumbnail(patch: np.ndarray) -> np.ndarray:
    """A patch, uint8 RGB (S, S, 3), as a small grey image: uint8 (64, 64)."""
    grey = cv2.cvtColor(np.ascontiguousarray(patch), cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def change(query: np.ndarray, tracked: np.ndarray) -> float:
    """Mean absolute difference of two thumbnails in grey levels: below 1 for a frozen picture that was coded again."""
    return float(cv2.absdiff(query, tracked).mean())


def difference_hash(thumb: np.ndarray) -> int:
    """64 bits that distinguish images: for 9 x 8 grey cells, whether a cell is brighter than its left neighbour.

    Brightness, contrast, noise and scale hardly change the bits. Two different textured images differ in about 32 bits,
    two plain shapes on an empty background in few.
    """
    cells = cv2.resize(thumb, (9, 8), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes())


def repeats(pair: tuple[int, int], kept: Iterable[tuple[int, int]], bits: int) -> bool:
    """Whether a pair repeats a kept one: the hashes of both queries and of both tracked patches differ in <= `bits`."""
    return any(all((a ^ b).bit_count() <= bits for a, b in zip(pair, other, strict=True)) for other in kept)
