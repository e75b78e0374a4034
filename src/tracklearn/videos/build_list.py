"""Building the list of videos, or appending to it, from search keywords or public ids.

python -m tracklearn.videos.build_list --keywords keywords.txt --per-keyword 50 --out data/videos.tsv
python -m tracklearn.videos.build_list --ids kinetics.csv --column youtube_id --out data/videos.tsv
"""

import argparse
import csv
import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.videos.lists import COLUMNS, YOUTUBE_ID, Video, read_list

_YOUTUBE_URL = re.compile(
    r"https?://(?:www\.|m\.)?(?:youtu\.be/|youtube(?:-nocookie)?\.com/(?:watch\?(?:\S*&)?v=|shorts/|embed/|v/))([\w-]{11})(?![\w-])",
    re.ASCII,
)


def build_list(
    *,
    out: str | Path,
    keywords_file: str | Path | None = None,
    ids_file: str | Path | None = None,
    column: str | None = None,
    per_keyword: int = 50,
    search: Callable[[str, int], Iterable[str]] | None = None,
    print_line: Callable[[str], object] = print,
) -> int:
    """Build a list, or append the videos to a list that are not in it yet.

    Args:
        out: the list; its lines stay as they are.
        keywords_file: one search a line; "#" starts a comment line. PAPER §4: thousands of keywords.
        ids_file: a public list: one YouTube id or URL a line, or a CSV/TSV file with a header if `column` is given.
        column: column of `ids_file` with the ids or URLs.
        per_keyword: number of results taken from each search.
        search: (keyword, count) -> YouTube ids; yt-dlp's search by default.
        print_line: called with one line for each keyword.

    Returns:
        Number of videos appended.

    Raises:
        UserError: neither or both files are given, a line is neither an id nor a URL, or every search failed. The
            results of earlier searches are written all the same.
    """
    if (keywords_file is None) == (ids_file is None):
        raise UserError("give either a file of keywords (--keywords) or a file of ids (--ids)")
    videos = {video.video_id: video for video in read_list(out)} if Path(out).exists() else {}
    sources = {video.source for video in videos.values()}
    before = len(videos)
    if ids_file is not None:
        found = _listed(ids_file, column)
    else:
        found = _searched(_lines(str(keywords_file)), per_keyword, search or youtube_search, print_line)
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
    """YouTube ids of the first `count` results of a search by yt-dlp, which does not open the videos' pages.

    Raises:
        UserError: the search failed; the message has yt-dlp's reason.
    """
    from yt_dlp import YoutubeDL  # noqa: PLC0415  (takes a second, and --help and --ids do not need it)
    from yt_dlp.utils import DownloadError  # noqa: PLC0415

    options = {"quiet": True, "no_warnings": True, "extract_flat": True, "skip_download": True, "extractor_retries": 3}
    try:
        with YoutubeDL(options) as downloader:
            results = downloader.extract_info(f"ytsearch{count}:{keyword}", download=False)
    except DownloadError as error:
        raise UserError(f"search for {keyword!r} failed: {error.msg}") from error
    # A search also finds channels and playlists, whose ids are longer.
    return [entry["id"] for entry in results["entries"] if YOUTUBE_ID.fullmatch(entry["id"] or "")]


def _searched(
    keywords: Iterable[tuple[int, str]],
    per_keyword: int,
    search: Callable[[str, int], Iterable[str]],
    print_line: Callable[[str], object],
) -> Iterator[Video]:
    """Videos of all searches; the reason of a failed search is printed, and raised if no search succeeds."""
    failure, succeeded = None, False
    for _, keyword in keywords:
        try:
            ids = list(search(keyword, per_keyword))
        except UserError as error:
            failure = error
            print_line(str(error))
            continue
        succeeded = True
        print_line(f"{keyword}: {len(ids)} videos")
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
    """Numbered lines of a file, without blank lines and comments."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def _column(path: str | Path, column: str) -> Iterator[tuple[int, str]]:
    """Numbered values of one column of a CSV or TSV file with a header."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    with open(path, encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter="\t" if "\t" in header else ",")
        if column not in (reader.fieldnames or ()):
            raise UserError(f"{path}: no column {column!r} in the header {header.strip()!r}")
        for row in reader:
            yield reader.line_num, (row[column] or "").strip()


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tracklearn.videos.build_list", description="Build or extend the list of videos."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--keywords", help="file with one search a line")
    source.add_argument("--ids", help="public list: a YouTube id or URL a line, or a CSV/TSV with --column")
    parser.add_argument("--column", help="column of --ids that holds the ids or URLs")
    parser.add_argument("--per-keyword", type=int, default=50, help="videos taken from each search (default: 50)")
    parser.add_argument("--out", required=True, help="list to build or to extend")
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
