"""NYUv2 (Silberman et al., ECCV 2012): 1,449 photos of rooms with depth, in the layout of its official file."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple, Self

import h5py
import numpy as np
from scipy.io import loadmat

from tracklearn.errors import UserError
from tracklearn.files import check_claim, damage_explained
from tracklearn.normals.camera import KINECT, Camera
from tracklearn.settings.normals import LABELED, SPLITS, Normals

OFFICIAL_SPLIT = "6e081404491a8bfba2f066beaa9713ef6046f9007aa5f799f2a350506a580cee"  # SHA-256 of NYUv2's own split
NUMBERS = "fiu"  # kinds of NumPy's types that are real numbers
GET_AGAIN = "get the file again"
TUNING = 5  # one of so many training images is set aside by `normals.split: tuning`


def labeled_file(folder: str | Path) -> Path:
    """The file of images and depths in a folder of NYUv2."""
    return Path(folder, LABELED)


class Nyuv2:
    """A file in the layout of `nyu_depth_v2_labeled.mat`, read image by image.

    MATLAB writes arrays column by column, so their axes come in reverse order: `images` (N, 3, W, H) uint8 RGB,
    `depths` (N, W, H) in metres without holes, and `rawDepths` (N, W, H), 0 where the Kinect measured nothing.
    `rawDepths` may be missing. The images may have any size.

    Attributes:
        path: the file.
        camera: the Kinect at the size of the images.

    Raises:
        UserError: not such a file, a dataset is missing, or datasets of different sizes.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._file = open_hdf5(self.path, "expected nyu_depth_v2_labeled.mat")
        try:
            with damage_explained(path, GET_AGAIN):
                images = self._dataset("images")
                if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8 or not images.size:
                    raise UserError(
                        f"{path}: images are {images.dtype} {images.shape}; expected uint8 (N, 3, width, height), N > 0"
                    )
                check_claim(path, images.nbytes, GET_AGAIN)
                self._images, self._depths = images, self._depth_dataset("depths", images)
                self._raw = self._depth_dataset("rawDepths", images) if "rawDepths" in self._file else None
        except UserError:
            self.close()
            raise
        self.camera: Camera = KINECT.at(*images.shape[2:])

    def _dataset(self, name: str) -> h5py.Dataset:
        found = self._file.get(name)
        if not isinstance(found, h5py.Dataset):
            raise UserError(
                f"{self.path}: no dataset {name} in it; expected images and depths as in nyu_depth_v2_labeled.mat"
            )
        return found

    def _depth_dataset(self, name: str, images: h5py.Dataset) -> h5py.Dataset:
        depths = self._dataset(name)
        if (expected := (len(images), *images.shape[2:])) != depths.shape:
            raise UserError(
                f"{self.path}: {name} is {depths.shape}, but images are {images.shape}; expected {name} {expected}"
            )
        if depths.dtype.kind not in NUMBERS:
            raise UserError(f"{self.path}: {name} holds {depths.dtype}; expected metres")
        return depths

    def __len__(self) -> int:
        return len(self._images)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def has_raw(self) -> bool:
        """Whether the file says which pixels the Kinect measured."""
        return self._raw is not None

    def photo(self, image: int) -> np.ndarray:
        """RGB photo, uint8 (H, W, 3)."""
        return np.ascontiguousarray(self._read(self._images, image).transpose(2, 1, 0))

    def depth(self, image: int) -> np.ndarray:
        """Depth in metres, float32 (H, W); 0 where there is none.

        Raises:
            UserError: the file is damaged, a depth is negative, NaN or infinite, or there is no depth at all.
        """
        depth = self._read(self._depths, image).T.astype(np.float32, order="C")
        if not (np.isfinite(depth) & (depth >= 0)).all():
            raise UserError(
                f"{self.path}: the depth of image {image + 1} holds negative, NaN or infinite values; expected metres"
            )
        if not depth.any():
            raise UserError(f"{self.path}: the depth of image {image + 1} is 0 everywhere; expected metres")
        return depth

    def measured(self, image: int) -> np.ndarray:
        """Whether the Kinect measured each pixel, bool (H, W); all True where `has_raw` is False."""
        if self._raw is None:
            return np.ones((self.camera.height, self.camera.width), bool)
        return np.ascontiguousarray(self._read(self._raw, image).T > 0)

    def _read(self, dataset: h5py.Dataset, image: int) -> np.ndarray:
        with damage_explained(f"{self.path}: {dataset.name} of image {image + 1}", GET_AGAIN):
            values: np.ndarray = dataset[image]
        return values


