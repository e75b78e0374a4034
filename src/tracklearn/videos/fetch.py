"""Downloading videos with yt-dlp, in a process of its own, which can be killed when it stalls.

`python -m tracklearn.videos.fetch '{"max_height": ..., ...}'` takes the arguments of `Fetcher` as JSON. For each line
of its input, the arguments of `Fetcher.fetch` as JSON, it prints a line of JSON: {"path": the file}, or {"reason": why
there is no file, "transient": bool, "disk_error": a code of `errno` or 0, "rest": seconds or null}.
"""

import errno
import json
import math
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from tracklearn.errors import DISK_FULL, is_system_error
from tracklearn.videos.lists import youtube_id

DISK_ERRORS = (*DISK_FULL, errno.EROFS, errno.EIO)
TOO_MANY_REQUESTS = 429

# After these answers the same request may succeed a little later.
TRANSIENT_STATUS = frozenset({408, 425, TOO_MANY_REQUESTS, *range(500, 600)})

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
        disk_error: the code of `errno` if this machine's disk is at fault, which says nothing of the video; else 0.
        rest: seconds for which the host wants no request; None if it does not say so.
    """

    def __init__(self, reason: str, *, transient: bool = False, disk_error: int = 0, rest: float | None = None) -> None:
        super().__init__(reason)
        self.transient = transient
        self.disk_error = disk_error
        self.rest = rest


class Fetcher:
    """yt-dlp, loaded once for many videos. Loading takes half a second of a core, one download a fiftieth.

    Args:
        max_height: largest shorter side of a format, in pixels; formats of unknown size are taken.
        max_duration: seconds; longer videos are refused where the site states the duration.
        timeout: seconds that a video may take, which error messages name.
        speed: bytes per second at most; None sets no limit.
    """

    def __init__(self, *, max_height: int, max_duration: float, timeout: float, speed: float | None = None) -> None:
        from yt_dlp import YoutubeDL  # noqa: PLC0415

        self._max_duration, self._timeout = max_duration, timeout
        self._deadline = math.inf
        self._refusals: list[str] = []
        options = _options(max_height, timeout) | {"ratelimit": speed}
        self._downloader = YoutubeDL({**options, "match_filter": self._refuse, "progress_hooks": [self._check_time]})

    def fetch(self, source: str, directory: str, video_id: str, *, seconds: float) -> Path:
        """Try once to download a video to `directory/video_id.*`; an earlier attempt's partial file is resumed.

        Args:
            source: a YouTube id or a URL that yt-dlp takes.
            directory: folder of the file.
            video_id: name of the file without the suffix of its format.
            seconds: what is left of the video's time limit; it is checked when bytes arrive.

        Raises:
            UnavailableError: with the reason.
        """
        from yt_dlp.utils import DownloadCancelled, DownloadError  # noqa: PLC0415

        self._deadline, self._refusals = time.monotonic() + seconds, []
        self._downloader.params["outtmpl"]["default"] = f"{directory}/{video_id}".replace("%", "%%") + ".%(ext)s"
        self._downloader.cookiejar.clear()
        url = f"https://www.youtube.com/watch?v={video}" if (video := youtube_id(source)) else source
        try:
            found = self._downloader.extract_info(url, download=True) or {}
        except DownloadCancelled as error:
            raise UnavailableError(str(error), transient=True) from error
        except DownloadError as error:
            raise _unavailable(error) from error
        except OSError as error:
            raise UnavailableError(str(error), disk_error=_disk_error(error)) from error
        if "entries" in found:
            raise UnavailableError("the address is a playlist, not a video")
        if self._refusals or not found.get("requested_downloads"):
            reason = self._refusals[0] if self._refusals else "the site offers no file"
            raise UnavailableError(reason, transient=reason == LIVE)
        return Path(found["requested_downloads"][0]["filepath"])

    def _check_time(self, progress: dict[str, Any]) -> None:
        from yt_dlp.utils import DownloadCancelled  # noqa: PLC0415

        if progress["status"] == "downloading" and time.monotonic() > self._deadline:
            raise DownloadCancelled(f"time limit of {self._timeout:g} s")

    def _refuse(self, found: dict[str, Any], *, incomplete: bool = False) -> str | None:
        """A filter for yt-dlp: it refuses live streams and long videos."""
        duration = found.get("duration") or 0
        if found.get("is_live"):
            self._refusals.append(LIVE)
        elif duration > self._max_duration:
            self._refusals.append(f"duration {duration:g} s exceeds max_duration {self._max_duration:g} s")
        return self._refusals[0] if self._refusals else None


def runtimes() -> list[str]:
    """JavaScript runtimes of this machine that yt-dlp can use for YouTube, which computes its addresses in scripts."""
    from yt_dlp import YoutubeDL  # noqa: PLC0415  (takes a quarter of a second, which only downloads should cost)
    from yt_dlp.globals import supported_js_runtimes  # noqa: PLC0415

    YoutubeDL({"quiet": True}).close()  # registers the runtimes
    found = ((name, kind().info) for name, kind in supported_js_runtimes.value.items())
    return [name for name, info in found if info is not None and info.supported]


def _options(max_height: int, timeout: float) -> dict[str, Any]:
    """yt-dlp's options. Its own retries are off, so one count and one time limit hold for all errors."""
    return {
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "logger": _Silent(),
        "format": _format(max_height),
        "format_sort": ["res", "vcodec:h264"],  # by shorter side. ASSUME: of equal size H.264, which decodes fastest
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
    }


