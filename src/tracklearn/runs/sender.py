"""Deliver the runs that jobs left on disk to MLflow: `python -m tracklearn.runs.sender send | follow | ui`.

The store is `MLFLOW_TRACKING_URI`, or an SQLite file beside the runs. One sender works at a time, so that SQLite has
one writer and its schema one maker. What was delivered is remembered per run after each step; a step that was cut off
is repeated whole, which doubles nothing: a run is looked up by its key before it is created, params and tags overwrite
themselves, and MLflow keeps a point of a curve (same time, step and value) once.
"""

import argparse
import fcntl
import json
import logging
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.runs.spool import Event, Spool, digest, started

POLL = 2.0  # seconds between two looks at the parent process
EVERY = 10.0  # seconds between two deliveries
LONGEST = 300.0  # seconds between two tries while the store is gone

# https://mlflow.org/docs/latest/rest-api.html#log-batch; tags of 8000 characters
METRICS, PARAMS, TAG = 1000, 100, 8000

# A server that is gone is asked again later, so there is no point in asking it at length now.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # of the UI: nothing here uses it, and it starts six processes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


@dataclass
class Sent:
    """How much of a run is delivered."""

    run_id: str | None = None
    offset: int = 0
    open: list[Any] | None = None  # host, pid and start of the process that runs it; None once it ended


