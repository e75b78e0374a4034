"""Prepare NYUv2 from a folder with `nyuv2/` and `splits/`: a file in the official layout, and the split."""

import sys
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.normals.nyuv2_pictures import nyuv2_from_pictures


def main() -> None:
    """Write data/nyuv2/ beside this file."""
    if len(sys.argv) != 2:
        sys.exit("usage: prepare.py FOLDER; the folder holds nyuv2/images, nyuv2/depths and splits/nyuv2_splits.mat")
    try:
        nyuv2_from_pictures(Path(sys.argv[1]).resolve(), Path(__file__).parent / "data/nyuv2")
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
