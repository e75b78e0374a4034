"""Runs on disk: what jobs write and the sender reads.

    results/mlflow/runs/{key}/events.jsonl    one JSON object a line, only ever appended to
    results/mlflow/runs/{key}/artifacts/      pictures and small files, under the paths they were declared with
    results/mlflow/outputs/{digest}.json      which run wrote an output: {path, key}
    results/mlflow/sent/{store}/{key}.json    how much of a run a store has, and the run's id there

Events are `start` (an attempt begins), `metrics`, `tags`, `artifact` (one that is there before the end) and `end`. A
run has as many attempts as the job had starts.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracklearn.files import atomic

Event = dict[str, Any]

ROOT = Path("results/mlflow")
CHUNK = 1 << 20  # bytes read at once; 10K points of a curve


def digest(content: Any) -> str:
    """First 20 hex digits of the SHA-256 of a JSON-like value; anything else in it counts by its text."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Spool:
    """All runs under one folder; by default that of the working directory."""

    root: Path = ROOT

    def folder(self, key: str) -> Path:
        return self.root / "runs" / key

    def events_file(self, key: str) -> Path:
        return self.folder(key) / "events.jsonl"

    def keys(self) -> list[str]:
        """Keys of all runs, in no order."""
        runs = self.root / "runs"
        return [entry.name for entry in os.scandir(runs)] if runs.is_dir() else []

    def append(self, key: str, event: Mapping[str, Any]) -> None:
        """Add one event to a run.

        The file is opened for each event: closing is what makes the line visible on other hosts of a network
        filesystem. One write of one line, so that writers never mix their lines.
        """
        line = json.dumps(event, default=str) + "\n"
        file = os.open(self.events_file(key), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def end_torn_line(self, key: str) -> None:
        """Close the line that a killed writer left open, so that the next event starts its own."""
        path = self.events_file(key)
        if path.is_file() and path.stat().st_size:
            with open(path, "rb+") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def read(self, key: str, offset: int = 0, *, chunk: int = CHUNK) -> tuple[list[Event], int]:
        """Whole events from byte `offset` on, about `chunk` bytes of them, and the offset behind the last one."""
        path = self.events_file(key)
        if not path.is_file():
            return [], offset
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read(chunk)
            if data and not data.endswith(b"\n"):
                data += file.readline()
        whole = data[: data.rfind(b"\n") + 1]
        return [event for line in whole.splitlines() if (event := _parsed(line))], offset + len(whole)

    def history(self, key: str) -> list[Event]:
        """Every event of a run."""
        events, offset = self.read(key)
        while (more := self.read(key, offset)) != ([], offset):
            events += more[0]
            offset = more[1]
        return events

    def claim(self, paths: Iterable[str], key: str) -> None:
        """Record that run `key` wrote these outputs."""
        for path in paths:
            # Shared: a batch system may start a job again while its first process still ends elsewhere.
            with atomic(self._index(path), shared=True) as temporary:
                temporary.write_text(json.dumps({"path": _place(path), "key": key}))

    def maker(self, path: str) -> str | None:
        """Key of the run that wrote `path`; None for what no job wrote, or if the record cannot be read."""
        try:
            return str(json.loads(self._index(path).read_text())["key"])
        except (OSError, ValueError, KeyError):
            return None

    def _index(self, path: str) -> Path:
        return self.root / "outputs" / f"{digest(_place(path))}.json"


def start_sender(root: Path = ROOT) -> None:
    """Start the sender beside this process; it leaves once this process is gone and all runs are delivered."""
    root.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tracklearn.runs.sender", "follow", "--parent", str(os.getpid())]
    with open(root / "sender.log", "ab") as log:
        # A session of its own: Ctrl-C in the terminal must end the jobs, not the telling of how they ended.
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def started(pid: int) -> str | None:
    """When process `pid` of this host started, in clock ticks; None if it is gone (a zombie is).

    Without /proc the answer is "unknown" while something has that id.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "unknown"
    try:
        # The second field is the command in parentheses, which may hold spaces: count behind it. man 5 proc
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "unknown" if not Path("/proc/self/stat").exists() else None
    return None if state in "ZX" else fields[18]


def _place(path: str) -> str:
    """A path as outputs are known by: relative to the working directory where it lies inside."""
    place = Path(os.path.normpath(path))
    return str(place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place)


def _parsed(line: bytes) -> Event | None:
    """An event; None for a line that a killed writer left unfinished."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
