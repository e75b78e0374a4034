import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import wait
from pathlib import Path

import pytest
from worlds.hosts import Host

from tracklearn.machine.workers import forking
from tracklearn.settings.videos import Download
from tracklearn.videos import downloads
from tracklearn.videos.downloads import Downloads, FetchProcess, Hosts, host_of
from tracklearn.videos.fetch import UnavailableError
from tracklearn.videos.lists import Video


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[FetchProcess]:
    """The processes in the order in which they were started."""
    started: list[FetchProcess] = []
    start = FetchProcess.__init__

    def noted(self: FetchProcess, settings: dict[str, object]) -> None:
        started.append(self)
        start(self, settings)

    monkeypatch.setattr(FetchProcess, "__init__", noted)
    return started


class Clock:
    """Time that passes only while someone waits for an event, which never comes."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(downloads, "time", clock)
    monkeypatch.setattr(downloads, "Event", lambda: clock)
    return clock


def starts(hosts: Hosts, clock: Clock, names: str) -> list[float]:
    """When hosts of one letter are asked, in seconds since now."""
    now, found = clock.now, []
    for name in names:
        hosts.wait(name)
        found.append(clock.now - now)
    return found


def test_downloads_from_one_host_are_apart(clock: Clock) -> None:
    assert starts(Hosts(pause=2.0), clock, "aabba") == [0, 2, 2, 4, 4]
    assert starts(Hosts(), clock, "aaa") == [0, 0, 0]


def test_a_host_rests_as_long_as_it_asked_for(clock: Clock) -> None:
    hosts = Hosts(max_wait=60.0)
    hosts.rest("a", 50.0, "HTTP 429")
    hosts.rest("a", 10.0, "HTTP 429")  # does not shorten the rest
    assert starts(hosts, clock, "ba") == [0, 50]
    assert starts(hosts, clock, "a") == [0]


def test_a_longer_rest_than_the_limit_is_not_waited_for(clock: Clock) -> None:
    hosts = Hosts(max_wait=60.0)
    hosts.rest("a", 70.0, "HTTP 429 Too Many Requests")
    message = "^HTTP 429 Too Many Requests: the host asks for a rest of 70 s, longer than videos.max_wait 60 s$"
    with pytest.raises(UnavailableError, match=message) as error:
        hosts.wait("a")
    assert error.value.transient
    assert starts(hosts, clock, "b") == [0]
    clock.wait(15)
    assert starts(hosts, clock, "a") == [55]


@pytest.mark.parametrize(
    ("source", "host"),
    [
        ("https://Example.org:8080/a?b=//c", "example.org:8080"),
        ("dQw4w9WgXcQ", "youtube.com"),
        ("https://youtu.be/dQw4w9WgXcQ", "youtube.com"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "youtube.com"),
    ],
)
def test_the_host_of_an_address(source: str, host: str) -> None:
    assert host_of(source) == host


@pytest.mark.parametrize("behaviour", ["busy", "dated"])
def test_a_host_that_asks_for_a_rest_is_left_alone_until_then(host: Host, tmp_path: Path, behaviour: str) -> None:
    """`busy` says seconds, and `dated` a date. The rest is no part of the video's time limit."""
    with Downloads(Download(timeout=60.0, retries=1)) as job:
        assert job.fetch(Video("a", host.url(behaviour)), tmp_path).read_bytes() == host.video
    assert not host.early
    assert host.requests[behaviour] == 3  # refused, asked for its type, downloaded


def test_nothing_is_asked_of_a_host_that_wants_a_long_rest(host: Host, tmp_path: Path) -> None:
    with Downloads(Download(timeout=60.0)) as job:
        for name in "ab":
            message = r"HTTP 403 .*Forbidden: the host asks for a rest of \d+ s, longer than videos.max_wait 300 s"
            with pytest.raises(UnavailableError, match=message) as error:
                job.fetch(Video(name, host.url("closed", name)), tmp_path)
            assert error.value.transient
    assert host.requests["closed"] == 1


def test_a_host_that_forbids_is_asked_once(host: Host, tmp_path: Path) -> None:
    with Downloads(Download(timeout=60.0)) as job, pytest.raises(UnavailableError, match="HTTP 403") as error:
        job.fetch(Video("a", host.url("forbidden")), tmp_path)
    assert not error.value.transient
    assert host.requests["forbidden"] == 1


