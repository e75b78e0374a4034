"""VOC archives: downloaded in pieces that survive interruptions, checked, unpacked without trusting their paths."""

import hashlib
import json
import shutil
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.report import Report, silent
from tracklearn.voc.protocols import voc_folder

BLOCK = 1 << 20
FOLDERS = ("Annotations", "JPEGImages", "ImageSets")  # what detection reads; segmentations stay packed
OFFICIAL = "http://host.robots.ox.ac.uk/pascal/VOC"
MIRROR = "https://pjreddie.com/media/files"  # the only place that has the 2012 test images without an account


@dataclass(frozen=True)
class Archive:
    """One tar file; sizes and SHA-256 as TensorFlow Datasets lists them (url_checksums/voc.txt)."""

    year: int
    holds_test: bool
    urls: tuple[str, ...]
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """File name."""
        return self.urls[0].rsplit("/", 1)[1]


ARCHIVES = (
    Archive(
        2007,
        False,
        (f"{OFFICIAL}/voc2007/VOCtrainval_06-Nov-2007.tar", f"{MIRROR}/VOCtrainval_06-Nov-2007.tar"),
        460_032_000,
        "7d8cd951101b0957ddfd7a530bdc8a94f06121cfc1e511bb5937e973020c7508",
    ),
    Archive(
        2007,
        True,
        (f"{OFFICIAL}/voc2007/VOCtest_06-Nov-2007.tar", f"{MIRROR}/VOCtest_06-Nov-2007.tar"),
        451_020_800,
        "6836888e2e01dca84577a849d339fa4f73e1e4f135d312430c4856b5609b4892",
    ),
    Archive(
        2012,
        False,
        (f"{OFFICIAL}/voc2012/VOCtrainval_11-May-2012.tar", f"{MIRROR}/VOCtrainval_11-May-2012.tar"),
        1_999_639_040,
        "e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
    ),
    Archive(
        2012,
        True,
        (f"{MIRROR}/VOC2012test.tar",),
        1_850_626_560,
        "f08582b1935816c5eab3bbb1eb6d06201a789eaa173cdf1cf400c26f0cac2fb3",
    ),
)


def fetch_voc(
    *,
    root: str | Path,
    year: int,
    image_sets: Sequence[str] = ("train", "val"),
    archives: Sequence[Archive] = ARCHIVES,
    retries: int = 5,
    timeout: float = 60,
    pause: float = 5,
    stamp: str | Path | None = None,
    report: Report = silent,
) -> dict[str, float]:
    """Download, check and unpack the archives of a year that hold the image sets; `root` becomes a VOCdevkit.

    Image sets that `root` holds already are left as they are. Archives lie under `root/archives` while they are
    needed; a download that stopped is continued. The lists of images appear last, so that a year that has them is
    whole.

    Args:
        image_sets: "test" asks for the test archive, any other name for trainval's.
        retries: attempts after the first, over the archive's addresses in turn.
        timeout: seconds without a byte until an attempt counts as failed.
        pause: seconds before the second attempt; doubled for each further one.
        stamp: JSON written when all is there, for a workflow to wait on.

    Raises:
        UserError: no such archive, no attempt succeeded, wrong contents or not enough disk.
    """
    lists = Path(root) / f"VOC{year}" / "ImageSets" / "Main"
    missing = {name == "test" for name in image_sets if not (lists / f"{name}.txt").is_file()}
    wanted = [one for one in archives if one.year == year and one.holds_test in missing]
    if missing and not wanted:
        raise UserError(
            f"VOC{year}: no archive is known; expected 2007 or 2012, or put VOC{year} under {root} yourself"
        )
    folder = Path(root) / "archives"
    folder.mkdir(parents=True, exist_ok=True)
    need = sum(2 * one.size for one in wanted)
    if (free := shutil.disk_usage(folder).free) < need:
        raise UserError(f"{root}: {free / 1e9:.1f} GB free, but VOC{year} needs {need / 1e9:.1f} GB; free space first")
    files = 0
    for archive in wanted:
        path = download(archive, folder, retries=retries, timeout=timeout, pause=pause, report=report)
        files += unpack(path, Path(root), year=year)
        path.unlink()
    fetched: dict[str, float] = {
        "archives": len(wanted),
        "files": files,
        "bytes": sum(archive.size for archive in wanted),
    }
    if stamp:
        with atomic(stamp) as temporary:
            temporary.write_text(json.dumps({"root": str(root), "year": year, **fetched}) + "\n")
    return fetched


