"""The download of NYUv2 (Silberman et al., ECCV 2012)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tracklearn.download import PAUSE, RETRIES, TIMEOUT, RemoteFile, download
from tracklearn.files import write_json
from tracklearn.normals.nyuv2 import OFFICIAL_SPLIT
from tracklearn.report import Report, silent
from tracklearn.settings.normals import LABELED, SPLITS

OFFICIAL = "http://horatio.cs.nyu.edu/mit/silberman"
FILES = (
    RemoteFile(
        urls=(f"{OFFICIAL}/nyu_depth_v2/{LABELED}",), digest="520609c519fba3ba5ac58c8fefcc3530", size=2_972_037_809
    ),
    RemoteFile(urls=(f"{OFFICIAL}/indoor_seg_sup/{SPLITS}",), digest=OFFICIAL_SPLIT, size=2_626),
)


def fetch_nyuv2(
    folder: str | Path,
    *,
    files: Sequence[RemoteFile] = FILES,
    retries: int = RETRIES,
    timeout: float = TIMEOUT,
    pause: float = PAUSE,
    stamp: str | Path | None = None,
    report: Report = silent,
) -> dict[str, float]:
    """Download NYUv2's labelled images and their split into `folder` and check them.

    An interrupted download is resumed. A file that lies there is taken as it is, whatever its contents.

    Args:
        files, retries, timeout, pause: as in `download`.
        stamp: JSON that is written at the end, for a workflow to wait on. Its `unpacked` holds the size and the
            modification time (ns) of each file, so that a file that is replaced later can be found.

    Returns:
        The number of bytes of the files.

    Raises:
        UserError: no attempt succeeded, or wrong contents.
    """
    options: dict[str, Any] = {"retries": retries, "timeout": timeout, "pause": pause, "report": report}
    paths = [Path(folder, file.name) for file in files]
    for file, path in zip(files, paths, strict=True):
        if not path.is_file():
            download(file, path.parent, **options)
    states = {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}
    if stamp:
        write_json(stamp, {"unpacked": states}, indent=None)
    return {"bytes": float(sum(size for size, _ in states.values()))}
