"""The downloads of one job: its processes, their retries, and the rests that hosts ask for."""

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Event, Lock
from types import TracebackType
from typing import Any, Self

from tracklearn.machine.workers import forking
from tracklearn.settings.videos import Download
from tracklearn.videos import fetch
from tracklearn.videos.fetch import UnavailableError
from tracklearn.videos.lists import Video, is_youtube

# Seconds that the process of a download may run beyond its time limit. yt-dlp checks the time only when bytes arrive,
# so its process must be killed where a host sends one byte a second, or none.
KILL_WAIT = 5.0
BEGIN_WAIT = 120.0  # seconds in which a process loads yt-dlp, which takes about one on an idle machine
STOPPED = "the download was stopped"
BACKOFF = 1.0  # seconds before the first retry, doubled for each further retry


class Downloads:
    """Downloads of several threads, each in a process that serves one video after the other.

    Args:
        limits: time limit, retries, speed and rests.
        threads: downloads at once, which share `limits.max_speed`.
    """

    def __init__(self, limits: Download, threads: int = 1) -> None:
        self._limits = limits
        self._stopped = Event()
        self._hosts = Hosts(pause=limits.pause, max_wait=limits.max_wait, stopped=self._stopped)
        self._settings = {name: getattr(limits, name) for name in ("max_height", "max_duration", "timeout")}
        self._settings["speed"] = limits.max_speed and limits.max_speed / threads
        self._processes: set[FetchProcess] = set()
        self._idle: LifoQueue[FetchProcess] = LifoQueue()
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def fetch(self, video: Video, directory: Path) -> Path:
        """Download a video to `directory/video_id.*`; a partial file of an earlier attempt is resumed.

        Raises:
            UnavailableError: with the reason.
        """
        request = {"source": video.source, "directory": str(directory), "video_id": video.video_id}
        host, left = host_of(video.source), self._limits.timeout
        for attempt in range(self._limits.retries + 1):
            self._hosts.wait(host)
            start = time.monotonic()
            try:
                return self._ask(request | {"seconds": left})
            except UnavailableError as error:
                if not error.transient:
                    raise
                pause = BACKOFF * 2**attempt
                if error.rest is not None:
                    self._hosts.rest(host, error.rest or pause, str(error))
                    pause = 0
                left -= time.monotonic() - start + pause
                if attempt == self._limits.retries or left < 0:
                    raise UnavailableError(f"{error} ({attempt + 1} attempts)", transient=True) from error
                if self._stopped.wait(pause):
                    raise UnavailableError(STOPPED, transient=True) from error
        raise ValueError(f"retries = {self._limits.retries}: expected 0 or more")

    def stop(self) -> None:
        """End all processes and all waiting; what is being downloaded stays as a partial file."""
        self._stopped.set()
        with self._lock:
            for process in self._processes:
                process.kill()

    def _ask(self, request: dict[str, Any]) -> Path:
        process = self._process()
        try:
            process.begin(BEGIN_WAIT)  # not part of the video's time
            answer = process.answer(request, request["seconds"] + KILL_WAIT)
        except TimeoutError as error:
            self._forget(process)
            raise UnavailableError(f"time limit of {self._limits.timeout:g} s", transient=True) from error
        except EOFError as error:
            self._forget(process)
            raise UnavailableError(f"the downloader failed: {error}", transient=process.was_killed) from error
        self._idle.put(process)
        if "path" not in answer:
            raise UnavailableError(**answer)
        return Path(answer["path"])

    def _process(self) -> "FetchProcess":
        try:
            return self._idle.get_nowait()
        except Empty:
            with self._lock:
                if self._stopped.is_set():
                    raise UnavailableError(STOPPED, transient=True) from None
                process = FetchProcess(self._settings)
                self._processes.add(process)
                return process

    def _forget(self, process: "FetchProcess") -> None:
        with self._lock:
            self._processes.remove(process)
        process.kill()


class FetchProcess:
    """A process of `videos.fetch`."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._begun = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (it is as long-lived as the process)
        command = [sys.executable, "-m", fetch.__name__, json.dumps(settings)]
        with forking:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True
            )

    def begin(self, seconds: float) -> None:
        """Wait until the process can serve; raises as `answer`."""
        if not self._begun:
            self._line(seconds)
            self._begun = True

    def answer(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            TimeoutError: no answer within some seconds.
            EOFError: the process has ended; with its last line.
        """
        assert self._process.stdin
        with suppress(BrokenPipeError):  # the end of its output follows
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._line(seconds))
        return answer

    def _line(self, seconds: float) -> bytes:
        """The next line that the process prints."""
        assert self._process.stdout
        if not wait([self._process.stdout.fileno()], seconds):
            raise TimeoutError
        if line := self._process.stdout.readline():
            return line
        with suppress(ChildProcessError):  # another thread has killed it
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)  # its id stays that of its group
        self.kill()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        raise EOFError(lines[-1] if lines else f"exit status {self._process.returncode}")

    @property
    def was_killed(self) -> bool:
        """Whether a signal has ended the process, as when memory runs out."""
        return (self._process.returncode or 0) < 0

    def kill(self) -> None:
        """Kill the process, which may hang in C, and all that it has started, such as a JavaScript runtime."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Hosts:
    """When hosts may be asked: the downloads of all threads from one host wait for its rest and for their turn.

    Args:
        pause: seconds between the starts of two downloads from one host.
        max_wait: seconds; the longest rest that is waited for.
        stopped: ends all waiting.
    """

    def __init__(self, *, pause: float = 0.0, max_wait: float = math.inf, stopped: Event | None = None) -> None:
        self._pause, self._max_wait, self._stopped = pause, max_wait, stopped or Event()
        self._lock = Lock()
        self._rests: dict[str, tuple[float, str]] = {}  # when the host's rest ends, and why it rests
        self._turns: dict[str, float] = {}

    def rest(self, host: str, seconds: float, reason: str) -> None:
        """Ask a host for nothing for some seconds; an earlier rest is not shortened."""
        with self._lock:
            end = time.monotonic() + seconds
            self._rests[host] = max(self._rests.get(host, (0.0, "")), (end, reason))

    def wait(self, host: str) -> None:
        """Wait until a host may be asked.

        Raises:
            UnavailableError: the host has asked for a longer rest than `max_wait`, or the downloads were stopped.
        """
        while (seconds := self._seconds_to_wait(host)) > 0:
            if self._stopped.wait(seconds):
                raise UnavailableError(STOPPED, transient=True)

    def _seconds_to_wait(self, host: str) -> float:
        """Seconds until a host may be asked; 0 takes the turn."""
        with self._lock:
            now = time.monotonic()
            end, reason = self._rests.get(host, (now, ""))
            if end - now > self._max_wait:
                raise UnavailableError(
                    f"{reason}: the host asks for a rest of {end - now:.0f} s, longer than videos.max_wait "
                    f"{self._max_wait:g} s",
                    transient=True,
                )
            seconds = max(end, self._turns.get(host, now)) - now
            if seconds <= 0:
                self._turns[host] = now + self._pause
            return seconds


def host_of(source: str) -> str:
    """The host of an address and its port; all addresses of YouTube and bare ids have one."""
    return "youtube.com" if is_youtube(source) else source.partition("://")[2].partition("/")[0].lower()
