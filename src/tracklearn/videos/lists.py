"""The append-only list of videos: built from keywords or public ids, read, and cut into shards.

python -m tracklearn.videos.lists --keywords keywords.txt --per-keyword 50 --out data/videos.tsv
python -m tracklearn.videos.lists --ids kinetics.csv --column youtube_id --out data/videos.tsv
"""

import argparse
import csv
import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from tracklearn.errors import UserError
from tracklearn.files import atomic

COLUMNS = ("video_id", "source")

YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_YOUTUBE_URL = re.compile(
    r"https?://(?:www\.|m\.)?(?:youtu\.be/|youtube(?:-nocookie)?\.com/(?:watch\?(?:\S*&)?v=|shorts/|embed/|v/))([\w-]{11})(?![\w-])",
    re.ASCII,
)
# Names files in a folder of its own: no separators, no leading dot, room for a suffix.
_SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


class Video(NamedTuple):
    """One line of the list."""

    video_id: str  # unique; names the video's files and its rows in every table
    source: str  # a YouTube id, a URL that yt-dlp takes, or a local path


def read_list(path: str | Path) -> list[Video]:
    """Read the TSV of `video_id` and `source`.

    Raises:
        UserError: no such file, another header, an id that is unsafe as a file name or not unique, or no source; the
            message names the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no list of videos; make one: python -m tracklearn.videos.lists --help") from error
    if not lines or tuple(lines[0].split("\t")) != COLUMNS:
        raise UserError(f"{path}, line 1: {lines[0] if lines else ''!r}: expected the header 'video_id<TAB>source'")
    videos: dict[str, Video] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            video = _video(line)
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}") from error
        if video.video_id in videos:
            raise UserError(
                f"{path}, line {number}: video_id {video.video_id!r} is in the list already; ids are unique"
            )
        videos[video.video_id] = video
    return list(videos.values())


def plan_shards(videos: Sequence[Video], ledger: Sequence[int], size: int) -> dict[str, list[Video]]:
    """Cut the append-only list into shards "00000", "00001", ...

    Args:
        videos: the whole list.
        ledger: sizes of the shards cut so far. Their boundaries never move: what is appended to the list starts a new
            shard even where the last one is not full.
        size: videos of a new shard.

    Raises:
        UserError: the list is shorter than the shards cut from it.
    """
    cut = sum(ledger)
    if len(videos) < cut:
        raise UserError(
            f"the list holds {len(videos)} videos but {cut} are cut into shards already: it is append-only; restore "
            "the missing lines, or delete the results of videos and mining to start anew"
        )
    starts = [0, *accumulate(ledger), *range(cut + size, len(videos), size)]
    ends = [*starts[1:], len(videos)]
    blocks = [list(videos[start:end]) for start, end in zip(starts, ends, strict=True) if start < end]
    return {f"{number:05d}": block for number, block in enumerate(blocks)}


def ledger_of(shards: dict[str, list[Video]]) -> list[int]:
    """Sizes of the shards in their order: the ledger of the next plan."""
    return [len(shards[name]) for name in sorted(shards)]


def is_youtube(source: str) -> bool:
    """Whether a source leads to YouTube: a bare id or one of its URLs (a file of that name goes first)."""
    if YOUTUBE_ID.fullmatch(source):
        return not Path(source).exists()
    return bool(re.match(r"https?://([\w-]+\.)*(youtube(-nocookie)?\.com|youtu\.be)(/|$)", source))


def build_list(
    *,
    out: str | Path,
    keywords_file: str | Path | None = None,
    ids_file: str | Path | None = None,
    column: str | None = None,
    per_keyword: int = 50,
    search: Callable[[str, int], Iterable[str]] | None = None,
    tell: Callable[[str], object] = print,
) -> int:
    """Build a list, or append to one what it does not hold yet.

    Args:
        out: the list. Lines that are there stay, in their order.
        keywords_file: one search a line; "#" starts a comment line. # PAPER §4: thousands of keywords
        ids_file: a public list: one YouTube id or URL a line, or a CSV/TSV with a header when `column` is given.
        column: column of `ids_file` that holds ids or URLs.
        per_keyword: results taken of each search.
        search: (keyword, count) -> YouTube ids; yt-dlp's search by default.
        tell: gets a line a keyword.

    Returns:
        Number of videos appended.

    Raises:
        UserError: neither or both files are given, a line is no id or URL, or every search failed. What earlier
            searches found is written all the same.
    """
    if (keywords_file is None) == (ids_file is None):
        raise UserError("give either a file of keywords (--keywords) or a file of ids (--ids)")
    videos = {video.video_id: video for video in read_list(out)} if Path(out).exists() else {}
    sources = {video.source for video in videos.values()}
    before = len(videos)
    if ids_file is not None:
        found = _listed(ids_file, column)
    else:
        found = _searched(_lines(str(keywords_file)), per_keyword, search or youtube_search, tell)
    try:
        for video in found:
            if video.source not in sources:
                videos.setdefault(video.video_id, video)
    finally:
        if len(videos) > before:
            with atomic(out) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
                file.writelines("\t".join(row) + "\n" for row in (COLUMNS, *videos.values()))
    return len(videos) - before


def youtube_search(keyword: str, count: int) -> list[str]:
    """YouTube ids of the first `count` results of a search, by yt-dlp and without opening the videos' pages.

    Raises:
        UserError: the search failed; the message holds yt-dlp's reason.
    """
    from yt_dlp import YoutubeDL  # noqa: PLC0415  (a second to import, and the Snakefile reads lists)
    from yt_dlp.utils import DownloadError  # noqa: PLC0415

    options = {"quiet": True, "no_warnings": True, "extract_flat": True, "skip_download": True, "extractor_retries": 3}
    try:
        with YoutubeDL(options) as downloader:
            results = downloader.extract_info(f"ytsearch{count}:{keyword}", download=False)
    except DownloadError as error:
        raise UserError(f"search for {keyword!r} failed: {error.msg}") from error
    # a search also finds channels and playlists, whose ids are longer
    return [entry["id"] for entry in results["entries"] if YOUTUBE_ID.fullmatch(entry["id"] or "")]


def _searched(
    keywords: Iterable[tuple[int, str]],
    per_keyword: int,
    search: Callable[[str, int], Iterable[str]],
    tell: Callable[[str], object],
) -> Iterator[Video]:
    """Videos of all searches; a search that fails is told and passed over, unless none succeeds."""
    failure, succeeded = None, False
    for _, keyword in keywords:
        try:
            ids = list(search(keyword, per_keyword))
        except UserError as error:
            failure = error
            tell(str(error))
            continue
        succeeded = True
        tell(f"{keyword}: {len(ids)} videos")
        yield from (Video(video_id, video_id) for video_id in ids)
    if failure and not succeeded:
        raise failure


def _listed(path: str | Path, column: str | None) -> Iterator[Video]:
    """Videos of a public list."""
    for number, value in _lines(path) if column is None else _column(path, column):
        address = _YOUTUBE_URL.match(value)
        if address or YOUTUBE_ID.fullmatch(value):
            video_id = address[1] if address else value
            yield Video(video_id, video_id)
        elif re.match(r"https?://\S+$", value):
            yield Video(f"url-{hashlib.sha256(value.encode()).hexdigest()[:16]}", value)
        else:
            raise UserError(f"{path}, line {number}: {value!r} is neither a YouTube id nor a URL")


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a file, without blank ones and comments."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def _column(path: str | Path, column: str) -> Iterator[tuple[int, str]]:
    """Numbered values of one column of a CSV or TSV with a header."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    with open(path, encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter="\t" if "\t" in header else ",")
        if column not in (reader.fieldnames or ()):
            raise UserError(f"{path}: no column {column!r} in its header {header.strip()!r}")
        for row in reader:
            yield reader.line_num, (row[column] or "").strip()


