"""Decoded images in memory, as many as a limit allows."""

import threading
from collections.abc import Callable

import numpy as np


class ImageCache:
    """Calls `load` once for each key, and again only for keys that no longer fitted into `limit` bytes.

    Nothing is evicted: with batches drawn at random, what is kept first serves as well as anything else. Safe to call
    from several threads; two of them may load the same image at once.
    """

    def __init__(self, load: Callable[[str], np.ndarray], *, limit: float) -> None:
        self._load, self._limit = load, limit
        self._kept: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()
        self.bytes = 0

    def __call__(self, key: str) -> np.ndarray:
        if (kept := self._kept.get(key)) is not None:
            return kept
        image = self._load(key)
        with self._lock:
            if key not in self._kept and self.bytes + image.nbytes <= self._limit:
                self._kept[key] = image
                self.bytes += image.nbytes
        return image
