"""The videos of a shard: downloaded or found, probed, and listed in a manifest with a row for every one."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.files import disk_full
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.videos import Download
from tracklearn.videos import fetch
from tracklearn.videos.frames import probe
from tracklearn.videos.lists import Video, is_youtube
from tracklearn.videos.manifest import ManifestRow, write_manifest

# Seconds that the process of a download may run beyond its time limit. yt-dlp checks the time only when bytes arrive,
# so its process must be killed where a host sends one byte a second, or none.
GRACE = 5.0


def download_shard(
    *,
    videos: Sequence[Sequence[str]],
    directory: str | Path,
    manifest: str | Path,
    limits: Block = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Download the videos of a shard, probe each, and write the manifest.

    A local file is probed in place; its path is relative to the working directory. Downloaded files are not downloaded
    again, and partial files are resumed. If a video fails, its row states the reason. If the reason may pass (no
    network, a busy or slow host), the status of the video is "unreachable".

    Args:
        videos: [video_id, source] pairs; a third value is the id of the same video under an earlier id of the list
            (`lists.repeats`). It is not downloaded, and its row names the earlier one, as does the row of a video that
            turns out to have the same bytes as an earlier one of the shard.
        directory: folder for the downloads.
        manifest: the TSV file to write.
        limits: settings of `settings.videos.Download`; those on size and duration do not apply to local files.
        threads: videos at once.
        report: called after each video with the counts.

    Returns:
        Counts: videos, ok, unreachable, failed, frames, bytes, seconds (of video).

    Raises:
        UserError: a wrong setting; the disk is full; a video is on YouTube and yt-dlp finds no JavaScript runtime; or
            no remote video could be reached. Then no manifest is written, and what was downloaded stays, partial files
            included.
    """
    checked = Download.read(limits)
    repeated = {video[0]: f"a repeat: the same video as {video[2]}" for video in videos if len(video) > 2}
    listed = [Video(*video[:2]) for video in videos]
    wanted = [video for video in listed if video.video_id not in repeated]
    if any(is_youtube(video.source) for video in wanted):
        check_youtube()
    Path(directory).mkdir(parents=True, exist_ok=True)
    again = [video for video in listed if video.video_id in repeated]
    rows = {video.video_id: ManifestRow(*video, reason=repeated[video.video_id]) for video in again}
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(_row_of_video, video, Path(directory), checked) for video in wanted]
        try:
            for job in as_completed(jobs):
                row = job.result()
                rows[row.video_id] = row
                report(len(rows), {"ok": sum(row.ok for row in rows.values()), "videos": len(listed)})
        except UserError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    remote = [row for row in rows.values() if row.video_id not in repeated and _is_remote(row.source)]
    if remote and all(row.status == "unreachable" for row in remote):
        raise UserError(
            f"shard {Path(manifest).stem}: none of its {len(remote)} remote videos could be reached "
            f"({remote[0].reason}); check the network and run again"
        )
    in_order = _without_copies([rows[video.video_id] for video in listed])
    write_manifest(manifest, in_order)
    return _totals(in_order)


def check_youtube() -> None:
    """Check that yt-dlp has what it needs for YouTube, before every video of a crawl fails.

    Raises:
        UserError: there is no JavaScript runtime that yt-dlp supports.
    """
    if not fetch.runtimes():
        raise UserError(
            "the list has YouTube videos, for which yt-dlp needs a JavaScript runtime; it found none that it supports: "
            "install deno >= 2.3 or node >= 22 and put it on PATH"
        )


def _row_of_video(video: Video, directory: Path, limits: Download) -> ManifestRow:
    """The row of a video, downloaded if its source is remote."""
    if not _is_remote(video.source):
        return _row_of_file(video, Path(video.source))
    try:
        path = _finished_download(directory, video.video_id) or _download(video, directory, limits)
    except fetch.UnavailableError as error:
        if error.disk_full:
            raise disk_full(directory) from error
        status = "unreachable" if error.transient else "failed"
        return ManifestRow(video.video_id, video.source, status=status, reason=str(error))
    row = _row_of_file(video, path)
    excess = _excess(row, limits)
    if row.ok and not excess:
        return row
    path.unlink()  # a later run would take the file for a finished download, even if the host has corrected it
    return replace(row, path="", status="failed", reason=excess or row.reason)


def _download(video: Video, directory: Path, limits: Download) -> Path:
    """Download a video in a process of its own, which is killed when it exceeds its time limit."""
    request = {"source": video.source, "directory": str(directory), "video_id": video.video_id}
    request |= {name: getattr(limits, name) for name in Download.model_fields}
    # The address goes through a pipe: everybody on this machine can read a command line, and it may hold a password.
    command = [sys.executable, "-m", fetch.__name__]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=False,
            timeout=limits.timeout + GRACE,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise fetch.UnavailableError(f"time limit of {limits.timeout:g} s", transient=True) from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise fetch.UnavailableError(f"the downloader failed: {last}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if "path" not in answer:
        raise fetch.UnavailableError(**answer)
    return Path(answer["path"])


def _finished_download(directory: Path, video_id: str) -> Path | None:
    """The finished file of an earlier run; yt-dlp gives unfinished files other suffixes."""
    pattern = re.compile(re.escape(video_id) + r"\.(?!part$|ytdl$|temp$)\w+")
    return next((path for path in sorted(directory.iterdir()) if pattern.fullmatch(path.name)), None)


def _row_of_file(video: Video, path: Path) -> ManifestRow:
    """The row of a local file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        return ManifestRow(video.video_id, video.source, reason=reason)
    row = ManifestRow(video.video_id, video.source, path=str(path), bytes=size, sha256=sha256)
    try:
        values = asdict(probe(path))
    except UserError as error:
        return replace(row, reason=str(error).removeprefix(f"{path}: "))
    note = values.pop("note")
    return replace(row, status="ok", reason=note, **values)


def _without_copies(rows: Sequence[ManifestRow]) -> list[ManifestRow]:
    """The rows, in which a video with the same bytes as an earlier one has failed: a site may have it twice."""
    first: dict[str, str] = {}
    kept = [first.setdefault(row.sha256, row.video_id) if row.ok else row.video_id for row in rows]
    return [
        row if row.video_id == name else replace(row, status="failed", reason=f"a repeat: the same bytes as {name}")
        for row, name in zip(rows, kept, strict=True)
    ]


def _excess(row: ManifestRow, limits: Download) -> str:
    """Which limit a downloaded video exceeds, or ""; not every site states size and duration before the download."""
    if min(row.width, row.height) > limits.max_height:
        return f"the shorter side of {row.width} x {row.height} exceeds max_height {limits.max_height:g}"
    if row.duration > limits.max_duration:
        return f"duration {row.duration:g} s exceeds max_duration {limits.max_duration:g} s"
    return ""


def _is_remote(source: str) -> bool:
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source)) or is_youtube(source)


def _totals(rows: Sequence[ManifestRow]) -> dict[str, float]:
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