def test_the_speed_is_limited(host: Host, tmp_path: Path) -> None:
    start = time.monotonic()
    with Downloads(Download(timeout=60.0, max_speed=2 * 50_000.0), threads=2) as job:
        job.fetch(Video("a", host.url("fine")), tmp_path)
    assert time.monotonic() - start > 0.9 * len(host.video) / 50_000


def test_a_process_serves_many_videos(host: Host, tmp_path: Path, processes: list[FetchProcess]) -> None:
    with Downloads(Download(timeout=60.0, retries=0)) as job:
        for name in "abc":
            assert job.fetch(Video(name, host.url("fine", name)), tmp_path).read_bytes() == host.file(name)
            with pytest.raises(UnavailableError, match="HTTP 404"):
                job.fetch(Video("x", host.url("gone", name)), tmp_path)
        process = processes[0]._process
        assert process.poll() is None
    assert len(processes) == 1
    assert process.poll() == -9


def test_a_process_that_hangs_is_replaced(
    host: Host, tmp_path: Path, processes: list[FetchProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Downloads(Download(timeout=60.0, retries=0)) as job:
        job.fetch(Video("a", host.url("fine")), tmp_path)
        monkeypatch.setattr(job, "_limits", Download(timeout=0.5, retries=0))
        monkeypatch.setattr(downloads, "KILL_WAIT", 0.5)
        with pytest.raises(UnavailableError, match=r"time limit of 0.5 s \(1 attempts\)"):
            job.fetch(Video("b", host.url("stalls")), tmp_path)
        assert processes[0]._process.poll() == -9
        monkeypatch.setattr(job, "_limits", Download(timeout=60.0, retries=0))
        job.fetch(Video("c", host.url("fine")), tmp_path)
    assert len(processes) == 2


def test_a_process_ends_with_the_one_that_asks() -> None:
    process = FetchProcess({"max_height": 480, "max_duration": 600.0, "timeout": 60.0})
    assert process._process.stdin
    process._process.stdin.close()
    process._process.wait(60)


def test_no_process_starts_after_the_stop(tmp_path: Path) -> None:
    job = Downloads(Download())
    job.stop()
    with pytest.raises(UnavailableError, match="the download was stopped"):
        job._ask({"seconds": 1.0})


def test_a_stop_ends_the_waiting_for_a_host_and_for_a_retry(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the threads would sleep for an hour after Ctrl-C."""
    monkeypatch.setattr(downloads, "BACKOFF", 3600.0)
    job = Downloads(Download(timeout=36_000.0, max_wait=36_000.0, retries=3))
    job._hosts.rest("resting", 3600.0, "HTTP 429")
    sources = ["http://resting/a.mp4", host.url("broken")]
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(job.fetch, Video("a", source), tmp_path) for source in sources]
        for _ in range(600):
            if host.requests["broken"]:
                break
            time.sleep(0.1)
        job.stop()
        assert [str(thread.exception()) for thread in waiting] == [downloads.STOPPED] * 2


def test_a_process_that_was_killed_from_outside_is_replaced(
    host: Host, tmp_path: Path, processes: list[FetchProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "BACKOFF", 0.01)
    with Downloads(Download(timeout=60.0, retries=1)) as job:
        job.fetch(Video("a", host.url("fine")), tmp_path)
        os.kill(processes[0]._process.pid, signal.SIGKILL)
        job.fetch(Video("b", host.url("fine")), tmp_path)
    assert len(processes) == 2


def test_what_a_process_has_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child of the process holds a pipe open; the other end notices when it ends."""
    os.mkfifo(tmp_path / "pipe")
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nexec 3> {tmp_path}/pipe\nsleep 600 > /dev/null &\nexit 3\n")
    script.chmod(0o755)
    pipe = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr(downloads.sys, "executable", str(script))
    process = FetchProcess({})
    with pytest.raises(EOFError, match="exit status 3"):
        process.begin(60.0)
    assert wait([pipe], 60)
    assert not process.was_killed
    os.close(pipe)


def test_no_process_starts_while_another_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork would hold the ends of its pipes, so that nobody notices when it ends."""
    locked = []

    def popen(*_: object, **__: object) -> None:
        locked.append(forking.locked())

    monkeypatch.setattr(downloads.subprocess, "Popen", popen)
    FetchProcess({})
    assert locked == [True]
    assert not forking.locked()
