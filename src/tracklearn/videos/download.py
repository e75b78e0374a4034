"""A shard's videos: fetched or found, probed, and told of in a manifest with a row for every one."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.files import disk_full
from tracklearn.report import Report, silent
from tracklearn.videos import fetch
from tracklearn.videos.frames import Probe, probe
from tracklearn.videos.lists import Video, is_youtube
from tracklearn.videos.manifest import Row, write_manifest

# Seconds that the process of a download has beyond its time limit to end by itself: yt-dlp checks the time as bytes
# come in, so that a host which drips a byte a second, or none, is only stopped from outside.
GRACE = 5.0


def download_shard(
    *,
    videos: Sequence[Sequence[str]],
    directory: str | Path,
    manifest: str | Path,
    max_height: int = 480,
    max_duration: float = 600,
    timeout: float = 900,
    retries: int = 3,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Fetch the videos of a shard, probe each, and write the manifest.

    A local path is probed in place, relative to the working directory. What is downloaded already is not fetched
    again, and partial files are gone on with. Whatever is wrong with a video is a reason in its row; where it may pass
    (no network, a host that is busy or slow), the status is "unreachable".

    Args:
        videos: [video_id, source] pairs.
        directory: folder for the downloads.
        manifest: the TSV to write.
        max_height: limit on a download's shorter side, in pixels (local files are here already: no limit).
        max_duration: limit on a download's duration, in seconds.
        timeout: seconds that one download may take, retries included.
        retries: further attempts after errors that may pass.
        threads: videos at a time.
        report: gets the counts after each video.

    Returns:
        Counts: videos, ok, unreachable, failed, frames, bytes, seconds (of video).

    Raises:
        UserError: the disk is full, YouTube is asked for without the JavaScript runtime that yt-dlp needs, or none of
            the remote videos could be reached: rows that say so would stand for videos that nobody has looked at. What
            was downloaded stays, partial files too.
    """
    listed = [Video(*video) for video in videos]
    if any(is_youtube(video.source) for video in listed):
        check_youtube()
    Path(directory).mkdir(parents=True, exist_ok=True)
    row_of = partial(
        _row,
        directory=Path(directory),
        limits={"max_height": max_height, "max_duration": max_duration, "timeout": timeout, "retries": retries},
    )
    rows: dict[str, Row] = {}
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(row_of, video) for video in listed]
        try:
            for job in as_completed(jobs):
                row = job.result()
                rows[row.video_id] = row
                report(len(rows), {"ok": sum(row.ok for row in rows.values()), "videos": len(listed)})
        except UserError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    _check_reached(Path(manifest).stem, [row for row in rows.values() if _is_remote(row.source)])
    write_manifest(manifest, [rows[video.video_id] for video in listed])
    return _totals(list(rows.values()))


def check_youtube() -> None:
    """Ask for what yt-dlp needs beside it for YouTube, before a crawl fails video by video.

    Raises:
        UserError: no JavaScript runtime that yt-dlp supports.
    """
    if not fetch.runtimes():
        raise UserError(
            "the list has YouTube videos, for which yt-dlp needs a JavaScript runtime, and none that it supports is "
            "found: install deno >= 2.3 or node >= 22 and put it on PATH"
        )


def _check_reached(shard: str, remote: Sequence[Row]) -> None:
    if remote and all(row.status == "unreachable" for row in remote):
        raise UserError(
            f"shard {shard}: none of its {len(remote)} videos could be reached ({remote[0].reason}); check the network "
            "and run again"
        )


def _row(video: Video, *, directory: Path, limits: dict[str, float]) -> Row:
    """Whatever became of a video, as its row."""
    if not _is_remote(video.source):
        return _probed(video, Path(video.source))
    try:
        path = _downloaded(directory, video.video_id) or _fetch(video, directory, limits)
    except fetch.Unavailable as error:
        if error.disk_full:
            raise disk_full(directory) from error
        status = "unreachable" if error.transient else "failed"
        return Row(video.video_id, video.source, status=status, reason=str(error))
    row = _probed(video, path)
    excess = _excess(row, limits)
    if row.ok and not excess:
        return row
    path.unlink()  # or a later run would take it for downloaded, when the host may have mended it
    return Row(**{**asdict(row), "path": "", "status": "failed", "reason": excess or row.reason})


def _fetch(video: Video, directory: Path, limits: dict[str, float]) -> Path:
    """Download a video in a process of its own, which is killed when it outlives its time."""
    request = {"source": video.source, "directory": str(directory), "video_id": video.video_id, **limits}
    command = [sys.executable, "-m", fetch.__name__, json.dumps(request)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=limits["timeout"] + GRACE, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise fetch.Unavailable(f"time limit of {limits['timeout']:g} s", transient=True) from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise fetch.Unavailable(f"the downloader failed: {last}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if "path" not in answer:
        raise fetch.Unavailable(**answer)
    return Path(answer["path"])


def _downloaded(directory: Path, video_id: str) -> Path | None:
    """The finished file of an earlier run; yt-dlp gives unfinished ones another suffix."""
    pattern = re.compile(re.escape(video_id) + r"\.(?!part$|ytdl$|temp$)\w+")
    return next((path for path in sorted(directory.iterdir()) if pattern.fullmatch(path.name)), None)


def _probed(video: Video, path: Path) -> Row:
    """The row of a file that is here."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        return Row(video.video_id, video.source, reason=reason)
    row = partial(Row, video.video_id, video.source, path=str(path), bytes=size, sha256=digest)
    try:
        found: Probe = probe(path)
    except UserError as error:
        return row(reason=str(error).removeprefix(f"{path}: "))
    values = asdict(found)
    return row(status="ok", reason=values.pop("note"), **values)


def _excess(row: Row, limits: dict[str, float]) -> str:
    """Which limit a downloaded video exceeds, for the sites that do not say so beforehand."""
    if min(row.width, row.height) > limits["max_height"]:
        return f"{row.width} x {row.height} exceeds max_height {limits['max_height']:g}"
    if row.duration > limits["max_duration"]:
        return f"duration {row.duration:g} s exceeds max_duration {limits['max_duration']:g} s"
    return ""


def _is_remote(source: str) -> bool:
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source)) or is_youtube(source)


def _totals(rows: Sequence[Row]) -> dict[str, float]:
    good = [row for row in rows if row.ok]
    unreachable = sum(row.status == "unreachable" for row in rows)
    return {
        "videos": len(rows),
        "ok": len(good),
        "unreachable": unreachable,
        "failed": len(rows) - len(good) - unreachable,
        "frames": sum(row.frames for row in good),
        "bytes": sum(row.bytes for row in good),
        "seconds": round(sum(row.duration for row in good), 3),
    }