def open_hdf5(path: Path, remedy: str) -> h5py.File:
    """Open an HDF5 file, which MATLAB's v7.3 files are.

    Raises:
        UserError: no such file, or it is truncated or of another kind; ends with the remedy.
    """
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {remedy}") from None
    except OSError as error:
        raise UserError(f"{path}: not a whole HDF5 file ({error}); {remedy}") from error


def read_matlab(path: Path, remedy: str) -> dict[str, Any]:
    """The arrays of a MATLAB file of the versions before 7.3.

    Raises:
        UserError: no such file, or it is truncated or of another kind; ends with the remedy.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; {remedy}")
    try:
        content: dict[str, Any] = loadmat(path)
    except MemoryError:
        raise
    except Exception as error:  # scipy has no error of its own for files of another kind
        raise UserError(f"{path}: cannot be read ({error}); {remedy}") from error
    return content


class Split(NamedTuple):
    """Indices of the images of each part, from 0, int64 in ascending order."""

    train: np.ndarray
    test: np.ndarray


def read_split(path: str | Path, images: int) -> Split:
    """Read a split like NYUv2's `splits.mat`: `trainNdxs` and `testNdxs`, numbers of images from 1.

    Args:
        images: number of images in the file that the split belongs to.

    Raises:
        UserError: not such a file, anything but whole numbers up to `images`, or an image twice.
    """
    content = read_matlab(Path(path), "expected NYUv2's splits.mat")
    names = ("trainNdxs", "testNdxs")
    if missing := [name for name in names if name not in content]:
        raise UserError(f"{path}: no {missing[0]} in it; expected NYUv2's splits.mat")
    parts = []
    for name in names:
        numbers = np.asarray(content[name]).ravel()
        if numbers.dtype.kind not in NUMBERS or not (np.isfinite(numbers) & (numbers == np.round(numbers))).all():
            raise UserError(f"{path}: {name} holds {numbers.dtype} that are no whole numbers; expected 1 to {images}")
        parts.append(part := np.sort(numbers.astype(np.int64)))
        if not len(part) or part[0] < 1 or part[-1] > images:
            shown = f"{part[0]} to {part[-1]}" if len(part) else "empty"
            raise UserError(f"{path}: {name} is {shown}, but the file of images has {images}; expected 1 to {images}")
    listed, times = np.unique(np.concatenate(parts), return_counts=True)
    if (times > 1).any():
        raise UserError(f"{path}: image {listed[times > 1][0]} is listed twice; expected each in one part, once")
    return Split(parts[0] - 1, parts[1] - 1)


def chosen_split(settings: Normals, images: int) -> Split:
    """The images that train and that are evaluated by the settings `nyuv2` and `split`.

    Args:
        images: number of images in the file that the split belongs to.

    Raises:
        UserError: as `read_split`, or too few images to set a fifth aside.
    """
    path = Path(settings.nyuv2, SPLITS)
    split = read_split(path, images)
    if settings.split == "official":
        return split
    if (total := len(split.train)) < TUNING:
        raise UserError(f"{path}: {total} training images; normals.split: tuning needs at least {TUNING}")
    order = np.random.default_rng(0).permutation(split.train)
    return Split(np.sort(order[total // TUNING :]), np.sort(order[: total // TUNING]))


def is_official(folder: str | Path) -> bool:
    """Whether the split in a folder is NYUv2's own, so that its images are those of the paper."""
    path = Path(folder, SPLITS)
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == OFFICIAL_SPLIT
