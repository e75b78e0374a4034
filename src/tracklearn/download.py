"""Large files of the web: resume what was interrupted, try mirrors in turn, accept only the expected contents.

Archives are unpacked without trusting their paths.
"""

import hashlib
import shutil
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tracklearn.errors import DISK_FULL, UserError, is_system_error
from tracklearn.report import Report, silent

RETRIES = 5  # attempts after the first
TIMEOUT = 60  # seconds without a byte until an attempt counts as failed
PAUSE = 5  # seconds before the second attempt, doubled for each further one
BLOCK = 1 << 20  # bytes
HASHES = {32: "md5", 40: "sha1", 64: "sha256"}  # by the number of hex digits
OUTSIDE = 416  # HTTP status: the server's file ends before the bytes that were asked for


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file of known contents.

    Attributes:
        urls: its addresses.
        digest: hex digits of its MD5, SHA-1 or SHA-256; their number says which. None if nobody has published a digest:
            then only the size is checked here, and the caller checks the contents.
        size: in bytes; None if it is not known, and then the size that the server states is taken.
    """

    urls: tuple[str, ...]
    digest: str | None = None
    size: int | None = None

    @property
    def name(self) -> str:
        """File name."""
        return PurePosixPath(urllib.parse.urlsplit(self.urls[0]).path).name

    @property
    def algorithm(self) -> str:
        """Hash function of `digest`."""
        return HASHES[len(self.digest)] if self.digest else "sha256"

    def matches(self, path: Path) -> bool:
        """Whether `path` is a file with these contents."""
        if not path.is_file():
            return False
        if self.digest is None:
            return self.size in (None, path.stat().st_size)
        with open(path, "rb") as file:
            return hashlib.file_digest(file, self.algorithm).hexdigest() == self.digest


def download(
    remote: RemoteFile,
    folder: Path,
    *,
    retries: int = RETRIES,
    timeout: float = TIMEOUT,
    pause: float = PAUSE,
    report: Report = silent,
) -> Path:
    """Download a file into `folder` and check its contents; a partial file of an earlier attempt is resumed.

    The download is written to `NAME.part` and renamed when its digest is right. A file that lies there already is not
    downloaded again.

    Args:
        retries, timeout, pause: see `RETRIES`, `TIMEOUT` and `PAUSE`; attempts take the file's addresses in turn.

    Raises:
        UserError: no attempt succeeded; names the cause of the last failure.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, partial = folder / remote.name, folder / f"{remote.name}.part"
    if remote.matches(path):
        return path
    cause = ""
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        url = remote.urls[attempt % len(remote.urls)]
        try:
            for received in _receive(url, partial, remote.size, timeout):
                report(received >> 20, {"megabytes": received / 1e6})
        except (OSError, urllib.error.URLError, EOFError) as error:
            cause = f"{url}: {error}"
            continue
        if remote.matches(partial):
            partial.replace(path)
            return path
        partial.unlink()
        cause = f"{url}: the file's {remote.algorithm.upper().replace('SHA', 'SHA-')} is not {remote.digest}"
    raise UserError(
        f"{remote.name} could not be downloaded in {retries + 1} attempts ({cause}); try again, "
        f"or put the file into {folder} yourself"
    )


def _receive(url: str, partial: Path, size: int | None, timeout: float) -> Iterator[int]:
    """Append the missing bytes to `partial`; yield its size after each block."""
    have = partial.stat().st_size if partial.exists() else 0
    if size is not None and have > size:
        partial.unlink()
        have = 0
    if have == size:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-", "User-Agent": "tracklearn"})
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == OUTSIDE:
            return  # `partial` is whole or wrong, as its digest will show
        raise
    with answer:
        if answer.status != 206:  # a server that does not support ranges sends the whole file
            have = 0
        if size is None and (length := answer.headers.get("Content-Length")):
            size = have + int(length)
        with open(partial, "ab" if have else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                have += len(block)
                if size is not None and have > size:
                    raise EOFError(f"more than the expected {size} bytes")
                yield have
    if size is not None and have < size:
        raise EOFError(f"the connection ended after {have} of {size} bytes")


Select = Callable[[PurePosixPath], PurePosixPath | None]
"""Where a member of an archive belongs, by its path in the archive; None for a member that is not wanted."""


def unpack(
    path: Path, folder: Path, *, select: Select, expected: str, last: Callable[[PurePosixPath], bool] | None = None
) -> int:
    """Unpack the files of a tar archive that `select` wants into `folder`; return their number.

    Only regular files are unpacked. They are written to a temporary folder in `folder` first and then moved to their
    places, those for which `last` is true after all others.

    Args:
        expected: what the archive should be, for the error.

    Raises:
        UserError: not a tar file, a damaged one, a link, a path that leads out of the folder, or no wanted file.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as temporary:
        try:
            with tarfile.open(path, "r:") as tar:  # never compressed: a small file may hold terabytes
                found = [_unpack_member(tar, member, Path(temporary), path, select) for member in tar]
        except UserError:
            raise
        except Exception as error:  # names that no file can have raise errors of every kind
            if is_system_error(error, *DISK_FULL):
                raise
            raise UserError(f"{path}: cannot be unpacked ({error}); delete it and download it again") from error
        names = {name for name in found if name}
        if not names:
            raise UserError(f"{path}: {expected}")
        for name in sorted(sorted(names), key=last):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (Path(temporary) / name).replace(target)
    return len(names)


def _unpack_member(
    tar: tarfile.TarFile, member: tarfile.TarInfo, temporary: Path, path: Path, select: Select
) -> PurePosixPath | None:
    """Write a member that is wanted under `temporary` and return its name there; None for any other member."""
    whole = PurePosixPath(member.name)
    if whole.is_absolute() or ".." in whole.parts:
        raise UserError(f"{path}: member {member.name!r} leads out of the archive's folder; do not use this file")
    name = select(whole)
    if name is None or member.isdir():
        return None
    if not member.isfile() or member.issparse():  # a sparse file may claim more bytes than any disk has
        raise UserError(f"{path}: member {member.name!r} is not a regular file; do not use this archive")
    target = temporary / name
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # isfile() holds
    with content, open(target, "wb") as file:
        shutil.copyfileobj(content, file)
    return name
