"""Files in NYUv2's layout, written image by image."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from tracklearn.files import atomic


class Frame(NamedTuple):
    """An image of NYUv2: photo uint8 (H, W, 3) and depth in metres (H, W); `raw` is 0 where nothing was measured."""

    photo: np.ndarray
    depth: np.ndarray
    raw: np.ndarray | None = None


def write_nyuv2(path: str | Path, frames: Iterable[Frame], count: int) -> None:
    """Write a file in NYUv2's layout; `frames` yields `count` images of one size, with `raw` in all or in none."""
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        for index, frame in enumerate(frames):
            arrays = {"images": frame.photo.transpose(2, 1, 0), "depths": frame.depth.T.astype(np.float32)}
            if frame.raw is not None:
                arrays["rawDepths"] = frame.raw.T.astype(np.float32)
            for name, array in arrays.items():
                if not index:
                    options: dict[str, Any] = {"chunks": (1, *array.shape), "compression": "gzip"}
                    file.create_dataset(name, (count, *array.shape), array.dtype, **options)
                file[name][index] = array
