import time
from pathlib import Path

import pytest
from worlds.hosts import Host

from tracklearn.settings.videos import Download
from tracklearn.videos import downloads
from tracklearn.videos.downloads import Downloads, Hosts, Worker, host_of
from tracklearn.videos.fetch import UnavailableError
from tracklearn.videos.lists import Video


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """The workers in the order in which they were started."""
    started: list[Worker] = []
    start = Worker.__init__

    def noted(self: Worker, settings: dict[str, object]) -> None:
        started.append(self)
        start(self, settings)

    monkeypatch.setattr(Worker, "__init__", noted)
    return started


class Clock:
    """Time that passes only while someone sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(downloads, "time", clock)
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
    clock.sleep(15)
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
    assert host.early == 0
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


def test_a_process_serves_many_videos(host: Host, tmp_path: Path, workers: list[Worker]) -> None:
    with Downloads(Download(timeout=60.0, retries=0)) as job:
        for name in "abc":
            assert job.fetch(Video(name, host.url("fine", name)), tmp_path).read_bytes() == host.file(name)
            with pytest.raises(UnavailableError, match="HTTP 404"):
                job.fetch(Video("x", host.url("gone", name)), tmp_path)
        process = workers[0]._process
        assert process.poll() is None
    assert len(workers) == 1
    assert process.poll() == -9


def test_a_process_that_hangs_is_replaced(
    host: Host, tmp_path: Path, workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Downloads(Download(timeout=60.0, retries=0)) as job:
        job.fetch(Video("a", host.url("fine")), tmp_path)
        monkeypatch.setattr(job, "_limits", Download(timeout=0.5, retries=0))
        monkeypatch.setattr(downloads, "GRACE", 0.5)
        with pytest.raises(UnavailableError, match=r"time limit of 0.5 s \(1 attempts\)"):
            job.fetch(Video("b", host.url("stalls")), tmp_path)
        assert workers[0]._process.poll() == -9
        monkeypatch.setattr(job, "_limits", Download(timeout=60.0, retries=0))
        job.fetch(Video("c", host.url("fine")), tmp_path)
    assert len(workers) == 2


def test_a_process_ends_with_the_one_that_asks() -> None:
    worker = Worker({"max_height": 480, "max_duration": 600.0, "timeout": 60.0})
    assert worker._process.stdin
    worker._process.stdin.close()
    worker._process.wait(60)


def test_no_process_starts_after_the_stop(tmp_path: Path) -> None:
    job = Downloads(Download())
    job.stop()
    with pytest.raises(UnavailableError, match="the download was stopped"):
        job._ask({"seconds": 1.0})
