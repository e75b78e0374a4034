"""Downloading one video with yt-dlp, in a process of its own, which can be killed when it stalls.

`python -m tracklearn.videos.fetch` reads the arguments of `fetch` as JSON from standard input and prints JSON:
{"path": the file}, or {"reason": why there is no file, "transient": bool, "disk_full": bool}.
"""

import errno
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tracklearn.videos.lists import youtube_id

# After these answers the same request may succeed a little later.
TRANSIENT_STATUS = frozenset({408, 425, 429, *range(500, 600)})

# Words of errors that say nothing about the video for good, in lower case.
PASSING = (
    # YouTube's answers to an address that has sent too many requests, whatever the video.
    *("not a bot", "rate-limited", "try again later", "likely being blocked", "captcha challenge"),
    # YouTube has changed, or serves some of its clients no formats for a while; a newer yt-dlp may cope.
    *("needs to be reloaded", "requested format is not available", "no video formats found"),
    *("failed to extract any player response", "not available on this app"),
    # The video is not there yet.
    *("live event will begin", "premieres in", "premiere will begin", "processing this video"),
)
LIVE = "the video is a live stream"  # it is a video later

# Hosts that refuse a video (403) when an address of it has expired or has been asked for too often.
_YOUTUBE_HOSTS = re.compile(r"https?://([\w-]+\.)*(youtube(-nocookie)?|googlevideo)\.com[:/]")

SOCKET_TIMEOUT = 30.0  # seconds without a byte. ASSUME: a host that is slower is not worth waiting for


