"""Building the list of videos, or appending to it, from a folder, search keywords or public ids.

python -m tracklearn.videos.build_list --folder my_videos --out data/videos.tsv
python -m tracklearn.videos.build_list --keywords --per-keyword 50 --out data/videos.tsv
python -m tracklearn.videos.build_list --ids kinetics.csv --column youtube_id --out data/videos.tsv
"""

import argparse
import csv
import filecmp
import hashlib
import io
import os
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tracklearn.errors import UserError, bad_lines
from tracklearn.files import atomic, read_text
from tracklearn.videos.lists import COLUMNS, YOUTUBE_ID, Video, identity, read_list, youtube_id

KEYWORDS = Path(__file__).with_name("keywords.txt")  # ASSUME: everyday words, since the paper's are not published

SPOILT = re.compile(r"#\S+[?!]|#N/A")  # what a spreadsheet makes of an id, as #NAME?, #REF! and #DIV/0!

MOST_PRINTED = 100  # of the lines of a public list that are left out

SUFFIXES = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
)


def build_list(
    *,
    out: str | Path,
    folder: str | Path | None = None,
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
        folder: every video file below it is listed by its absolute path. Hidden files and folders are left out, and so
            is a file with the same bytes as an earlier one. A file that cannot be read is listed, and mining gives the
            reason why it yields no pair.
        keywords_file: one search a line; "#" starts a comment line. PAPER §4: thousands of keywords.
        ids_file: a public list: one YouTube id or URL a line, or a CSV/TSV file with a header if `column` is given.
            Lines with anything else, such as an id that a spreadsheet spoilt, are left out.
        column: column of `ids_file` with the ids or URLs.
        per_keyword: number of results taken from each search.
        search: (keyword, count) -> YouTube ids; yt-dlp's search by default.
        print_line: called with one line for each keyword, and for each video file or line that is left out.

    Returns:
        Number of videos appended.

    Raises:
        UserError: not one of `folder`, `keywords_file` and `ids_file` is given, the folder holds no video file, no line
            is an id or a URL, or every search failed. The results of earlier searches are written all the
            same.
    """
    if [folder, keywords_file, ids_file].count(None) != 2:
        raise UserError("give one of a folder (--folder), a file of keywords (--keywords) and a file of ids (--ids)")
    videos = {video.video_id: video for video in read_list(out)} if Path(out).exists() else {}
    listed = {identity(video.source) for video in videos.values()}
    before = len(videos)
    if folder is not None:
        found = _in_folder(folder, videos, print_line)
    elif ids_file is not None:
        found = _listed(ids_file, column, print_line)
    else:
        found = _searched(_lines(str(keywords_file)), per_keyword, search or youtube_search, print_line)
    try:
        for video in found:
            if (key := identity(video.source)) not in listed:
                listed.add(key)
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
        if SPOILT.fullmatch(keyword):
            print_line(f"{keyword}: left out, because a spreadsheet spoilt this keyword")
            continue
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


def _in_folder(folder: str | Path, listed: Mapping[str, Video], print_line: Callable[[str], object]) -> Iterator[Video]:
    """Videos of the files below a folder that are not listed yet, in the order of their paths.

    The id of a file is its name without its suffix, in ASCII letters, digits, `_` and `-`. If the id is taken, a digest
    of the path follows it.
    """
    files = _video_files(folder)
    if not files:
        raise UserError(f"{folder}: no video file in this folder; expected one of {', '.join(SUFFIXES)}")
    taken = set(listed)
    sources = {video.source for video in listed.values()}
    by_size: dict[int, list[str]] = defaultdict(list)
    for video in listed.values():
        with suppress(OSError):  # an address, or a file that is gone
            by_size[Path(video.source).stat().st_size].append(video.source)
    for file in files:
        if file in sources:
            continue
        if not _is_line(file):
            print_line(f"{file!r}: left out, because a list cannot hold this name; rename it")
            continue
        alike = by_size[Path(file).stat().st_size]
        if twin := next((other for other in alike if _same_bytes(file, other)), None):
            print_line(f"{file}: left out, because it has the same bytes as {twin}")
            continue
        alike.append(file)
        letters = unicodedata.normalize("NFKD", Path(file).stem).encode("ascii", "ignore").decode()
        video_id = re.sub(r"[^A-Za-z0-9_-]+", "_", letters)[:80].strip("_") or "video"
        if video_id in taken:
            video_id += f"-{hashlib.sha256(file.encode()).hexdigest()[:8]}"
        taken.add(video_id)
        yield Video(video_id, file)


def _same_bytes(file: str, other: str) -> bool:
    with suppress(OSError):  # one of them cannot be read
        return filecmp.cmp(file, other, shallow=False)
    return False


def _video_files(folder: str | Path) -> list[str]:
    """Absolute paths of the video files below a folder, by their suffixes; links to folders are not followed."""
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: no such folder; the working folder is {Path.cwd()}")
    found = []
    for parent, folders, files in os.walk(os.path.abspath(folder)):  # noqa: PTH100 (resolve would follow links)
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(parent, name) for name in files if not name.startswith("."))
        found += [str(path) for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted(found)


def _is_line(path: str) -> bool:
    """Whether a path can stand in a list: encoded as UTF-8, and without a tab or a line break."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return "\t" not in path and len(path.splitlines()) == 1


def _listed(path: str | Path, column: str | None, print_line: Callable[[str], object]) -> Iterator[Video]:
    """Videos of a public list; the lines that are left out are printed at the end."""
    spoilt: dict[int, str] = {}
    good = 0
    for number, value in _lines(path) if column is None else _column(path, column):
        if video_id := youtube_id(value):
            yield Video(video_id, video_id)
        elif re.match(r"https?://\S+$", value):
            yield Video(f"url-{hashlib.sha256(value.encode()).hexdigest()[:16]}", value)
        else:
            reason = f"{value!r} is neither a YouTube id nor a URL"
            hint = "; a spreadsheet takes an id that begins with - for a formula: get the list again"
            spoilt[number] = reason + (hint if SPOILT.fullmatch(value) else "")
            continue
        good += 1
    if spoilt and not good:
        raise bad_lines(path, spoilt)
    for number, reason in list(spoilt.items())[:MOST_PRINTED]:
        print_line(f"{path}, line {number}: left out, because {reason}")
    if len(spoilt) > MOST_PRINTED:
        print_line(f"{path}: {len(spoilt) - MOST_PRINTED} more lines are left out, all for such reasons")


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a file, without blank lines and comments; what a spreadsheet spoilt is no comment."""
    for number, line in enumerate(map(str.strip, _text(path).splitlines()), start=1):
        if line and (not line.startswith("#") or SPOILT.fullmatch(line)):
            yield number, line


def _column(path: str | Path, column: str) -> Iterator[tuple[int, str]]:
    """Numbered values of one column of a file with a header, divided by commas, tabs or semicolons."""
    text = _text(path)
    for delimiter in ",\t;":
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        if column in (reader.fieldnames or ()):
            break
    else:
        raise UserError(f"{path}: no column {column!r} in the header {text.partition(chr(10))[0].strip()!r}")
    try:
        for row in reader:
            yield reader.line_num, (row[column] or "").strip()
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}; look for a quote that is not closed") from error


def _text(path: str | Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tracklearn.videos.build_list", description="Build or extend the list of videos."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--folder", help="folder of video files, which are listed where they are")
    source.add_argument(
        "--keywords", nargs="?", const=KEYWORDS, help="file with one search a line (default: everyday words)"
    )
    source.add_argument("--ids", help="public list: a YouTube id or URL a line, or a CSV/TSV with --column")
    parser.add_argument("--column", help="column of --ids that holds the ids or URLs")
    parser.add_argument("--per-keyword", type=int, default=50, help="videos taken from each search (default: 50)")
    parser.add_argument("--out", required=True, help="list to build or to extend")
    given = parser.parse_args(arguments)
    try:
        appended = build_list(
            out=given.out,
            folder=given.folder,
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
