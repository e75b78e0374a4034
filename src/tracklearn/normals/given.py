"""Normals of NYUv2 that others computed.

- Ladicky et al. (ECCV 2014): `nyu_normals_gt` with `train/00001.png`, ..., whose colours are (n + 1) / 2 in 8 bits; or
  one array of all images, as others pass them on in MATLAB or HDF5 files.
- FAIR's benchmark (Goyal et al., ICCV 2019): `all_normals.pklz`, a gzipped pickle of a dictionary with `all_normals`
  (N, H, W, 3) and `all_valid_depth_masks` (N, H, W).
"""

import gzip
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import check_claim, damage_explained, is_photo
from tracklearn.normals.axes import AxesCheck, with_axes
from tracklearn.normals.nyuv2 import GET_AGAIN, NUMBERS, open_hdf5, read_matlab
from tracklearn.photos import read_photo

ARRAYS = ("norms", "normals", "all_normals")
GREY = 0.1  # a normal in colours that is shorter is grey, where nothing was drawn
CHECKED = 100  # images whose normals show whether the axes are right
MASK = "all_valid_depth_masks"
ARRAY_PARTS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),  # Python 2 pickles bytes as text
}


class ArraysOnly(pickle.Unpickler):
    """Reads pickles of arrays, numbers, text, lists and dictionaries; anything else could run code of the file."""

    def find_class(self, module: str, name: str) -> Any:
        """The class or function of this name, if arrays are made of it."""
        if (module, name) not in ARRAY_PARTS:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, not only arrays")
        return super().find_class(module, name)


class GivenNormals:
    """Normals of all images of a file, in the order of NYUv2.

    Args:
        path: `.mat` (any version), `.h5`, `.hdf5`, `.pkl` or `.pklz`, or a folder of PNG files.
        photos: number, height and width of the photos that the normals belong to.
        axes: setting `normals.axes`.

    Raises:
        UserError: not such a file, no array of normals in it, normals of other photos, or other axes.
    """

    def __init__(self, path: str | Path, photos: tuple[int, int, int], axes: str):
        self.path, self._axes = Path(path), axes
        normals, mask = _read(self.path)
        if (order := axis_order(normals.shape, (*photos, 3))) is None:
            raise UserError(
                f"{path}: its normals are {tuple(normals.shape)}, but there are {photos[0]} photos of "
                f"{photos[2]} x {photos[1]} pixels; expected {(*photos, 3)}, or its axes reversed as MATLAB writes them"
            )
        if mask is not None and mask.shape != photos:
            raise UserError(f"{path}: {MASK} is {mask.shape}; expected {photos}")
        self._normals, self._mask, self._order = normals, mask, order
        check = AxesCheck()
        for image in np.unique(np.linspace(0, photos[0] - 1, CHECKED).astype(int)):
            check.add(self[image])
        check.require_identity(str(path), axes)

    def __getitem__(self, image: int) -> np.ndarray:
        """Normals (H, W, 3) float32 of unit length; zero where the file has none.

        Raises:
            UserError: NaN or infinite values where the file's mask says that it has a normal.
        """
        first, *rest = self._order
        with damage_explained(f"{self.path}: the normals of image {image + 1}", GET_AGAIN):
            values = np.asarray(self._normals[(slice(None),) * first + (image,)], np.float32)
        values = values.transpose([axis - (axis > first) for axis in rest])  # (H, W, 3)
        if self._mask is not None:
            values = np.where(self._mask[image][..., None] != 0, values, 0)
        if not np.isfinite(values).all():
            raise UserError(f"{self.path}: the normals of image {image + 1} hold NaN or infinite values")
        length = np.linalg.norm(values, axis=-1, keepdims=True)
        return with_axes(np.divide(values, length, out=np.zeros_like(values), where=length > 0), self._axes)


class _Pictures:
    """PNG files of normals below a folder, named after their images' numbers from 1, as one array (N, H, W, 3)."""

    def __init__(self, folder: Path):
        pictures = (file for file in folder.rglob("*") if is_photo(file) and file.suffix.lower() == ".png")
        self._files = sorted(pictures, key=lambda file: (len(file.stem), file.stem))
        for number, file in enumerate(self._files, start=1):
            if not file.stem.isdecimal() or int(file.stem) != number:
                raise UserError(f"{file}: expected the normals of image {number}; their files are numbered from 1")
        if not self._files:
            raise UserError(f"{folder}: no PNG file in it; expected normals such as train/00001.png")
        self.shape = (len(self._files), *self._read(0).shape)

    def _read(self, image: int) -> np.ndarray:
        return np.asarray(read_photo(self._files[image]))

    def __getitem__(self, index: tuple[int]) -> np.ndarray:
        normals = self._read(index[0]).astype(np.float32) / 127.5 - 1
        if normals.shape != self.shape[1:]:
            raise UserError(
                f"{self._files[index[0]]}: {normals.shape}; expected {self.shape[1:]} as in the first image"
            )
        normals[np.linalg.norm(normals, axis=-1) < GREY] = 0
        return normals


def axis_order(shape: tuple[int, ...], expected: tuple[int, ...]) -> tuple[int, ...] | None:
    """Which axis of an array is image, row, column and component; None where the sizes fit no known order.

    Known are (N, H, W, 3) of FAIR, (N, 3, H, W), MATLAB's (H, W, 3, N), and the reverse of that as h5py reads it.
    """
    for order in [(0, 1, 2, 3), (0, 2, 3, 1), (3, 0, 1, 2), (0, 3, 2, 1)]:
        if len(shape) == 4 and tuple(shape[axis] for axis in order) == expected:
            return order
    return None


def _read(path: Path) -> tuple[Any, np.ndarray | None]:
    """The array of normals, on disk where the format allows, and the mask of valid normals, if there is one."""
    if path.is_dir():
        return _Pictures(path), None
    if path.suffix in (".pkl", ".pickle", ".pklz"):
        content = _unpickled(path)
    elif path.suffix == ".mat" and not h5py.is_hdf5(path):
        content = read_matlab(path, "expected a MATLAB file with normals")
    else:
        content = open_hdf5(path, "expected a MATLAB, HDF5 or pickle file with normals")
    with damage_explained(path, GET_AGAIN):
        found = [name for name in ARRAYS if name in content]
        if not found:
            raise UserError(f"{path}: no array of normals in it; expected one of the names {', '.join(ARRAYS)}")
        normals = content[found[0]]
        if getattr(normals, "dtype", np.dtype(object)).kind not in NUMBERS:  # an HDF5 group has no dtype
            raise UserError(f"{path}: {found[0]} is no array of numbers; expected normals (N, H, W, 3)")
        for array in (normals, content.get(MASK, normals)):
            if not isinstance(array, np.ndarray):  # in memory it was read already
                check_claim(path, array.nbytes, GET_AGAIN)
        return normals, np.asarray(content[MASK]) if MASK in content else None


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        with gzip.open(path) if path.suffix == ".pklz" else open(path, "rb") as file:
            content = ArraysOnly(file, encoding="latin1").load()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected normals of NYUv2") from None
    except MemoryError:
        raise
    except Exception as error:  # damaged pickles raise errors of every kind
        raise UserError(f"{path}: cannot be read ({error}); expected pickled arrays") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}; expected a dictionary with {ARRAYS[-1]}")
    return {name: np.asarray(array) for name, array in content.items() if name in (*ARRAYS, MASK)}