class _Silent:
    """A logger for yt-dlp, whose errors are raised too."""

    def debug(self, message: str) -> None:
        """Say nothing."""

    info = warning = error = debug


def _format(longest: int) -> str:
    """yt-dlp's choice of formats whose shorter side, the width of portrait video, has at most `longest` pixels.

    Formats without audio are preferred. A format of unknown size is taken and checked after the download.
    """
    portrait, other = f"[aspect_ratio<1][width<={longest}]", f"[height<=?{longest}]"
    return "/".join(kind + limit for limit in (portrait, other) for kind in ("bv", "b"))


def _unavailable(error: Exception) -> UnavailableError:
    """The meaning of an error of yt-dlp."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError  # noqa: PLC0415
    from yt_dlp.utils import ExtractorError  # noqa: PLC0415

    reason = str(getattr(error, "orig_msg", None) or getattr(error, "msg", None) or error)
    reason = " ".join(reason.removeprefix("ERROR: ").split()).split(" (caused by")[0][:300]
    for cause in _causes(error):
        if isinstance(cause, HTTPError):
            refused = cause.status == 403 and bool(_YOUTUBE_HOSTS.match(cause.response.url or ""))
            rest = _retry_after(cause)
            transient = refused or rest is not None or cause.status in TRANSIENT_STATUS
            return UnavailableError(f"HTTP {cause.status} {cause.reason}", transient=transient, rest=rest)
        if isinstance(cause, OSError) and (code := _disk_error(cause)):
            return UnavailableError(reason, disk_error=code)
        if isinstance(cause, TransportError | ConnectionError | TimeoutError):
            return UnavailableError(reason, transient=True)
    if "Did not get any data blocks" in reason:
        return UnavailableError("the file is empty (0 bytes)")
    # A transfer that broke off is known only by the text of its error; its partial file stays.
    broken = reason.removeprefix("[download] Got error: ")
    # yt-dlp did not expect the site's answer, and a newer yt-dlp may.
    unexpected = any(isinstance(cause, ExtractorError) and not cause.expected for cause in _causes(error))
    passing = broken != reason or unexpected or any(words in reason.lower() for words in PASSING)
    return UnavailableError(broken, transient=passing, disk_error=_disk_error(error))


def _disk_error(error: BaseException) -> int:
    """The code of an error of this machine's disk, or 0."""
    return next((code for code in DISK_ERRORS if is_system_error(error, code)), 0)


def _retry_after(error: Any) -> float | None:
    """Seconds of rest that a host asks for with an error; None if it does not ask.

    `Retry-After` holds seconds or a date (RFC 9110, 10.2.3). A host that refuses for too many requests (429) asks for a
    rest even if it does not say how long.
    """
    value = (error.response.headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return 0.0 if error.status == TOO_MANY_REQUESTS else None


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


def _serve(settings: dict[str, Any]) -> None:
    """Answer requests until the input ends; an empty line says that the first one can be served."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    requests: SimpleQueue[str] = SimpleQueue()
    Thread(target=_read, args=[requests], daemon=True).start()
    fetcher = Fetcher(**settings)
    print(file=answers, flush=True)
    while True:
        try:
            answer: dict[str, Any] = {"path": str(fetcher.fetch(**json.loads(requests.get())))}
        except UnavailableError as error:
            answer = {"reason": str(error), **vars(error)}
        print(json.dumps(answer), file=answers, flush=True)


def _read(requests: "SimpleQueue[str]") -> None:
    """Queue the requests. When the process that asks is gone, end this one and what it has started, at once."""
    for line in sys.stdin:
        requests.put(line)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