class Sender:
    """Delivers one spool to one store."""

    def __init__(self, spool: Spool | None = None, uri: str | None = None) -> None:
        self.spool = spool or Spool()
        local = f"sqlite:///{self.spool.root.resolve()}/mlflow.db"
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or local
        self.local = self.uri == local
        self._states = self.spool.root / "sent" / ("local" if self.local else digest(self.uri))
        self._known: dict[str, Sent] = {}
        self._client: Any = None
        self._experiment = ""
        self._problems: set[str] = set()

    def drain(self) -> int:
        """Deliver all there is; the number of runs that still wait because the store is gone or refused them."""
        waiting = self._pending()
        if not waiting:
            return 0
        with lock(self.spool.root / "sender.lock"):
            if self._client is None and not self._tried(self._connect):
                return len(waiting)
            # A store that fails on three runs in a row is taken for gone: the others would only wait longer.
            failures = 0
            for key in waiting:
                failures = 0 if self._tried(self._deliver, key) else failures + 1
                if failures == 3:
                    break
        return len(self._pending())

    def _pending(self) -> list[str]:
        """Runs with events that were not delivered, or whose process died without a word."""
        self._check_store()
        keys = self.spool.keys()
        return [key for key in keys if self._size(key) > (sent := self._sent(key)).offset or _dead(sent)]

    def _check_store(self) -> None:
        """Start afresh where the local store was deleted: what it had been sent is gone with it."""
        if self.local and not (self.spool.root / "mlflow.db").exists():
            self._known, self._client = {}, None
            shutil.rmtree(self._states, ignore_errors=True)

    def _connect(self) -> None:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient  # noqa: PLC0415

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        client = MlflowClient(self.uri)  # creates the schema of an empty database
        name = os.environ.get("TRACKLEARN_EXPERIMENT") or Path.cwd().name
        found = client.get_experiment_by_name(name)
        if found is None:
            place = (self.spool.root / "artifacts").resolve().as_uri() if self.local else None
            self._experiment = client.create_experiment(name, artifact_location=place)
        else:
            self._experiment = found.experiment_id
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(self._experiment)
        self._client = client

    def _tried(self, step: Any, *arguments: str) -> bool:
        """Do one step of the delivery; False, with the reason said once, when the store does not take it."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            step(*arguments)
        except (MlflowException, OSError) as error:
            reason = " ".join([*arguments, str(error).partition("\n")[0]])[:400]
            if reason not in self._problems:
                print(f"sender: {self.uri}: {reason}; runs wait on disk", file=sys.stderr, flush=True)
            self._problems.add(reason)
            return False
        return True

    def _deliver(self, key: str) -> None:
        """Send what is new of one run."""
        sent = self._load(key)
        self._known[key] = sent
        if sent.run_id and (stage := self._stage(sent.run_id)) != "active":
            if stage == "deleted":  # in the UI, by a person who does not want it
                self._save(key, Sent(sent.run_id, self._size(key)))
                return
            sent = Sent()  # the store was emptied
        self._deliver_events(key, sent)
        if _dead(sent) and self._size(key) == sent.offset:
            self._bury(key)
            self._deliver_events(key, sent)

    def _deliver_events(self, key: str, sent: Sent) -> None:
        events, offset = self.spool.read(key, sent.offset)
        while offset > sent.offset:
            self._send(key, sent, events)
            sent.offset = offset
            self._save(key, sent)
            events, offset = self.spool.read(key, sent.offset)

    def _send(self, key: str, sent: Sent, events: Sequence[Event]) -> None:
        """Deliver a piece of a run; doing it twice is doing it once."""
        if sent.run_id is None:
            sent.run_id = self._find(key) or self._create(key, events)
        tags: dict[str, str] = {}
        for event in events:
            tags |= event.get("tags", {})
            if event["event"] == "start":
                tags |= self._input_tags(event["inputs"])
                sent.open = [event["host"], event["pid"], event["process"]]
            elif event["event"] == "end":
                sent.open = None
        # Later attempts have the same params, for these are in the key.
        first: Event = next(
            (event for event in events if event["event"] == "start" and not sent.offset), {"params": {}}
        )
        self._log_batches(sent.run_id, events, first["params"], tags)
        for event in events:
            if event["event"] == "artifact":
                path = self.spool.folder(key) / "artifacts" / event["path"]
                self._client.log_artifact(sent.run_id, str(path), str(Path(event["path"]).parent))
        self._set_status(key, sent.run_id, events)

    def _log_batches(self, run_id: str, events: Sequence[Event], params: dict[str, str], tags: dict[str, str]) -> None:
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415

        points = [
            Metric(_name(name), value, _milliseconds(event["time"]), event["step"])
            for event in events
            if event["event"] == "metrics"
            for name, value in event["values"].items()
        ]
        settings = [Param(_name(name), value) for name, value in params.items()]
        labels = [RunTag(_name(name), str(value)[:TAG]) for name, value in tags.items()]
        for first in range(0, max(len(settings), len(labels)), PARAMS):
            part = slice(first, first + PARAMS)
            self._client.log_batch(run_id, params=settings[part], tags=labels[part])
        for first in range(0, len(points), METRICS):
            self._client.log_batch(run_id, metrics=points[first : first + METRICS])

    def _set_status(self, key: str, run_id: str, events: Sequence[Event]) -> None:
        turns = [event for event in events if event["event"] in ("start", "end")]
        if not turns:
            return
        if turns[-1]["event"] == "start":
            self._client.update_run(run_id, status="RUNNING")
            return
        artifacts = self.spool.folder(key) / "artifacts"
        if artifacts.is_dir():
            self._client.log_artifacts(run_id, str(artifacts))
        self._client.set_terminated(run_id, turns[-1]["status"], end_time=_milliseconds(turns[-1]["time"]))

    def _find(self, key: str) -> str | None:
        """A run of this key that an earlier sender created and could not note down."""
        found = self._client.search_runs([self._experiment], f"tags.key = '{key}'", max_results=1)
        return found[0].info.run_id if found else None

    def _create(self, key: str, events: Sequence[Event]) -> str:
        unknown: Event = {"name": key, "time": time.time()}
        start = next((event for event in events if event["event"] == "start"), unknown)
        run = self._client.create_run(
            self._experiment, start_time=_milliseconds(start["time"]), run_name=start["name"], tags={"key": key}
        )
        return str(run.info.run_id)

    def _input_tags(self, inputs: dict[str, list[str]]) -> dict[str, str]:
        """`input.{name}`: the runs that made these files, as many as a tag holds."""
        tags = {}
        for name, keys in inputs.items():
            ids = [self._run_id(key) for key in keys[: TAG // 40]]
            more = f" and {len(keys) - len(ids)} more" if len(keys) > len(ids) else ""
            tags["input" if name == "input" else f"input.{name}"] = " ".join(ids) + more
        return tags

    def _run_id(self, key: str) -> str:
        """Id in the store of the run that made an input; its key if that run is on disk no longer."""
        if self._load(key).run_id is None and self._size(key):
            self._deliver(key)
        return self._load(key).run_id or key

    def _stage(self, run_id: str) -> str:
        """`active`, `deleted`, or `missing` for a run that the store does not know."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            return str(self._client.get_run(run_id).info.lifecycle_stage)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return "missing"
            raise

    def _bury(self, key: str) -> None:
        """Write the end of a run whose process was killed before it could."""
        last = self.spool.events_file(key).stat().st_mtime
        end = {"event": "end", "time": last, "status": "KILLED", "tags": {"error": "the process was killed"}}
        self.spool.append(key, end)

    def _size(self, key: str) -> int:
        try:
            return self.spool.events_file(key).stat().st_size
        except FileNotFoundError:
            return 0

    def _sent(self, key: str) -> Sent:
        if key not in self._known:
            self._known[key] = self._load(key)
        return self._known[key]

    def _load(self, key: str) -> Sent:
        """What is delivered of a run, as noted on disk: another sender may have been here."""
        try:
            return Sent(**json.loads((self._states / f"{key}.json").read_text()))
        except FileNotFoundError:
            return Sent()

    def _save(self, key: str, sent: Sent) -> None:
        with atomic(self._states / f"{key}.json") as path:
            path.write_text(json.dumps(asdict(sent)))
        self._known[key] = sent


