import ctypes
import errno
import hashlib
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from worlds.hosts import Host
from yt_dlp.utils import DownloadError

from tracklearn.errors import UserError, one_line
from tracklearn.settings.videos import Download
from tracklearn.videos import download, downloads, fetch
from tracklearn.videos.download import download_shard
from tracklearn.videos.downloads import Downloads
from tracklearn.videos.lists import Video
from tracklearn.videos.manifest import ManifestRow, read_manifest

LIMITS = {"max_height": 480, "max_duration": 600.0, "timeout": 20.0, "retries": 2}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "BACKOFF", 0.01)


@pytest.fixture
def shard(tmp_path: Path) -> Callable[..., dict[str, ManifestRow]]:
    """Downloads a shard of {video_id: source}; returns its rows."""

    def run(sources: dict[str, str], *, threads: int = 1, **limits: object) -> dict[str, ManifestRow]:
        manifest = tmp_path / "m.tsv"
        download_shard(
            videos=[[video_id, source] for video_id, source in sources.items()],
            directory=tmp_path / "videos",
            manifest=manifest,
            limits={**LIMITS, **limits},
            threads=threads,
        )
        rows = read_manifest(manifest)
        assert [row.video_id for row in rows] == list(sources)  # a row for every video, in the order of the list
        return {row.video_id: row for row in rows}

    return run


def fetched(host: Host, behaviour: str, directory: Path, **options: object) -> Path:
    """Downloads one video, without waiting between attempts."""
    with Downloads(Download.read({**LIMITS, **options})) as of_job:
        return of_job.fetch(Video(behaviour, host.url(behaviour)), directory)


def test_row_of_a_download(shard: Callable[..., dict[str, ManifestRow]], host: Host, tmp_path: Path) -> None:
    row = shard({"a": host.url("fine")})["a"]
    path = tmp_path / "videos" / "a.mp4"
    sha256 = hashlib.sha256(host.video).hexdigest()
    file = (str(path), "ok", "", len(host.video), sha256)
    assert row == ManifestRow("a", host.url("fine"), *file, 50, 25.0, 128, 96, 2.0, 0)
    assert path.read_bytes() == host.video


def test_the_video_of_a_bad_host_has_a_row(
    shard: Callable[..., dict[str, ManifestRow]], host: Host, tmp_path: Path
) -> None:
    sources = {name: host.url(name) for name in ("fine", "gone", "html", "nothing")}
    sources |= {"refused": "http://127.0.0.1:9/x.mp4", "odd": "gopher://127.0.0.1/x", "missing": "clips/missing.mp4"}
    rows = shard(sources, threads=2, timeout=60.0, retries=0)
    reasons = {name: row.reason for name, row in rows.items()}
    assert reasons.pop("refused").endswith("Connection refused (1 attempts)")
    assert "gopher" in reasons.pop("odd")
    assert reasons == {
        "fine": "",
        "gone": "HTTP 404 Not Found",
        "html": "not a video: it is a web page (HTML)",
        "nothing": "the file is empty (0 bytes)",
        "missing": "no such file",
    }
    assert {name for name, row in rows.items() if row.ok} == {"fine"}
    assert {name for name, row in rows.items() if row.status == "unreachable"} == {"refused"}
    assert rows["html"].path == ""
    # Files that are no videos are deleted; the next run would take them for finished downloads.
    assert {path.name for path in (tmp_path / "videos").iterdir()} == {"fine.mp4"}


