"""The videos of a shard: downloaded or found, probed, and listed in a manifest with a row for every one."""

import errno
import hashlib
import logging
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from threading import get_ident

from tracklearn.errors import DISK_FULL, UserError
from tracklearn.files import disk_full, read_errors_named
from tracklearn.machine.workers import Lost, Workers
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.videos import Download
from tracklearn.videos import fetch
from tracklearn.videos.deadline import lost_error
from tracklearn.videos.downloads import Downloads
from tracklearn.videos.frames import Probe, probe
from tracklearn.videos.lists import REPEAT, Video, is_youtube
from tracklearn.videos.manifest import ManifestRow, read_manifest, write_manifest

FINISHED = re.compile(r"\.(?!part$|ytdl$|temp$)\w+")  # suffixes; yt-dlp gives unfinished files others

Prober = Workers[Path, Probe]

log = logging.getLogger(__name__)


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
    network, a busy or slow host, no memory to probe the file), the status of the video is "unreachable".

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
        OSError: the disk of the downloads is read-only or fails.
        UserError: a wrong setting; the disk is full; a video is on YouTube and yt-dlp finds no JavaScript runtime; or
            no remote video could be reached. Then no manifest is written, and what was downloaded stays, partial files
            included.
    """
    repeated = {video[0]: f"{REPEAT}: the same video as {video[2]}" for video in videos if len(video) > 2}
    listed = [Video(*video[:2]) for video in videos]
    wanted = [video for video in listed if video.video_id not in repeated]
    rows = {video.video_id: ManifestRow(*video, reason=repeated.get(video.video_id, "")) for video in listed}
    rows |= _rows_of_videos(wanted, Path(directory), Download.read(limits), threads, report)
    remote = [rows[video.video_id] for video in wanted if _is_remote(video.source)]
    if remote and all(row.status == "unreachable" for row in remote):
        raise UserError(
            f"shard {Path(manifest).stem}: none of its {len(remote)} remote videos could be reached "
            f"({remote[0].reason}); check the network and run again"
        )
    in_order = _without_copies([rows[video.video_id] for video in listed])
    write_manifest(manifest, in_order)
    return _totals(in_order)


def retry_shard(
    *,
    videos: Sequence[Sequence[str]],
    manifest: str | Path,
    directory: str | Path,
    limits: Block = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Try the unreachable videos of a finished shard again, and replace their rows in the manifest.

    The rows of the other videos and their files stay. A video that is still unreachable keeps its row. If no video has
    become "ok", the manifest keeps its time of modification, so that Snakemake does not mine the shard again.

    Args:
        videos: of the list, as those of `download_shard`: the manifest does not hold passwords and tokens of addresses.
        manifest: the TSV file of `download_shard`, with the same arguments.

    Returns:
        Counts: tried, and of these ok, unreachable, failed.

    Raises:
        UserError: as `download_shard`, but not if all videos are unreachable. The manifest stays as it was.
    """
    rows = read_manifest(manifest)
    unreachable = {row.video_id for row in rows if row.status == "unreachable"}
    wanted = [Video(*video[:2]) for video in videos if video[0] in unreachable]
    known = {row.sha256: row.video_id for row in rows if row.ok}
    found = _rows_of_videos(wanted, Path(directory), Download.read(limits), threads, report)
    tried = _without_copies([found[video.video_id] for video in wanted], known)
    settled = {row.video_id: row for row in tried if row.status != "unreachable"}
    if settled:
        time_before = Path(manifest).stat().st_mtime_ns
        write_manifest(manifest, [settled.get(row.video_id, row) for row in rows])
        if not any(row.ok for row in tried):
            os.utime(manifest, ns=(time_before, time_before))
    totals = _totals(tried)
    return {"tried": totals["videos"], **{name: totals[name] for name in ("ok", "unreachable", "failed")}}


