"""Large files of the web: resume what was interrupted, try mirrors in turn, accept only the expected contents."""

import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.report import Report, silent

RETRIES = 5  # attempts after the first
TIMEOUT = 60  # seconds without a byte until an attempt counts as failed
PAUSE = 5  # seconds before the second attempt, doubled for each further one
BLOCK = 1 << 20  # bytes
OUTSIDE = 416  # HTTP status: the server's file ends before the bytes that were asked for


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file of known contents.

    Attributes:
        urls: its addresses.
        digest: hex digits of its SHA-1 or SHA-256; their number says which.
        size: in bytes; None if it is not known, and then the size that the server states is taken.
    """

    urls: tuple[str, ...]
    digest: str
    size: int | None = None

    @property
    def name(self) -> str:
        """File name."""
        return self.urls[0].rsplit("/", 1)[1]

    @property
    def algorithm(self) -> str:
        """Hash function of `digest`."""
        return "sha1" if len(self.digest) == 40 else "sha256"

    def matches(self, path: Path) -> bool:
        """Whether `path` is a file with these contents."""
        if not path.is_file():
            return False
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
        cause = f"{url}: the file's {remote.algorithm.replace('sha', 'SHA-')} is not {remote.digest}"
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
