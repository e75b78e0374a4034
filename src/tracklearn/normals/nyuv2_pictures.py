"""NYUv2 as folders of pictures, made into a file of the official layout."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import atomic, is_photo
from tracklearn.normals.nyuv2_writing import Frame, write_nyuv2
from tracklearn.photos import opened_image, read_photo
from tracklearn.settings.normals import LABELED, SPLITS


def nyuv2_from_pictures(folder: str | Path, out: str | Path) -> None:
    """Write NYUv2's two files, under their official names; a file that lies there is kept.

    Args:
        folder: with photos in `nyuv2/images` whose names are in the official order, the depth of each of them in
            `nyuv2/depths/*.png`, and `splits/nyuv2_splits.mat`.
        out: folder of the two files.

    Raises:
        UserError: photos, the depth of a photo or the split are missing, or a picture is damaged or of another kind or
            size.
    """
    folder, out = Path(folder), Path(out)
    photos = sorted(path for path in (folder / "nyuv2/images").glob("*") if is_photo(path))
    depths = folder / "nyuv2/depths"
    split = folder / "splits/nyuv2_splits.mat"
    if not photos or not split.is_file():
        raise UserError(
            f"{folder}: expected photos in nyuv2/images and splits/nyuv2_splits.mat; give their folder as DATA="
        )
    if missing := [photo.stem for photo in photos if not (depths / f"{photo.stem}.png").is_file()]:
        raise UserError(f"{depths}: no {missing[0]}.png in it; expected the depth of every photo")
    if not (out / LABELED).is_file():
        write_nyuv2(out / LABELED, _frames(photos, depths), len(photos))
    if not (out / SPLITS).is_file():
        with atomic(out / SPLITS) as path:
            shutil.copy(split, path)


def _frames(photos: Sequence[Path], depths: Path) -> Iterator[Frame]:
    size: tuple[int, ...] = ()
    for photo in photos:
        stored = depths / f"{photo.stem}.png"
        frame = Frame(np.asarray(read_photo(photo)), _depth(stored))
        size = size or frame.depth.shape
        for file, (height, width) in ((photo, frame.photo.shape[:2]), (stored, frame.depth.shape)):
            if (height, width) != size:
                raise UserError(
                    f"{file}: {width} x {height} pixels; expected {size[1]} x {size[0]} as in the depth of "
                    f"{photos[0].name}; replace the file"
                )
        yield frame


def _depth(file: Path) -> np.ndarray:
    """Depth in metres (H, W) from a grey PNG of 8 bits, which holds floor(25.5 * depth), and 0 where it is unknown."""
    with opened_image(file) as image:
        mode, stored = image.mode, np.asarray(image)
    if mode != "L":
        raise UserError(
            f"{file}: its pixels are {mode} in Pillow's words; expected greys of 8 bits (L) that hold 25.5 times the "
            "depth in metres; convert it"
        )
    if not stored.any():
        raise UserError(f"{file}: its depth is 0 everywhere; expected 25.5 times the depth in metres; replace it")
    return np.where(stored > 0, (stored + np.float32(0.5)) / np.float32(25.5), np.float32(0))