def _rows_of_videos(
    videos: Sequence[Video], directory: Path, limits: Download, threads: int, report: Report
) -> dict[str, ManifestRow]:
    """The row of each video by its id. Remote videos that no earlier run has finished are downloaded."""
    if any(is_youtube(video.source) for video in videos):
        check_youtube()
    directory.mkdir(parents=True, exist_ok=True)
    finished = _finished_downloads(directory)
    rows: dict[str, ManifestRow] = {}
    readable = 0
    with ExitStack() as stack, Downloads(limits, threads) as downloads, ThreadPoolExecutor(threads) as pool:
        # Each thread has a process that probes: a broken video may crash or hang a decoder.
        probers = defaultdict[int, Prober](lambda: stack.enter_context(Workers(probe, 1, limit=limits.timeout)))

        def row_of(video: Video) -> ManifestRow:
            prober = probers[get_ident()]
            if not _is_remote(video.source):
                return _row_of_file(video, Path(video.source), prober, limits)
            try:
                path = finished.get(video.video_id) or downloads.fetch(video, directory)
            except fetch.UnavailableError as error:
                if error.disk_error in DISK_FULL:
                    raise disk_full(directory) from error
                if error.disk_error:
                    raise OSError(error.disk_error, os.strerror(error.disk_error), str(directory)) from error
                status = "unreachable" if error.transient else "failed"
                return ManifestRow(*video, status=status, reason=str(error))
            return _row_of_download(video, path, prober, limits)

        jobs = [pool.submit(row_of, video) for video in videos]
        try:
            for job in as_completed(jobs):
                row = job.result()
                rows[row.video_id] = row
                readable += row.ok
                report(len(rows), {"ok": readable, "videos": len(videos)})
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            downloads.stop()
            raise
    return rows


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


def _finished_downloads(directory: Path) -> dict[str, Path]:
    """The finished files of an earlier run by the id of their video."""
    files = [path for path in sorted(directory.iterdir(), reverse=True) if FINISHED.fullmatch(path.suffix)]
    return {path.stem: path for path in files}


def _row_of_download(video: Video, path: Path, prober: Prober, limits: Download) -> ManifestRow:
    """The row of a downloaded file, which is deleted if it cannot be used."""
    row = _row_of_file(video, path, prober, limits)
    excess = _excess(row, limits)
    if (row.ok and not excess) or row.status == "unreachable":
        return row
    path.unlink()  # a later run would take the file for a finished download, even if the host has corrected it
    return replace(row, path="", status="failed", reason=excess or row.reason)


def _row_of_file(video: Video, path: Path, prober: Prober, limits: Download) -> ManifestRow:
    """The row of a local file."""
    try:
        size = path.stat().st_size
        with read_errors_named(path), path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        if error.errno == errno.EIO:  # of the disk, which says nothing of the video
            raise
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        return ManifestRow(video.video_id, video.source, reason=reason)
    row = ManifestRow(video.video_id, video.source, path=str(path), bytes=size, sha256=sha256)
    try:
        for _ in range(2):
            prober.begin(path)
            [(_, found)] = prober.outcomes()
            if not (isinstance(found, Lost) and found.killed):
                break
    except UserError as error:
        return replace(row, reason=str(error).removeprefix(f"{path}: "))
    if isinstance(found, Lost) and found.killed:
        reason = f"its process {found.reason}, twice: use fewer threads or give the job more memory"
        return ManifestRow(video.video_id, video.source, status="unreachable", reason=reason)
    if isinstance(found, Lost):
        failure = lost_error(found, limits.timeout, "videos.timeout")
        log.warning("video %s: %s", video.video_id, failure)
        return replace(row, reason=str(failure))
    values = asdict(found)
    note = values.pop("note")
    return replace(row, status="ok", reason=note, **values)


def _without_copies(rows: Sequence[ManifestRow], known: Mapping[str, str] = {}) -> list[ManifestRow]:
    """The rows, in which a video with the same bytes as an earlier one has failed: a site may have it twice.

    Args:
        rows: in the order of the list.
        known: ids of videos that are earlier than all rows, by checksum.
    """
    first = dict(known)
    kept = [first.setdefault(row.sha256, row.video_id) if row.ok else row.video_id for row in rows]
    return [
        row if row.video_id == name else replace(row, status="failed", reason=f"{REPEAT}: the same bytes as {name}")
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
