"""VOC's archives: download and check them, and unpack them without trusting their paths."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tracklearn.download import PAUSE, RETRIES, TIMEOUT, RemoteFile, download, unpack
from tracklearn.errors import UserError
from tracklearn.files import write_json
from tracklearn.report import Report, silent
from tracklearn.voc.image_sets import voc_folder

FOLDERS = ("Annotations", "JPEGImages", "ImageSets")  # the folders that detection reads; the others stay packed
OFFICIAL = "http://host.robots.ox.ac.uk/pascal/VOC"
MIRROR = "https://pjreddie.com/media/files"  # the only server that gives the 2012 test images without an account


@dataclass(frozen=True, kw_only=True)
class Archive(RemoteFile):
    """One tar file; its size in bytes and SHA-256 are those of TensorFlow Datasets (url_checksums/voc.txt)."""

    year: int
    holds_test: bool
    size: int


ARCHIVES = (
    Archive(
        year=2007,
        holds_test=False,
        urls=(f"{OFFICIAL}/voc2007/VOCtrainval_06-Nov-2007.tar", f"{MIRROR}/VOCtrainval_06-Nov-2007.tar"),
        size=460_032_000,
        digest="7d8cd951101b0957ddfd7a530bdc8a94f06121cfc1e511bb5937e973020c7508",
    ),
    Archive(
        year=2007,
        holds_test=True,
        urls=(f"{OFFICIAL}/voc2007/VOCtest_06-Nov-2007.tar", f"{MIRROR}/VOCtest_06-Nov-2007.tar"),
        size=451_020_800,
        digest="6836888e2e01dca84577a849d339fa4f73e1e4f135d312430c4856b5609b4892",
    ),
    Archive(
        year=2012,
        holds_test=False,
        urls=(f"{OFFICIAL}/voc2012/VOCtrainval_11-May-2012.tar", f"{MIRROR}/VOCtrainval_11-May-2012.tar"),
        size=1_999_639_040,
        digest="e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
    ),
    Archive(
        year=2012,
        holds_test=True,
        urls=(f"{MIRROR}/VOC2012test.tar",),
        size=1_850_626_560,
        digest="f08582b1935816c5eab3bbb1eb6d06201a789eaa173cdf1cf400c26f0cac2fb3",
    ),
)


def fetch_voc(
    *,
    root: str | Path,
    year: int,
    image_sets: Sequence[str] = ("train", "val"),
    archives: Sequence[Archive] = ARCHIVES,
    retries: int = RETRIES,
    timeout: float = TIMEOUT,
    pause: float = PAUSE,
    stamp: str | Path | None = None,
    report: Report = silent,
) -> dict[str, float]:
    """Download, check and unpack the archives of a year that hold the image sets; `root` becomes a VOCdevkit.

    Image sets that `root` already holds are not touched. Archives lie under `root/archives` until they are unpacked; an
    interrupted download is resumed. The lists of images are written last, so a year that has them is complete.

    Args:
        image_sets: "test" asks for the test archive, any other name for trainval's.
        retries, timeout, pause: as in `download`.
        stamp: JSON that is written at the end, for a workflow to wait on. Its `unpacked` holds the size and the
            modification time (ns) of every file of the year, so that a file that is replaced later can be found.

    Returns:
        Numbers of archives, files and bytes.

    Raises:
        UserError: no such archive, no attempt succeeded, wrong contents or not enough free disk space.
    """
    lists = Path(root) / f"VOC{year}" / "ImageSets" / "Main"
    missing = {name == "test" for name in image_sets if not (lists / f"{name}.txt").is_file()}
    wanted = [archive for archive in archives if archive.year == year and archive.holds_test in missing]
    if missing and not wanted:
        raise UserError(
            f"VOC{year}: no archive is known; expected 2007 or 2012, or put VOC{year} under {root} yourself"
        )
    folder = Path(root) / "archives"
    folder.mkdir(parents=True, exist_ok=True)
    need = sum(2 * archive.size for archive in wanted)  # the archives and the files in them
    if (free := shutil.disk_usage(folder).free) < need:
        raise UserError(f"{root}: {free / 1e9:.1f} GB free, but VOC{year} needs {need / 1e9:.1f} GB; free space first")
    files = 0
    for archive in wanted:
        path = download(archive, folder, retries=retries, timeout=timeout, pause=pause, report=report)
        files += unpack_voc(path, Path(root), year=year)
        path.unlink()
    fetched: dict[str, float] = {
        "archives": len(wanted),
        "files": files,
        "bytes": sum(archive.size for archive in wanted),
    }
    if stamp:
        states = _states(voc_folder(root, year))
        write_json(stamp, {"root": str(root), "year": year, **fetched, "unpacked": states}, indent=None)
    return fetched


def _states(folder: Path) -> dict[str, tuple[int, int]]:
    """Bytes and modification time of every photo, annotation and image list, by path."""
    files = (file for name in FOLDERS for file in (folder / name).rglob("*") if file.is_file())
    return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


def unpack_voc(path: Path, root: Path, *, year: int) -> int:
    """Unpack the images, annotations and lists of `VOCdevkit/VOC{year}/` to `root/VOC{year}`; return their number.

    Raises:
        UserError: as `download.unpack`.
    """

    def select(name: PurePosixPath) -> PurePosixPath | None:
        parts = tuple(part for part in name.parts if part != ".")
        wanted = parts[:2] == ("VOCdevkit", f"VOC{year}") and len(parts) >= 4 and parts[2] in FOLDERS
        return PurePosixPath(*parts[1:]) if wanted else None

    return unpack(
        path,
        root,
        select=select,
        expected=f"no file of VOCdevkit/VOC{year} in it; expected one of VOC's own archives",
        last=lambda name: name.parts[1] == "ImageSets",
    )
