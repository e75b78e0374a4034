"""What is fetched from a host, and what its answers mean."""

import errno
import io
import os
from pathlib import Path

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.networking import Response
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.utils import DownloadError, ExtractorError

from tracklearn.videos import fetch


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"duration": 601}, "duration 601 s exceeds max_duration 600 s"),
        ({"is_live": True}, "the video is a live stream"),
        ({"duration": 600}, None),
        ({}, None),
    ],
)
def test_videos_are_refused_before_the_download(found: dict[str, object], reason: str | None) -> None:
    assert fetch.Fetcher(max_height=480, max_duration=600.0, timeout=1.0)._refuse(found) == reason


@pytest.mark.parametrize(
    ("reason", "transient"),
    [
        ("Sign in to confirm you're not a bot. Use --cookies", True),
        ("The current session has been rate-limited by YouTube for up to an hour", True),
        ("This content isn\u2019t available, try again later.", True),
        ("All player responses are invalid. Your IP is likely being blocked by Youtube", True),
        ("The page needs to be reloaded.", True),
        ("Requested format is not available. Use --list-formats for a list of available formats", True),
        ("Failed to extract any player response; please report this issue", True),
        ("No video formats found!; please report this issue", True),
        ("This live event will begin in a few moments.", True),
        ("Premieres in 3 hours", True),
        ("Private video. Sign in if you've been granted access", False),
        ("Video unavailable. This video has been removed by the uploader", False),
        ("This live stream recording is not available.", False),
    ],
)
def test_answers_that_may_be_different_later_are_transient(reason: str, transient: bool) -> None:
    assert fetch._unavailable(DownloadError(f"ERROR: {reason}")).transient is transient


@pytest.mark.parametrize(
    ("url", "status", "transient"),
    [
        ("https://rr3---sn-4g5e6nze.googlevideo.com/videoplayback?expire=1", 403, True),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", 403, True),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", 404, False),
        ("https://host/googlevideo.com/a.mp4", 403, False),
    ],
)
def test_youtube_refuses_for_a_while(url: str, status: int, transient: bool) -> None:
    cause = HTTPError(Response(io.BytesIO(), url, {}, status=status))
    error = fetch._unavailable(DownloadError("unable to download video data", (HTTPError, cause, None)))
    assert str(error).startswith(f"HTTP {status} ")
    assert error.transient is transient


@pytest.mark.parametrize("expected", [True, False])
def test_what_yt_dlp_did_not_expect_is_transient(expected: bool) -> None:
    cause = ExtractorError("Unable to extract the title", expected=expected)
    error = fetch._unavailable(DownloadError(str(cause), (ExtractorError, cause, None)))
    assert error.transient is not expected


def test_a_live_stream_is_unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def extract_info(self: YoutubeDL, url: str, download: bool) -> dict[str, object]:
        self.params["match_filter"]({"is_live": True})
        return {}

    monkeypatch.setattr(YoutubeDL, "extract_info", extract_info)
    fetcher = fetch.Fetcher(max_height=480, max_duration=600.0, timeout=1.0)
    with pytest.raises(fetch.UnavailableError, match=r"the video is a live stream$") as found:
        fetcher.fetch("http://host/a", str(tmp_path), "a", seconds=1.0)
    assert found.value.transient


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [
        ([(426, 240), (854, 480), (1280, 720)], (854, 480)),
        ([(240, 426), (270, 480), (480, 854), (720, 1280)], (480, 854)),
        ([(480, 480), (720, 720)], (480, 480)),
        ([(None, 480), (None, 720)], (None, 480)),
        ([(None, None)], (None, None)),
        ([(1280, 720)], None),
        ([(720, 1280)], None),
    ],
)
def test_max_height_limits_the_shorter_side(
    sizes: list[tuple[int | None, int | None]], taken: tuple[int | None, int | None] | None
) -> None:
    formats = [
        {"format_id": str(n), "url": "http://127.0.0.1:9/x.mp4", "ext": "mp4", "width": width, "height": height}
        for n, (width, height) in enumerate(sizes)
    ]
    found = {"id": "x", "title": "x", "extractor": "x", "formats": formats}
    with YoutubeDL(fetch._options(480, 1.0)) as downloader:
        try:
            chosen = downloader.process_ie_result(found, download=False)
        except ExtractorError:
            assert taken is None
        else:
            assert (chosen["width"], chosen["height"]) == taken


@pytest.mark.parametrize("code", fetch.DISK_ERRORS)
def test_an_error_of_the_disk_is_recognised(code: int) -> None:
    cause = OSError(code, os.strerror(code))
    for error in (cause, DownloadError("unable to open for writing", (OSError, cause, None))):
        assert fetch._unavailable(error).disk_error == code


def test_other_errors_are_none_of_the_disk() -> None:
    assert fetch._unavailable(OSError(errno.EACCES, "Permission denied")).disk_error == 0
    host_is_full = HTTPError(Response(io.BytesIO(), "http://host/a", {}, status=507, reason="No space left on device"))
    error = fetch._unavailable(DownloadError("HTTP Error 507", (HTTPError, host_is_full, None)))
    assert (error.disk_error, error.transient) == (0, True)