class UnavailableError(Exception):
    """A video could not be downloaded; the message is the reason in the manifest.

    Attributes:
        transient: whether the same request may succeed later.
        disk_full: whether the disk has no room for the file.
    """

    def __init__(self, reason: str, *, transient: bool = False, disk_full: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient
        self.disk_full = disk_full


def fetch(
    *,
    source: str,
    directory: str,
    video_id: str,
    max_height: int,
    max_duration: float,
    timeout: float,
    retries: int,
    backoff: float = 1.0,
) -> Path:
    """Download one video to `directory/video_id.*`; a partial file of an earlier attempt is resumed.

    Args:
        source: a YouTube id or a URL that yt-dlp takes.
        directory: folder of the file.
        video_id: name of the file without the suffix of its format.
        max_height: largest shorter side of a format, in pixels; formats of unknown size are taken.
        max_duration: seconds; longer videos are refused where the site states the duration.
        timeout: seconds for all attempts together.
        retries: attempts after the first one, for transient errors.
        backoff: seconds before the first retry, doubled for each further retry.

    Raises:
        UnavailableError: with the reason.
    """
    deadline = time.monotonic() + timeout
    for attempt in range(retries + 1):
        wait = backoff * 2**attempt
        try:
            return _attempt(source, _options(directory, video_id, max_height, deadline, timeout), max_duration)
        except UnavailableError as error:
            if not error.transient:
                raise
            if attempt == retries or time.monotonic() + wait > deadline:
                raise UnavailableError(f"{error} ({attempt + 1} attempts)", transient=True) from error
            time.sleep(wait)
    raise ValueError(f"retries = {retries}: expected 0 or more")


def runtimes() -> list[str]:
    """JavaScript runtimes of this machine that yt-dlp can use for YouTube, which computes its addresses in scripts."""
    from yt_dlp import YoutubeDL  # noqa: PLC0415  (takes a quarter of a second, which only downloads should cost)
    from yt_dlp.globals import supported_js_runtimes  # noqa: PLC0415

    YoutubeDL({"quiet": True}).close()  # registers the runtimes
    found = ((name, kind().info) for name, kind in supported_js_runtimes.value.items())
    return [name for name, info in found if info is not None and info.supported]


def _attempt(source: str, options: dict[str, Any], max_duration: float) -> Path:
    """Try the download once."""
    from yt_dlp import YoutubeDL  # noqa: PLC0415
    from yt_dlp.utils import DownloadCancelled, DownloadError  # noqa: PLC0415

    refusals: list[str] = []
    options = {**options, "match_filter": _refuser(max_duration, refusals)}
    url = f"https://www.youtube.com/watch?v={video}" if (video := youtube_id(source)) else source
    try:
        with YoutubeDL(options) as downloader:
            found = downloader.extract_info(url, download=True) or {}
    except DownloadCancelled as error:
        raise UnavailableError(str(error), transient=True) from error
    except DownloadError as error:
        raise _unavailable(error) from error
    except OSError as error:
        raise UnavailableError(str(error), disk_full=error.errno == errno.ENOSPC) from error
    if "entries" in found:
        raise UnavailableError("the address is a playlist, not a video")
    if refusals or not found.get("requested_downloads"):
        reason = refusals[0] if refusals else "the site offers no file"
        raise UnavailableError(reason, transient=reason == LIVE)
    return Path(found["requested_downloads"][0]["filepath"])


def _options(directory: str, video_id: str, max_height: int, deadline: float, timeout: float) -> dict[str, Any]:
    """yt-dlp's options for one attempt. Its own retries are off, so one count and one deadline hold for all errors."""
    from yt_dlp.utils import DownloadCancelled  # noqa: PLC0415

    def check_time(progress: dict[str, Any]) -> None:
        if progress["status"] == "downloading" and time.monotonic() > deadline:
            raise DownloadCancelled(f"time limit of {timeout:g} s")

    return {
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "format": _format(max_height),
        "format_sort": ["res", "vcodec:h264"],  # by shorter side. ASSUME: of equal size H.264, which decodes fastest
        "outtmpl": f"{directory}/{video_id}.%(ext)s".replace("%", "%%").replace("%%(ext)s", "%(ext)s"),
        "continuedl": True,
        "retries": 0,
        "extractor_retries": 0,
        "fragment_retries": 3,
        "socket_timeout": min(SOCKET_TIMEOUT, timeout),
        "noplaylist": True,
        "extract_flat": "in_playlist",
        "playlistend": 1,
        "fixup": "never",  # it would need ffmpeg, and the reader does without
        "js_runtimes": {name: {} for name in runtimes()},
        "progress_hooks": [check_time],
    }


def _format(longest: int) -> str:
    """yt-dlp's choice of formats whose shorter side, the width of portrait video, has at most `longest` pixels.

    Formats without audio are preferred. A format of unknown size is taken and checked after the download.
    """
    portrait, other = f"[aspect_ratio<1][width<={longest}]", f"[height<=?{longest}]"
    return "/".join(kind + limit for limit in (portrait, other) for kind in ("bv", "b"))


def _refuser(max_duration: float, refusals: list[str]) -> Callable[..., str | None]:
    """A filter for yt-dlp that refuses live streams and long videos, and appends the reason to `refusals`."""

    def refuse(found: dict[str, Any], *, incomplete: bool = False) -> str | None:
        duration = found.get("duration") or 0
        if found.get("is_live"):
            refusals.append(LIVE)
        elif duration > max_duration:
            refusals.append(f"duration {duration:g} s exceeds max_duration {max_duration:g} s")
        return refusals[0] if refusals else None

    return refuse


def _unavailable(error: Exception) -> UnavailableError:
    """The meaning of an error of yt-dlp."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError  # noqa: PLC0415
    from yt_dlp.utils import ExtractorError  # noqa: PLC0415

    reason = str(getattr(error, "orig_msg", None) or getattr(error, "msg", None) or error)
    reason = " ".join(reason.removeprefix("ERROR: ").split()).split(" (caused by")[0][:300]
    for cause in _causes(error):
        if isinstance(cause, HTTPError):
            refused = cause.status == 403 and bool(_YOUTUBE_HOSTS.match(cause.response.url or ""))
            transient = refused or cause.status in TRANSIENT_STATUS
            return UnavailableError(f"HTTP {cause.status} {cause.reason}", transient=transient)
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            return UnavailableError(reason, disk_full=True)
        if isinstance(cause, TransportError | ConnectionError | TimeoutError):
            return UnavailableError(reason, transient=True)
    if "Did not get any data blocks" in reason:
        return UnavailableError("the file is empty (0 bytes)")
    # A transfer that broke off is known only by the text of its error; its partial file stays.
    broken = reason.removeprefix("[download] Got error: ")
    # yt-dlp did not expect the site's answer, and a newer yt-dlp may.
    unexpected = any(isinstance(cause, ExtractorError) and not cause.expected for cause in _causes(error))
    passing = broken != reason or unexpected or any(words in reason.lower() for words in PASSING)
    return UnavailableError(broken, transient=passing, disk_full="No space left" in reason)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes, as Python and yt-dlp chain them."""
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            exc_info = getattr(cause, "exc_info", None) or (None, None)
            waiting += [exc_info[1], getattr(cause, "cause", None), cause.__cause__, cause.__context__]


def _main() -> None:
    try:
        answer: dict[str, Any] = {"path": str(fetch(**json.load(sys.stdin)))}
    except UnavailableError as error:
        answer = {"reason": str(error), "transient": error.transient, "disk_full": error.disk_full}
    print(json.dumps(answer))


if __name__ == "__main__":
    _main()
