"""MIT Indoor-67 (Quattoni & Torralba, Recognizing Indoor Scenes, CVPR 2009): download, check and unpack it."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tracklearn.download import PAUSE, RETRIES, TIMEOUT, RemoteFile, download, unpack
from tracklearn.errors import UserError
from tracklearn.files import write_json
from tracklearn.photos import read_photo
from tracklearn.report import Report, silent
from tracklearn.scenes.split import listed_photos, read_list
from tracklearn.settings.scenes import INDOOR67_TEST, INDOOR67_TRAIN, names_digest
from tracklearn.training.prefetch import prefetch

FOLDER = "Images"  # within the archive and within `root`


@dataclass(frozen=True, kw_only=True)
class PhotoList(RemoteFile):
    """A list of photos; `names_digest` is the SHA-256 of its sorted lines."""

    names_digest: str


# No digest of the archive is published. Its size is the one that the server states. Every listed photo is decoded.
ARCHIVE = RemoteFile(
    urls=("http://groups.csail.mit.edu/vision/LabelMe/NewImages/indoorCVPR_09.tar",), size=2_592_010_240
)
LISTS = (
    PhotoList(
        urls=("http://web.mit.edu/torralba/www/TrainImages.txt",),
        names_digest=INDOOR67_TRAIN,
    ),
    PhotoList(
        urls=("http://web.mit.edu/torralba/www/TestImages.txt",),
        names_digest=INDOOR67_TEST,
    ),
)
CHECKED_AT = 32  # pixels: a JPEG is decoded at an eighth of its size, which reads all of the file


def fetch_indoor67(
    *,
    root: str | Path,
    archive: RemoteFile = ARCHIVE,
    lists: tuple[PhotoList, ...] = LISTS,
    retries: int = RETRIES,
    timeout: float = TIMEOUT,
    pause: float = PAUSE,
    stamp: str | Path | None = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Download, check and unpack the photos and their lists to `root`, unless both lists are there.

    The archive lies under `root/archives` until its photos are unpacked and every listed one was decoded. The lists are
    put into place last, so a `root` that has them is complete.

    Args:
        retries, timeout, pause: as in `download`.
        stamp: JSON that is written at the end, for a workflow to wait on. Its `unpacked` holds the size and the
            modification time (ns) of every photo and list, so that a file that is replaced later can be found.
        threads: photos that are decoded at a time.

    Returns:
        Numbers of unpacked photos and listed photos.

    Raises:
        UserError: `root` has folders of photos of its own, no attempt succeeded, not enough free disk space, a list or
            an archive with other contents, or a listed photo that is missing or cannot be decoded.
    """
    root = Path(root)
    unpacked = listed = 0
    if not all((root / each.name).is_file() for each in lists):
        _check_without_other_photos(root)
        folder = root / "archives"
        folder.mkdir(parents=True, exist_ok=True)
        there = [path for name in (archive.name, f"{archive.name}.part") if (path := folder / name).is_file()]
        # The archive, or what is missing of it, and the photos in it.
        need = 2 * (archive.size or 0) - sum(path.stat().st_size for path in there)
        if (free := shutil.disk_usage(folder).free) < need:
            raise UserError(
                f"{root}: {free / 1e9:.1f} GB free, but MIT Indoor-67 needs {need / 1e9:.1f} GB; free space first"
            )
        listings = [download(each, folder, retries=retries, timeout=timeout, pause=pause) for each in lists]
        for each, listing in zip(lists, listings, strict=True):
            _check_list(each, listing)
        path = download(archive, folder, retries=retries, timeout=timeout, pause=pause, report=report)
        unpacked = unpack(path, root, select=_photo, expected=f"no photo {FOLDER}/category/file in it; delete it")
        try:
            photos = [root / FOLDER / name for listing in listings for name in read_list(listing, root / FOLDER)]
            for _ in prefetch(
                lambda index: read_photo(photos[index], at_least=CHECKED_AT), 0, len(photos), workers=threads
            ):
                listed += 1
        except UserError as error:
            raise UserError(f"{path}: damaged ({error}); delete this archive, then run again") from error
        for listing in listings:
            listing.replace(root / listing.name)
        path.unlink()
    if stamp:
        write_json(stamp, {"root": str(root), "unpacked": _states(root, lists)}, indent=None)
    return {"unpacked": unpacked, "listed": listed}


def _check_without_other_photos(root: Path) -> None:
    """Refuse a folder with categories of its own: `split_photos` would pass over them once `Images` is there.

    Raises:
        UserError: `root` has folders that are not MIT Indoor-67's.
    """
    folders = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if others := [name for name in folders if name not in (FOLDER, "archives") and not name.startswith(".")]:
        raise UserError(
            f"scenes.root is {root}, which has folders of its own ({others[0]}); to classify them set scenes.download: "
            "false, to download MIT Indoor-67 set scenes.root to another folder"
        )


def _check_list(expected: PhotoList, path: Path) -> None:
    """Delete a list that does not name the official photos.

    Raises:
        UserError: it does not.
    """
    try:
        names = listed_photos(path)
    except UserError:
        names = []
    if names_digest(names) != expected.names_digest:
        path.unlink()
        raise UserError(
            f"{expected.urls[0]}: not the official list of photos ({len(names)} photos); try again, or put "
            f"{path.name} and the folder {FOLDER} into {path.parent.parent} yourself"
        )


def _photo(name: PurePosixPath) -> PurePosixPath | None:
    """Where a photo of the archive belongs; None for other members, hidden files among them."""
    parts = tuple(part for part in name.parts if part != ".")
    wanted = len(parts) == 3 and parts[0] == FOLDER and not parts[2].startswith(".")
    return PurePosixPath(*parts) if wanted else None


def _states(root: Path, lists: tuple[PhotoList, ...]) -> Mapping[str, tuple[int, int]]:
    """Bytes and modification time of every photo and list, by path."""
    files = [*(root / each.name for each in lists), *(root / FOLDER).rglob("*")]
    return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()}
