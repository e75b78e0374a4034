"""Decoded images in memory, as many as a limit allows."""

import threading
from collections.abc import Callable

import numpy as np


class ImageCache:
    """Calls `load` once for each key, and again only for keys whose images did not fit into `limit` bytes.

    Nothing is evicted: batches are drawn at random, so that the images loaded first are as useful as any others.
    Several threads may use a cache at once; two of them may load the same image at the same time.
    """

    def __init__(self, load: Callable[[str], np.ndarray], *, limit: float) -> None:
        self._load, self._limit = load, limit
        self._images: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()
        self.bytes = 0

    def __call__(self, key: str) -> np.ndarray:
        if (cached := self._images.get(key)) is not None:
            return cached
        image = self._load(key)
        with self._lock:
            if key not in self._images and self.bytes + image.nbytes <= self._limit:
                self._images[key] = image
                self.bytes += image.nbytes
        return image