def _video(line: str) -> Video:
    """One line of the list; ValueError says what is wrong with it."""
    values = line.split("\t")
    if len(values) != len(COLUMNS) or not values[1].strip():
        raise ValueError(f"{line!r}: expected 'video_id<TAB>source'")
    video = Video(values[0], values[1].strip())
    if not _SAFE_ID.fullmatch(video.video_id):
        raise ValueError(
            f"video_id {video.video_id!r} cannot name a file: expected 1 to 100 letters, digits, '_', '-' or '.', "
            "no '.' first"
        )
    return video


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tracklearn.videos.lists", description="Build or extend the list of videos."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--keywords", help="file with one search a line")
    source.add_argument("--ids", help="public list: a YouTube id or URL a line, or a CSV/TSV with --column")
    parser.add_argument("--column", help="column of --ids that holds the ids or URLs")
    parser.add_argument("--per-keyword", type=int, default=50, help="videos taken of each search (default: 50)")
    parser.add_argument("--out", required=True, help="the list to make or to append to")
    given = parser.parse_args(arguments)
    try:
        appended = build_list(
            out=given.out,
            keywords_file=given.keywords,
            ids_file=given.ids,
            column=given.column,
            per_keyword=given.per_keyword,
        )
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{given.out}: {appended} videos appended")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
