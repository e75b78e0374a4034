"""Prepare NYUv2 from a folder with `nyuv2/` and `splits/`: a file in the official layout, and the split."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tracklearn.files import atomic
from tracklearn.normals.nyuv2 import LABELED, SPLITS, Frame, write_nyuv2
from tracklearn.photos import read_photo

HERE = Path(__file__).parent


def frames(photos: Sequence[Path], depths: Path) -> Iterator[Frame]:
    """Photos and their depth in metres, which PNG files of 8 bits hold as floor(25.5 * depth)."""
    for photo in photos:
        stored = np.asarray(Image.open(depths / f"{photo.stem}.png"))
        yield Frame(np.asarray(read_photo(photo)), (stored + np.float32(0.5)) / np.float32(25.5))


def main() -> None:
    """Write data/nyuv2/ beside this file, with the names of the official files; a file that lies there is kept."""
    if len(sys.argv) != 2:
        sys.exit("usage: prepare.py FOLDER; the folder holds nyuv2/images, nyuv2/depths and splits/nyuv2_splits.mat")
    folder = Path(sys.argv[1]).resolve()
    photos = sorted((folder / "nyuv2/images").glob("*.jpg"))
    split = folder / "splits/nyuv2_splits.mat"
    if not photos or not split.is_file():
        sys.exit(f"{folder}: expected photos in nyuv2/images and splits/nyuv2_splits.mat; give their folder as DATA=")
    depths = folder / "nyuv2/depths"
    if missing := [photo.stem for photo in photos if not (depths / f"{photo.stem}.png").is_file()]:
        sys.exit(f"{depths}: no {missing[0]}.png in it; expected the depth of every photo")
    data = HERE / "data/nyuv2"
    if not (data / LABELED.name).is_file():
        write_nyuv2(data / LABELED.name, frames(photos, depths), len(photos))
    if not (data / SPLITS.name).is_file():
        with atomic(data / SPLITS.name) as path:
            shutil.copy(split, path)


if __name__ == "__main__":
    main()