def test_a_host_that_stalls_or_drips_is_stopped_from_outside(
    shard: Callable[..., dict[str, ManifestRow]], host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(downloads, "KILL_WAIT", 0.5)
    start = time.monotonic()
    ended = r"(time limit of 7 s|.*Read timed out\.) \(1 attempts\)"  # yt-dlp's own limit comes at the same time
    message = rf"shard m: none of its 2 remote videos could be reached \({ended}\); check"
    with pytest.raises(UserError, match=message):
        shard({name: host.url(name) for name in ("stalls", "drips")}, threads=2, timeout=7.0, retries=9)
    assert time.monotonic() - start < 60  # on a busy machine; without a limit it takes hours
    # Partial files stay, so that they can be resumed.
    assert {path.name for path in (tmp_path / "videos").iterdir()} == {"stalls.mp4.part", "drips.mp4.part"}


def test_a_killed_download_is_resumed(shard: Callable[..., dict[str, ManifestRow]], host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4.part").write_bytes(host.video[:40_000])
    assert shard({"a": host.url("fine")})["a"].ok
    assert host.ranges == [40_000]
    assert (folder / "a.mp4").read_bytes() == host.video


def test_a_finished_download_is_not_repeated(shard: Callable[..., dict[str, ManifestRow]], host: Host) -> None:
    first = shard({"a": host.url("fine")})
    host.requests.clear()
    assert shard({"a": host.url("fine")}) == first
    assert not host.requests


def test_a_transfer_that_broke_off_is_resumed(host: Host, tmp_path: Path) -> None:
    path = fetched(host, "drops", tmp_path)
    assert path == tmp_path / "drops.mp4"
    assert path.read_bytes() == host.video
    assert len(host.ranges) == 1
    assert 0 < host.ranges[0] <= len(host.video) // 2


def test_a_host_may_recover(host: Host, tmp_path: Path) -> None:
    assert fetched(host, "recovers", tmp_path).read_bytes() == host.video


def test_a_broken_host_is_asked_once_and_for_each_retry(host: Host, tmp_path: Path) -> None:
    with pytest.raises(fetch.UnavailableError, match=r"HTTP 500 Internal Server Error \(3 attempts\)"):
        fetched(host, "broken", tmp_path)
    assert host.requests["broken"] == 3


def test_a_dead_link_is_asked_once(host: Host, tmp_path: Path) -> None:
    with pytest.raises(fetch.UnavailableError, match=r"HTTP 404 Not Found$"):
        fetched(host, "gone", tmp_path)
    assert host.requests["gone"] == 1


def test_a_file_of_another_length_is_refused(host: Host, tmp_path: Path) -> None:
    with pytest.raises(fetch.UnavailableError, match=r"5000 more expected \(1 attempts\)"):
        fetched(host, "longer", tmp_path, retries=0)
    assert not (tmp_path / "longer.mp4").exists()


def test_the_time_limit_ends_a_slow_transfer(host: Host, tmp_path: Path) -> None:
    # The limit is also that of a pause of the host. On a busy machine a test server may pause for a second.
    with pytest.raises(fetch.UnavailableError, match="time limit of 3 s"):
        fetched(host, "trickles", tmp_path, timeout=3.0)
    assert 0 < (tmp_path / "trickles.mp4.part").stat().st_size < len(host.video)


def test_retries_wait_longer_each_time(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(downloads, "Event", lambda: SimpleNamespace(wait=waits.append, is_set=bool, set=bool))
    monkeypatch.setattr(downloads, "BACKOFF", 2.0)
    with pytest.raises(fetch.UnavailableError, match="HTTP 500"):
        fetched(host, "broken", tmp_path)
    assert waits == [2.0, 4.0]


def test_a_folder_may_have_percent_signs(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "100%(id)s"
    folder.mkdir()
    assert fetched(host, "fine", folder) == folder / "fine.mp4"


def test_limits_are_checked_after_the_download(
    shard: Callable[..., dict[str, ManifestRow]], host: Host, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(host.video)  # a finished download
    row = shard({"a": host.url("fine")}, max_height=90)["a"]
    assert (row.status, row.reason, row.path) == ("failed", "the shorter side of 128 x 96 exceeds max_height 90", "")
    (folder / "a.mp4").write_bytes(host.video)
    row = shard({"a": host.url("fine")}, max_duration=1.5)["a"]
    assert row.reason == "duration 2 s exceeds max_duration 1.5 s"
    assert list((tmp_path / "videos").iterdir()) == []


def test_local_files_are_probed_in_place(
    shard: Callable[..., dict[str, ManifestRow]],
    make_video: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_video(tmp_path / "big.mp4", frames=5, height=720, width=1280)
    (tmp_path / "empty.mp4").touch()
    monkeypatch.chdir(tmp_path)
    rows = shard({"big": "big.mp4", "empty": "empty.mp4", "folder": "."})
    assert (rows["big"].status, rows["big"].path, rows["big"].frames) == ("ok", "big.mp4", 5)
    assert rows["empty"].reason == "the file is empty (0 bytes)"
    assert rows["folder"].reason == "Is a directory"
    assert (tmp_path / "empty.mp4").exists()
    assert list((tmp_path / "videos").iterdir()) == []


def test_a_file_that_crashes_or_hangs_a_decoder_has_a_row(
    shard: Callable[..., dict[str, ManifestRow]],
    make_video: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    crash_at: Callable[[str], None],
) -> None:
    files = {name: make_video(tmp_path / f"{name}.mp4", frames=size) for name, size in (("bad", 5), ("slow", 6))}
    files["fine"] = make_video(tmp_path / "fine.mp4", frames=7)
    real_probe = download.probe

    def probe(path: Path) -> object:
        return ctypes.PyDLL(None).pause() if path.stem == "slow" else real_probe(path)

    crash_at("bad")
    monkeypatch.setattr(download, "probe", probe)
    rows = shard({name: str(path) for name, path in files.items()}, threads=3, timeout=5.0)
    assert rows["bad"].reason == (
        "its process was ended by SIGSEGV (Segmentation fault); to try it again, run with --forcerun and the name of "
        "this table"
    )
    assert rows["slow"].reason.startswith(
        "time limit of 5 s, and a call did not return; to try it again, raise videos."
    )
    assert (rows["fine"].status, rows["fine"].frames) == ("ok", 7)
    assert rows["bad"].sha256 == hashlib.sha256(files["bad"].read_bytes()).hexdigest()


@pytest.mark.parametrize(("kills", "status"), [(1, "ok"), (2, "unreachable")])
def test_a_download_whose_probe_is_killed_stays(
    shard: Callable[..., dict[str, ManifestRow]],
    host: Host,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kills: int,
    status: str,
) -> None:
    """Memory may have run out; the file says nothing of that, and is not downloaded again."""
    real_probe = download.probe

    def probe(path: Path) -> object:
        before = len(list(tmp_path.glob("kill*")))
        if path.stem == "a" and before < kills:
            (tmp_path / f"kill{before}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return real_probe(path)

    monkeypatch.setattr(download, "probe", probe)
    sources = {"a": host.url("fine", "a"), "b": host.url("fine", "b")}
    row = shard(sources, timeout=60.0)["a"]
    reason = "its process was ended by SIGKILL (as when memory runs out), twice: use fewer threads or give the job more"
    assert (row.status, row.reason) == (status, "" if status == "ok" else f"{reason} memory")
    assert (tmp_path / "videos/a.mp4").read_bytes() == host.file("a")
    host.asked.clear()
    download.retry_shard(
        videos=list(sources.items()), directory=tmp_path / "videos", manifest=tmp_path / "m.tsv", limits=LIMITS
    )
    assert read_manifest(tmp_path / "m.tsv")[0].ok
    assert not host.asked


def test_totals_and_reports(make_video: Callable[..., Path], tmp_path: Path) -> None:
    clip = make_video(tmp_path / "clip.mp4", frames=50)
    points = []
    totals = download_shard(
        videos=[["a", str(clip)], ["b", "missing.mp4"]],
        directory=tmp_path / "videos",
        manifest=tmp_path / "m.tsv",
        report=lambda step, values: points.append((step, values["videos"])),
    )
    expected = {
        "videos": 2,
        "ok": 1,
        "unreachable": 0,
        "failed": 1,
        "frames": 50,
        "bytes": clip.stat().st_size,
        "seconds": 2.0,
    }
    assert totals == expected
    assert points == [(1, 2), (2, 2)]


def test_a_shard_without_a_reachable_video_has_no_manifest(
    shard: Callable[..., dict[str, ManifestRow]], host: Host, tmp_path: Path
) -> None:
    """With a manifest its videos would have failed for good; the next run resumes their partial files."""
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4.part").write_bytes(host.video[:40_000])
    down = {"a": "http://127.0.0.1:9/a.mp4", "b": "http://127.0.0.1:9/b.mp4", "mine": "clips/missing.mp4"}
    with pytest.raises(UserError, match=r"shard m: none of its 2 remote videos could be reached \(.*refused"):
        shard(down, retries=0)
    assert not (tmp_path / "m.tsv").exists()
    rows = shard(down | {"a": host.url("fine")}, retries=0)
    assert [row.status for row in rows.values()] == ["ok", "unreachable", "failed"]
    assert host.ranges == [40_000]
    host.requests.clear()
    (tmp_path / "m.tsv").unlink()  # so that unreachable videos are tried again
    rows = shard(down | {"a": host.url("fine"), "b": host.url("back")})
    assert [row.status for row in rows.values()] == ["ok", "failed", "failed"]
    assert rows["b"].reason == "a repeat: the same bytes as a"  # the test's host has one file
    assert set(host.requests) == {"back"}


def test_a_repeated_video_has_a_row_and_is_not_downloaded(
    host: Host, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    """It may repeat a video of an earlier shard. A copy of a file is known by its bytes."""
    clip = make_video(tmp_path / "clip.mp4", frames=5)
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.read_bytes())
    videos = [
        ["tube", "https://youtu.be/dQw4w9WgXcQ", "early"],  # so no JavaScript runtime is needed
        ["a", str(clip)],
        ["again", host.url("fine"), "a"],
        ["copy", str(copy)],
        ["missing1", "missing.mp4"],
        ["missing2", "gone.mp4"],
    ]
    manifest = tmp_path / "m.tsv"
    totals = download_shard(videos=videos, directory=tmp_path / "videos", manifest=manifest, limits=LIMITS, threads=2)
    rows = read_manifest(manifest)
    assert [(row.video_id, row.status, row.reason) for row in rows] == [
        ("tube", "failed", "a repeat: the same video as early"),
        ("a", "ok", ""),
        ("again", "failed", "a repeat: the same video as a"),
        ("copy", "failed", "a repeat: the same bytes as a"),
        ("missing1", "failed", "no such file"),
        ("missing2", "failed", "no such file"),
    ]
    assert not host.requests
    assert (totals["ok"], totals["failed"], totals["frames"]) == (1, 5, 5)
    assert copy.exists()


def test_a_missing_runtime_is_an_error_before_the_crawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "runtimes", list)
    shard = {"directory": tmp_path, "manifest": tmp_path / "m.tsv"}
    with pytest.raises(UserError, match=r"needs a JavaScript runtime.*install deno >= 2.3 or node >= 22"):
        download_shard(videos=[["a", "dQw4w9WgXcQ"]], **shard)
    assert not (tmp_path / "m.tsv").exists()
    download_shard(videos=[["a", "missing.mp4"]], **shard)  # without a video of YouTube no runtime is needed
    assert len(read_manifest(tmp_path / "m.tsv")) == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, r"videos: the disk is full \(\d+ MB left\); free space and run again"),
        (errno.EDQUOT, r"videos: the disk is full \(\d+ MB left\); free space and run again"),
        (errno.EROFS, "videos: its file system is read-only; mount it writable"),
        (errno.EIO, r"videos: the disk reports an error \(Input/output error\)"),
    ],
)
def test_an_error_of_the_disk_stops_the_shard(
    code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = fetch._unavailable(DownloadError(f"ERROR: unable to write data: {OSError(code, os.strerror(code))}"))
    monkeypatch.setattr(downloads.FetchProcess, "answer", lambda *_: {"reason": str(error), **vars(error)})
    with pytest.raises((UserError, OSError)) as raised:
        download_shard(videos=[["a", "http://host/a.mp4"]], directory=tmp_path / "videos", manifest=tmp_path / "m.tsv")
    assert re.search(message, one_line(raised.value) or "")
    assert not (tmp_path / "m.tsv").exists()


def test_a_video_whose_downloader_crashed_has_a_row(
    shard: Callable[..., dict[str, ManifestRow]], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads.sys, "executable", "false")
    assert shard({"a": host.url("fine")})["a"].reason == "the downloader failed: exit status 1"


@pytest.mark.real
def test_rough_files_have_rows(shard: Callable[..., dict[str, ManifestRow]], real_data: Path) -> None:
    files = sorted((real_data / "videos_rough").iterdir())
    rows = shard({path.stem: str(path) for path in files}, threads=2)
    reasons = {name: row.reason for name, row in rows.items() if row.reason}
    assert reasons == {
        "cut_data_missing": "truncated: the file holds 10 of 289 frames",
        "cut_middle": "truncated: the video ends at 5.7 s of 10.4 s",
        "empty": "the file is empty (0 bytes)",
        "html_page": "not a video: it is a web page (HTML)",
    }
    assert {name for name, row in rows.items() if not row.ok} == {"empty", "html_page"}
    assert rows["no_duration"].duration > 4
    assert rows["bitmap"].frames == 5


def test_wrong_limits_are_named(shard: Callable[..., dict[str, ManifestRow]]) -> None:
    with pytest.raises(UserError, match=r"videos\.retries is -1; expected a whole number, at least 0"):
        shard({"a": "missing.mp4"}, retries=-1)


@pytest.mark.real
def test_reported_cases_have_rows(shard: Callable[..., dict[str, ManifestRow]], real_data: Path) -> None:
    """A video whose times jump by hours is not longer than ten minutes, and whole files have no note."""
    folder = real_data / "cases" / "video"
    rows = shard({path.stem: str(path) for path in sorted(folder.iterdir())}, threads=2)
    assert {name: row.reason for name, row in rows.items() if row.reason} == {
        "animated": "not a video: it is a picture (GIF); "
        "convert an animation to a video: ffmpeg -i animated.gif clip.mp4",
        "cover": "no video stream; its only picture is the cover",
    }
    assert {name for name, row in rows.items() if not row.ok} == {"animated", "cover"}
    assert (rows["half_d1"].width, rows["half_d1"].height) == (768, 576)
    assert rows["pts_outlier"].duration == 2.4
