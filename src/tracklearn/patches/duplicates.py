"""Pairs that add nothing: those of a picture that stands still, and those that repeat another of their video."""

from collections.abc import Iterable

import cv2
import numpy as np

SIDE = 64  # of the thumbnails that are compared, pixels: noise of the coding averages out, motion stays


def thumbnail(patch: np.ndarray) -> np.ndarray:
    """A patch, uint8 RGB (S, S, 3), small and grey: uint8 (64, 64)."""
    grey = cv2.cvtColor(np.ascontiguousarray(patch), cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def change(query: np.ndarray, tracked: np.ndarray) -> float:
    """Mean absolute difference of two thumbnails, grey levels: below 1 in a frozen picture, coding noise and all."""
    return float(cv2.absdiff(query, tracked).mean())


def difference_hash(thumb: np.ndarray) -> int:
    """64 bits that tell pictures apart: of 9 x 8 grey cells, whether each is brighter than the one to its left.

    Brightness, contrast, noise and scale hardly change it; two textured pictures that are unlike differ in about 32
    bits, two plain shapes on an empty ground in few.
    """
    cells = cv2.resize(thumb, (9, 8), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes())


def repeats(pair: tuple[int, int], kept: Iterable[tuple[int, int]], bits: int) -> bool:
    """Whether both hashes of a pair, of query and tracked patch, lie within `bits` of those of a pair that is kept."""
    return any(all((a ^ b).bit_count() <= bits for a, b in zip(pair, other, strict=True)) for other in kept)