def follow(parent: int, sender: Sender | None = None, *, poll: float = POLL, every: float = EVERY) -> int:
    """Deliver while process `parent` lives and once more after it; the number of runs that wait then."""
    sender = sender or Sender()
    born, due, pause = started(parent), 0.0, every
    while born is not None and started(parent) == born:
        if time.monotonic() >= due:
            pause = min(2 * pause, LONGEST) if _drained(sender) else every
            due = time.monotonic() + pause
        time.sleep(poll)
    return _drained(sender)


def _drained(sender: Sender) -> int:
    """Deliver; the number of runs that wait, at least 1 if another sender is in the way."""
    try:
        return sender.drain()
    except UserError as error:
        print(f"sender: {error}", file=sys.stderr, flush=True)
        return 1


def open_ui(port: int | None = None) -> None:
    """Deliver, then show the store on 127.0.0.1."""
    sender = Sender()
    sender.drain()
    if sender.uri.startswith("http"):
        print(f"The runs are on {sender.uri}")
        return
    if sender.local and not (sender.spool.root / "mlflow.db").exists():
        raise UserError(f"{sender.spool.root}: no runs here; run the workflow first")
    port = port or free_port(5000)
    print(f"The runs are on http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    os.environ.update(ENVIRONMENT)
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", sender.uri, "--workers", "1"]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(port)])


def free_port(wanted: int = 0) -> int:
    """The wanted port of 127.0.0.1, or any free one if something listens there."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def lock(path: Path, *, patience: float = 120.0) -> Iterator[None]:
    """Be the only sender of this spool on all hosts that see it: a POSIX lock, which NFS 4 and Lustre pass on.

    Raises:
        UserError: another sender held it for `patience` seconds, or the filesystem knows no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with open(path, "a+") as file:
        while not _locked(file, path):
            if time.monotonic() > deadline:
                file.seek(0)
                raise UserError(f"{path}: another sender holds it ({file.read().strip()}); try again later")
            time.sleep(0.1)
        file.truncate(0)
        file.write(f"{socket.gethostname()} {os.getpid()}")
        file.flush()
        yield


def _locked(file: Any, path: Path) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        raise UserError(
            f"{path}: the filesystem has no locks ({error.strerror}); keep results/ on one that has"
        ) from error
    return True


def _dead(sent: Sent) -> bool:
    """True if the process of a running run is gone; one of another host is believed to live."""
    if sent.open is None:
        return False
    host, pid, process = sent.open
    return host == socket.gethostname() and started(pid) != process


def _name(name: str) -> str:
    """A name as MLflow takes it."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:250]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 1 if runs still wait on disk, 2 for an error of one line."""
    parser = argparse.ArgumentParser(prog="python -m tracklearn.runs.sender", description="Deliver runs to MLflow.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("send", help="deliver what waits on disk")
    commands.add_parser("follow", help="deliver while a process lives").add_argument(
        "--parent", type=int, required=True
    )
    commands.add_parser("ui", help="deliver, then show the runs").add_argument("--port", type=int)
    options = parser.parse_args(arguments)
    try:
        if options.command == "ui":
            open_ui(options.port)
            return 0
        if options.command == "follow":
            os.nice(19)
            waiting = follow(options.parent)
        else:
            waiting = Sender().drain()
    except UserError as error:
        print(f"sender: {error}", file=sys.stderr)
        return 2
    if waiting:
        print(f"sender: {waiting} runs wait in results/mlflow; `send` delivers them later", file=sys.stderr)
    return 1 if waiting else 0


if __name__ == "__main__":
    sys.exit(main())
