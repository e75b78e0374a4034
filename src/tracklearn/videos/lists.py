"""The append-only list of videos: reading it and cutting it into shards; `build_list` makes one."""

import os
import re
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from tracklearn.errors import UserError, bad_lines
from tracklearn.files import read_text

COLUMNS = ("video_id", "source")
REPEAT = "a repeat"  # so begins the reason why a video is not mined that the list has twice

YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_YOUTUBE_HOST = re.compile(r"(https?://)?([\w-]+\.)*(youtube(-nocookie)?\.com|youtu\.be)(/|$)", re.IGNORECASE)
# Addresses of one video: watch?v=ID with any parameters, shorts/ID, embed/ID, live/ID, youtu.be/ID; on all subdomains,
# with a scheme or without one.
_YOUTUBE_VIDEO = re.compile(
    r"(?:https?://)?(?:[\w-]+\.)*(?:youtu\.be/|youtube(?:-nocookie)?\.com/"
    r"(?:(?:watch(?:_popup)?/?)?\?(?:\S*[&;])?v=|attribution_link\?\S*[?&;]v=|watch/|shorts/|embed/|live/|v/|e/))([\w-]{11})(?![\w-])",
    re.ASCII | re.IGNORECASE,
)
# An id is part of file names: it has no separator, no leading dot, and leaves room for a suffix.
_SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


class Video(NamedTuple):
    """One line of the list."""

    video_id: str  # unique; names the video's files and its rows in every table
    source: str  # a YouTube id, a URL that yt-dlp takes, or a local path


def read_list(path: str | Path) -> list[Video]:
    """Read the TSV of `video_id` and `source`.

    Raises:
        UserError: the file is missing or has another header; or an id is not unique or unsafe as a file name, or a
            source is empty. The message names the lines.
    """
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: no list of videos; make one: "
            f"python -m tracklearn.videos.build_list --folder my_videos --out {path}"
        ) from error
    if not lines or tuple(lines[0].split("\t")) != COLUMNS:
        raise UserError(f"{path}, line 1: {lines[0] if lines else ''!r}; expected the header 'video_id<TAB>source'")
    videos: dict[str, Video] = {}
    bad: dict[int, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            video = parse_line(line)
        except ValueError as error:
            bad[number] = str(error)
            continue
        if video.video_id in videos:
            bad[number] = f"video_id {video.video_id!r} is in an earlier line too; ids must be unique"
        videos[video.video_id] = video
    if bad:
        raise bad_lines(path, bad)
    return list(videos.values())


def plan_shards(videos: int, ledger: Sequence[int], size: int) -> dict[str, range]:
    """Cut the append-only list into shards "00000", "00001", ...; a shard is a range of positions in the list.

    Args:
        videos: length of the list.
        ledger: sizes of the shards cut so far. Their boundaries never move: videos appended to the list start a new
            shard even where the last one is not full.
        size: number of videos of a new shard.

    Raises:
        UserError: the list is shorter than the shards that were cut from it.
    """
    cut = sum(ledger)
    if videos < cut:
        raise UserError(
            f"the list has {videos} videos, but shards were cut from {cut}; restore the missing lines (videos may "
            "only be appended), or delete the results of videos and mining to start again"
        )
    starts = [0, *accumulate(ledger), *range(cut + size, videos, size)]
    ends = [*starts[1:], videos]
    ranges = [range(start, end) for start, end in zip(starts, ends, strict=True) if start < end]
    return {f"{number:05d}": positions for number, positions in enumerate(ranges)}


def ledger_of(shards: dict[str, range]) -> list[int]:
    """Sizes of the shards in order, the ledger of the next plan."""
    return [len(shards[name]) for name in sorted(shards)]


def is_youtube(source: str) -> bool:
    """Whether a source is an address of YouTube or a bare id; a file of that name is a file."""
    named = YOUTUBE_ID.fullmatch(source) or _YOUTUBE_HOST.match(source)
    return bool(named) and not os.path.exists(source)  # noqa: PTH110 (Path's raises for a name that no file can have)


def youtube_id(source: str) -> str | None:
    """The id of a YouTube video by any of its addresses or by the bare id, None for another source."""
    address = _YOUTUBE_VIDEO.match(unquote(source))  # attribution_link holds the other address encoded
    return address[1] if address else source if YOUTUBE_ID.fullmatch(source) else None


def identity(source: str) -> tuple[object, ...]:
    """What sources of the same video have in common.

    It is the id of a YouTube video; the address without scheme, `www.` and fragment; or the local file itself, however
    many names and links it has.
    """
    if "://" in source:
        if video := youtube_id(source):
            return "YouTube", video
        host, _, rest = source.partition("://")[2].partition("#")[0].partition("/")
        return host.lower().removeprefix("www."), rest.rstrip("/")
    try:
        status = os.stat(source)  # noqa: PTH116 (twice as fast as Path's, for lists of 100,000)
    except (OSError, ValueError):
        return ("YouTube", video) if (video := youtube_id(source)) else (os.path.normpath(source),)
    return status.st_dev, status.st_ino


def repeats(videos: Sequence[Video]) -> dict[str, str]:
    """{id: id of the first video of the list that is the same one} for each video that is listed again.

    Negatives of a query come from other videos, so each video must be mined once.
    """
    first: dict[tuple[object, ...], str] = {}
    found = {video.video_id: first.setdefault(identity(video.source), video.video_id) for video in videos}
    return {video_id: kept for video_id, kept in found.items() if kept != video_id}


def parse_line(line: str) -> Video:
    """One line of the list, or a ValueError with what is wrong in it."""
    values = line.split("\t")
    if '"' in line:
        values = [_unquoted(value) for value in values]
    if len(values) != len(COLUMNS) or not values[1].strip():
        raise ValueError(f"{line!r}; expected 'video_id<TAB>source'")
    video = Video(values[0], values[1].strip())
    if re.search(r"[\0-\x1f\x7f]", video.source):
        raise ValueError(f"the source {video.source!r} holds a control character; rename the file")
    if not _SAFE_ID.fullmatch(video.video_id):
        raise ValueError(
            f"video_id {video.video_id!r} is not safe as a file name; expected 1 to 100 letters, digits, '_', '-' or "
            "'.', and no '.' first"
        )
    return video


def _unquoted(value: str) -> str:
    """A value without the quotes that spreadsheets put around one with a comma in it."""
    return value[1:-1].replace('""', '"') if re.fullmatch('"([^"]|"")*"', value) else value
