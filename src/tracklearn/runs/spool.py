"""Runs on disk, which jobs write and the sender reads.

    results/mlflow/runs/{key}/events.jsonl    one JSON object a line, only ever appended
    results/mlflow/runs/{key}/artifacts/      pictures and small files, under the paths that the rule declares
    results/mlflow/runs/{key}/model/          of a run that made a network: its weights and MLmodel, MLflow's loader
    results/mlflow/outputs/{digest}.json      the run that wrote an output: {path, key}
    results/mlflow/jobs/{digest}/             the lease of a job that runs (`machine.lease`)
    results/mlflow/sent/{store}/{key}.json    how much of a run a store has

Events are `start` (an attempt begins), `metrics` (points of curves, or with `final` the job's figures), `tags`,
`artifact` (a file that is complete before the end) and `end`.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracklearn.files import atomic

Event = dict[str, Any]

ROOT = Path("results/mlflow")


def key_of(content: Any) -> str:
    """First 20 hex digits of the SHA-256 of a JSON-like value; other objects in it count by their text."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Spool:
    """All runs below one folder, by default the one of the working directory."""

    root: Path = ROOT

    def folder(self, key: str) -> Path:
        return self.root / "runs" / key

    def events_file(self, key: str) -> Path:
        return self.folder(key) / "events.jsonl"

    def keys(self) -> list[str]:
        """Keys of all runs, in no order."""
        runs = self.root / "runs"
        return [entry.name for entry in os.scandir(runs)] if runs.is_dir() else []

    def size(self, key: str) -> int:
        """Bytes of a run's events."""
        try:
            return self.events_file(key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def append(self, key: str, event: Mapping[str, Any]) -> None:
        """Add one event to a run.

        Each event is one write, so that the lines of several writers do not mix. Closing the file makes the line
        visible to other hosts on a network filesystem.
        """
        # A killed process may have left half a line: the first event after its death ends that line.
        before = "\n" if event["event"] in ("start", "end") else ""
        self.folder(key).mkdir(parents=True, exist_ok=True)
        line = f"{before}{json.dumps(event, default=str)}\n".encode()
        with open(self.events_file(key), "ab", buffering=0) as file:
            if file.write(line) < len(line):  # the disk is full: end the half line, so that only this event is lost
                file.write(b"\n")

    def read(self, key: str, offset: int = 0) -> tuple[list[Event], int]:
        """Whole events from byte `offset` on, and the offset after the last of them."""
        lines, offset = self._lines(key, offset)
        return _parsed(lines), offset

    def attempts(self, key: str) -> list[Event]:
        """The `start` events of the attempts behind a run's outputs: the last attempt and those that it resumed."""
        starts: list[Event] = []
        finished = False
        for event in self.starts_and_ends(key)[0]:
            if event["event"] == "start":
                starts = [event] if finished else [*starts, event]
            finished = event.get("status") == "FINISHED"
        return starts

    def last_line(self, key: str) -> str:
        """What the job said at its last end; "" while it runs."""
        return str(next(iter(reversed(self.starts_and_ends(key)[0])), {}).get("line", ""))

    def starts_and_ends(self, key: str, offset: int = 0) -> tuple[list[Event], int]:
        """As `read`, but only the events `start` and `end`, and none if the file cannot be read."""
        try:
            lines, offset = self._lines(key, offset)
        except OSError:
            return [], offset
        # The points of curves are not parsed, which would take ten times as long.
        return _parsed(line for line in lines if line.startswith((b'{"event": "start"', b'{"event": "end"'))), offset

    def _lines(self, key: str, offset: int) -> tuple[list[bytes], int]:
        """Whole lines from byte `offset` on, and the offset after the last of them."""
        try:
            with open(self.events_file(key), "rb") as file:
                file.seek(offset)
                data = file.read()
        except (FileNotFoundError, NotADirectoryError):
            return [], offset
        whole = data[: data.rfind(b"\n") + 1]
        return whole.splitlines(), offset + len(whole)

    def lease(self, job: str) -> Path:
        """The folder of a job's lease."""
        return self.root / "jobs" / key_of(job)

    def set_maker(self, paths: Iterable[str], key: str) -> None:
        """Record that run `key` wrote these outputs."""
        for path in paths:
            # Shared: a batch system may start a job again while its first process is still ending on another host.
            with atomic(self._maker_file(path), shared=True) as temporary:
                temporary.write_text(json.dumps({"path": os.path.relpath(path), "key": key}))

    def maker(self, path: str) -> str | None:
        """Key of the run that wrote `path`; None if no job wrote the file or the record cannot be read."""
        try:
            return str(json.loads(self._maker_file(path).read_text())["key"])
        except (OSError, ValueError, KeyError):
            return None

    def _maker_file(self, path: str) -> Path:
        return self.root / "outputs" / f"{key_of(os.path.relpath(path))}.json"


def start_sender(root: Path = ROOT) -> None:
    """Start the sender as a process of its own; it ends once this process has ended and all runs are delivered."""
    root.mkdir(parents=True, exist_ok=True)
    # The end of this process, however it ends, closes the writing end of the pipe; child processes do not inherit it.
    until_closed, _open = os.pipe()
    with open(root / "sender.log", "ab") as log:
        command = [sys.executable, "-m", "tracklearn.runs.sender", "follow"]
        # In a session of its own, so that Ctrl-C in the terminal ends the jobs but not the delivery of their ends.
        subprocess.Popen(command, stdin=until_closed, stdout=log, stderr=log, start_new_session=True)
    os.close(until_closed)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Give a file a second name, which takes no space; copy it where that is impossible."""
    try:
        os.link(source, target)
    except OSError:  # another filesystem, or one without links
        shutil.copyfile(source, target)


def _parsed(lines: Iterable[bytes]) -> list[Event]:
    """Events, without the lines that are empty or that a killed process left unfinished."""
    events = []
    for line in lines:
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events
