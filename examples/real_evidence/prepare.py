"""Prepare this experiment from a folder with `web_clips/`, `videos/`, `scenes_sun8/`, `voc_fruit/` and `davis_mini/`.

The clips are listed in two parts: those to learn from, and those that are set aside. The photos and masks are linked,
and the photos of fruit become a VOCdevkit.
"""

import hashlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.files import keep_text, write_text
from tracklearn.voc.adopt import adopt

HERE = Path(__file__).parent
SUFFIXES = {".mp4", ".mkv", ".webm"}
SET_ASIDE = 20
ALSO_IN_DAVIS = {"155_dance.mp4", "159_dog.mp4", "167_swan.mp4"}
FOLDERS = ("web_clips", "videos", "scenes_sun8", "voc_fruit", "davis_mini")


def main() -> None:
    """Write data/videos.tsv, held_out/data/videos.tsv, the links data/scenes and data/davis, and data/fruit."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: prepare.py FOLDER; the folder holds {', '.join(FOLDERS)}")
    folder = Path(sys.argv[1]).resolve()
    if absent := [name for name in FOLDERS if not (folder / name).is_dir()]:
        sys.exit(f"{folder}: no folder {absent[0]} there; expected {', '.join(FOLDERS)}; give their folder as DATA=")
    learned_from, set_aside = divided(_clips(folder / "web_clips"))
    _list(HERE / "data/videos.tsv", [*learned_from, *_clips(folder / "videos")])
    _list(HERE / "held_out/data/videos.tsv", set_aside)
    _link(HERE / "data/scenes", folder / "scenes_sun8")
    _link(HERE / "data/davis", folder / "davis_mini")
    _adopt(folder / "voc_fruit")


def divided(clips: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The clips to learn from, and those set aside: the 20 whose file names have the smallest SHA-256.

    Three clips that show scenes of the videos with masks are not learned from.
    """
    ranked = sorted(clips, key=lambda path: hashlib.sha256(path.name.encode()).digest())
    left = [path for path in ranked[SET_ASIDE:] if path.name not in ALSO_IN_DAVIS]
    return sorted(left), sorted(ranked[:SET_ASIDE])


def _clips(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return [path for path in found if not path.name.startswith(".")]


def _list(path: Path, clips: Sequence[Path]) -> None:
    """Write a list of videos, unless it is there already: a new file would be read again."""
    keep_text(path, "\n".join(["video_id\tsource", *(f"{clip.stem}\t{clip}" for clip in clips)]) + "\n")


def _link(link: Path, target: Path) -> None:
    if link.exists() and not link.is_symlink():
        sys.exit(f"{link}: expected no file or folder there, but a link to {target}; move it away")
    if not link.is_symlink() or link.resolve() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _adopt(photos: Path) -> None:
    """Write the photos of fruit as a VOCdevkit of half the photos to train on, at most 300 pixels wide and high.

    A devkit of the same photos stays. One of other photos, or one that was not finished, is written anew.
    """
    out, written_from = HERE / "data/fruit", HERE / "data/fruit.tsv"
    files = sorted(path for path in photos.rglob("*") if path.is_file())
    listing = "".join(f"{path.relative_to(photos)}\t{path.stat().st_size}\n" for path in files)
    if written_from.exists() and written_from.read_text(encoding="utf-8") == listing:
        return
    written_from.unlink(missing_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    try:
        adopt(images=photos, annotations=photos, out=out, longest_side=300)
    except UserError as error:
        sys.exit(str(error))
    write_text(written_from, listing)


if __name__ == "__main__":
    main()