def download(
    archive: Archive,
    folder: Path,
    *,
    retries: int = 5,
    timeout: float = 60,
    pause: float = 5,
    report: Report = silent,
) -> Path:
    """Fetch one archive into `folder`, continuing a partial file, and check its size and SHA-256.

    Raises:
        UserError: no attempt succeeded; names the last cause.
    """
    path, partial = folder / archive.name, folder / f"{archive.name}.part"
    if path.exists() and digest(path) == archive.sha256:
        return path
    cause = ""
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        url = archive.urls[attempt % len(archive.urls)]
        try:
            for done in _receive(url, partial, archive.size, timeout):
                report(done >> 20, {"megabytes": done / 1e6})
        except (OSError, urllib.error.URLError, EOFError) as error:
            cause = f"{url}: {error}"
            continue
        if digest(partial) == archive.sha256:
            partial.replace(path)
            return path
        partial.unlink()
        cause = f"{url}: the file's SHA-256 is not {archive.sha256}"
    raise UserError(
        f"{archive.name} could not be downloaded in {retries + 1} attempts ({cause}); try again, "
        f"or put the file into {folder} yourself"
    )


def _receive(url: str, partial: Path, size: int, timeout: float) -> Iterator[int]:
    """Append what is missing to `partial`; yield the bytes there so far."""
    have = partial.stat().st_size if partial.exists() else 0
    if have > size:
        partial.unlink()
        have = 0
    if have == size:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-", "User-Agent": "tracklearn"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        if answer.status != 206:  # a server that knows no ranges sends everything again
            have = 0
        with open(partial, "ab" if have else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                have += len(block)
                if have > size:
                    raise EOFError(f"more than the expected {size} bytes")
                yield have
    if have < size:
        raise EOFError(f"the connection ended after {have} of {size} bytes")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(path: Path, root: Path, *, year: int) -> int:
    """Unpack the images, annotations and lists of `VOCdevkit/VOC{year}/` to `root/VOC{year}`; returns how many files.

    Only plain files are taken, each to its own place under that folder. They are unpacked beside it and moved in, the
    lists of images last.

    Raises:
        UserError: not a tar file, a member that leads outside or is a link, or nothing of that year in it.
    """
    with tempfile.TemporaryDirectory(dir=root, prefix=".unpack-") as temporary:
        try:
            with tarfile.open(path) as tar:
                names = [name for member in tar if (name := _take(tar, member, year, Path(temporary), path))]
        except tarfile.TarError as error:
            raise UserError(f"{path}: cannot be unpacked ({error}); delete it and download it again") from error
        if not names:
            raise UserError(f"{path}: holds nothing of VOCdevkit/VOC{year}; expected one of VOC's own archives")
        for name in sorted(names, key=lambda name: name.parts[0] == "ImageSets"):
            target = voc_folder(root, year) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (Path(temporary) / name).replace(target)
    return len(names)


def _take(
    tar: tarfile.TarFile, member: tarfile.TarInfo, year: int, temporary: Path, path: Path
) -> PurePosixPath | None:
    """Write a member that detection reads under `temporary`; its name there, or None for any other."""
    whole = PurePosixPath(member.name)
    if whole.is_absolute() or ".." in whole.parts:
        raise UserError(f"{path}: member {member.name!r} leads out of the archive's folder; do not use this file")
    parts = tuple(part for part in whole.parts if part != ".")
    if parts[:2] != ("VOCdevkit", f"VOC{year}") or len(parts) < 4 or parts[2] not in FOLDERS or member.isdir():
        return None
    if not member.isfile():
        raise UserError(f"{path}: member {member.name!r} is no plain file; do not use this archive")
    name = PurePosixPath(*parts[2:])
    target = temporary / name
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # isfile() holds
    with content, open(target, "wb") as file:
        shutil.copyfileobj(content, file)
    return name
