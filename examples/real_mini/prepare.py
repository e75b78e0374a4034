"""Prepare this experiment from a folder with `videos/`, `voc_mini/VOCdevkit/`, `scenes_sun8/`, `nyuv2/` and `splits/`.

The clips are listed, the photos are linked, and NYUv2's pictures become a file of the official layout.
"""

import sys
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.files import keep_text
from tracklearn.normals.nyuv2_pictures import nyuv2_from_pictures

HERE = Path(__file__).parent
SUFFIXES = {".mp4", ".mkv", ".webm", ".avi", ".mov"}


def main() -> None:
    """Write data/videos.tsv, the links data/VOCdevkit and data/scenes, and data/nyuv2 beside this file."""
    if len(sys.argv) != 2:
        sys.exit(
            "usage: prepare.py FOLDER; the folder holds videos/, voc_mini/VOCdevkit/, scenes_sun8/, nyuv2/ and splits/"
        )
    folder = Path(sys.argv[1]).resolve()
    found = sorted(path for path in (folder / "videos").glob("*") if path.suffix.lower() in SUFFIXES)
    clips = [path for path in found if not path.name.startswith(".")]
    photos = {"VOCdevkit": folder / "voc_mini" / "VOCdevkit", "scenes": folder / "scenes_sun8"}
    if not clips or not all(path.is_dir() for path in photos.values()):
        sys.exit(
            f"{folder}: expected clips in videos/, photos in voc_mini/VOCdevkit/ and scenes_sun8/; give their folder "
            "as DATA="
        )
    data = HERE / "data"
    data.mkdir(exist_ok=True)
    lines = ["video_id\tsource", *(f"{path.stem}\t{path}" for path in clips)]
    keep_text(data / "videos.tsv", "\n".join(lines) + "\n")  # a new list would be read again
    for name, target in photos.items():
        link = data / name
        if link.exists() and not link.is_symlink():
            sys.exit(f"{link}: expected no file or folder there, but a link to {target}; move it away")
        if not link.is_symlink() or link.resolve() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    try:
        nyuv2_from_pictures(folder, data / "nyuv2")
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
