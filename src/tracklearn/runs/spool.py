"""Runs on disk, which jobs write and the sender reads.

    results/mlflow/runs/{key}/events.jsonl    one JSON object a line, only ever appended
    results/mlflow/runs/{key}/artifacts/      pictures and small files, under the paths that the rule declares
    results/mlflow/runs/{key}/model/          of a run that made a network: its weights and MLmodel, MLflow's loader
    results/mlflow/outputs/{digest}.json      the run that wrote an output: {path, key}; after a change, {.., content}
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
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracklearn.errors import without_secrets
from tracklearn.files import write_json
from tracklearn.machine.lease import Writer

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
        line = without_secrets(f"{before}{json.dumps(event, default=str)}\n").encode()
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
            write_json(self._maker_file(path), {"path": os.path.relpath(path), "key": key}, indent=None, shared=True)

    def set_content(self, path: str, content: str) -> None:
        """Record that a file was changed in place after its run, with a digest of its content now."""
        if key := self.maker(path):
            write_json(
                self._maker_file(path),
                {"path": os.path.relpath(path), "key": key, "content": content},
                indent=None,
                shared=True,
            )

    def maker(self, path: str) -> str | None:
        """Key of the run that wrote `path`; None if no job wrote the file or the record cannot be read."""
        return self._of_maker(path, "key")

    def content(self, path: str) -> str | None:
        """Digest of what `path` holds, if it was changed after its run; None if it was not."""
        return self._of_maker(path, "content")

    def _of_maker(self, path: str, name: str) -> str | None:
        try:
            return str(json.loads(self._maker_file(path).read_text())[name])
        except (OSError, ValueError, KeyError, TypeError):
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
    """Events, without the lines that are empty, that a killed process left unfinished, or that are damaged."""
    events = []
    for line in lines:
        with suppress(ValueError, RecursionError):
            event = json.loads(line)
            if is_event(event):
                events.append(event)
    return events


def is_event(event: Any) -> bool:
    """Whether a JSON value is an event of one of the kinds of this module, with what its readers need."""
    kind = event.get("event") if isinstance(event, dict) else None
    fields = FIELDS.get(kind) if isinstance(kind, str) else None
    return fields is not None and all(is_valid(event.get(name)) for name, is_valid in fields.items())


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 2**53  # NaN is not


def _is_float(value: Any) -> bool:
    return type(value) in (int, float)  # a curve may hold NaN


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_none_or_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def is_none_or_writer(value: Any) -> bool:
    """Whether a JSON value is None or names a process (`lease.Writer`)."""
    if isinstance(value, str):
        with suppress(ValueError):
            return bool(Writer.named(value))
    return value is None


def _maps_to(is_valid: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(is_valid, value.values()))


def _lists(is_valid: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(is_valid, value))


def _is_dataset(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(value.get(name)) for name in ("name", "digest", "source"))


FIELDS: Mapping[str, Mapping[str, Callable[[Any], bool]]] = {
    "start": {
        "time": _is_number,
        "name": _is_text,
        "writer": is_none_or_writer,  # of None nothing is known
        "params": _maps_to(_is_text),
        "tags": lambda tags: _maps_to(_is_text)(tags) and "rule" in tags,
        "inputs": _maps_to(_lists(_is_text)),
        "datasets": lambda value: value is None or _lists(_is_dataset)(value),
        "network": _is_none_or_text,
        "cell": _is_none_or_text,
        "pages": lambda value: value is None or _lists(_is_text)(value),
    },
    "end": {
        "time": _is_number,
        "status": lambda value: value in ("FINISHED", "FAILED", "KILLED"),
        "tags": lambda tags: tags is None or _maps_to(_is_text)(tags),
        "line": _is_none_or_text,
    },
    "metrics": {
        "time": _is_number,
        "step": lambda step: type(step) is int and abs(step) < 2**53,
        "values": _maps_to(_is_float),
    },
    "tags": {"tags": _maps_to(_is_text)},
    "artifact": {"path": lambda path: _is_text(path) and not Path(path).is_absolute() and ".." not in Path(path).parts},
}
"""What holds for the fields of each kind of event."""
