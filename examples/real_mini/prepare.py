"""Prepare this experiment from a folder with `videos/` and `voc_mini/VOCdevkit/`: list the clips, link the photos."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
SUFFIXES = {".mp4", ".mkv", ".webm", ".avi", ".mov"}


def main() -> None:
    """Write the list data/videos.tsv and the link data/VOCdevkit beside this file."""
    if len(sys.argv) != 2:
        sys.exit("usage: prepare.py FOLDER; the folder holds videos/ and voc_mini/VOCdevkit/")
    folder = Path(sys.argv[1]).resolve()
    clips = sorted(path for path in (folder / "videos").glob("*") if path.suffix in SUFFIXES)
    photos = folder / "voc_mini" / "VOCdevkit"
    if not clips or not photos.is_dir():
        sys.exit(f"{folder}: expected clips in videos/ and photos in voc_mini/VOCdevkit/; give their folder as DATA=")
    data = HERE / "data"
    data.mkdir(exist_ok=True)
    lines = ["video_id\tsource", *(f"{path.stem}\t{path}" for path in clips)]
    videos_list = data / "videos.tsv"
    text = "\n".join(lines) + "\n"
    if not videos_list.exists() or videos_list.read_text() != text:
        videos_list.write_text(text)
    link = data / "VOCdevkit"
    if link.exists() and not link.is_symlink():
        sys.exit(f"{link}: expected no file or folder there, but a link to {photos}; move it away")
    if not link.is_symlink() or link.resolve() != photos:
        link.unlink(missing_ok=True)
        link.symlink_to(photos)


if __name__ == "__main__":
    main()
