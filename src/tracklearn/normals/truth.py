"""The file of true normals, as what trains and scores reads it."""

from pathlib import Path
from typing import Self

import h5py
import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import check_claim, damage_explained
from tracklearn.hdf5 import check_heaps
from tracklearn.normals.nyuv2 import open_hdf5

WITH_TEXTS = 1 << 20  # bytes at the start of a file, where the texts are
RUN_AGAIN = "delete it and run again"
REPORTED = 50  # images from one report of progress to the next
SCALE = 32767  # normals are stored in 16 bits, which is within 0.003 degrees


class Truth:
    """True normals, read image by image from a file of `true_normals.write_truth`.

    Attributes:
        source: where the normals come from, in words.
        mask: which pixels count, in words.
        size: height and width of the images.

    Raises:
        UserError: not such a file.
    """

    def __init__(self, path: str | Path):
        self._file = open_hdf5(Path(path), RUN_AGAIN)
        self.path = Path(path)
        try:
            with damage_explained(path, RUN_AGAIN):
                found = self._file.get("normals")
                if not isinstance(found, h5py.Dataset) or not {"source", "mask"} <= set(found.attrs):
                    raise UserError(f"{path}: no true normals in it; {RUN_AGAIN}")
                if found.dtype != np.int16 or found.ndim != 4 or found.shape[3] != 3:
                    raise UserError(f"{path}: its normals are {found.dtype} {found.shape}; {RUN_AGAIN}")
                check_claim(path, found.nbytes, RUN_AGAIN)
                with open(path, "rb") as file:
                    check_heaps(path, file.read(WITH_TEXTS), RUN_AGAIN)
                self.source, self.mask = (str(found.attrs[name]) for name in ("source", "mask"))
        except UserError:
            self._file.close()
            raise
        self._normals = found
        self.size: tuple[int, int] = self._normals.shape[1:3]

    def __len__(self) -> int:
        return len(self._normals)

    def __getitem__(self, image: int) -> np.ndarray:
        """Normals float32 (H, W, 3) of unit length within 16 bits; zero where there is no truth."""
        with damage_explained(self.path, RUN_AGAIN):
            return self._normals[image].astype(np.float32) / SCALE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
