"""Deliver the runs on disk to MLflow: `python -m tracklearn.runs.sender send | follow | ui`.

The store is `MLFLOW_TRACKING_URI`, or an SQLite file beside the runs. One sender works at a time, so that SQLite has
one writer. After each step the sender notes how much of a run is delivered. A step that was interrupted is repeated.
The repetition doubles nothing. A run is looked up by its key before it is created. Params and tags are overwritten.
MLflow keeps a point of a curve (same time, step and value) once.
"""

import argparse
import fcntl
import json
import logging
import os
import re
import select
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.runs.spool import Event, Spool, key_of

INTERVAL = 10.0  # seconds between two deliveries
FAILURES = 3  # runs that fail one after the other before the store is taken for unreachable

# https://mlflow.org/docs/latest/rest-api.html#log-batch
BATCH = {"metrics": 1000, "params": 100, "tags": 100}
TAG_LENGTH = 8000

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # the UI would start six processes that nothing here uses
    # An unreachable server is asked again at the next delivery.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


@dataclass
class Progress:
    """How much of a run the store has."""

    offset: int = 0  # in the file of events
    host_of_running_job: str | None = None  # from the job's start to its end


class Sender:
    """Delivers the runs of the working directory to one store."""

    def __init__(self, uri: str | None = None) -> None:
        self.spool = Spool()
        self.database = self.spool.root / "mlflow.db"
        local = f"sqlite:///{self.database.resolve()}"
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or local
        self.local = self.uri == local
        if self.local and "?" in local:
            raise UserError(
                f"{self.database.resolve()}: MLflow opens no file whose path holds a `?`; rename the folder"
            )
        self._progress_folder = self.spool.root / "sent" / ("local" if self.local else key_of(self.uri))
        self._progress: dict[str, Progress] = {}
        self._client: Any = None
        self._experiment = ""
        self._problems: set[str] = set()

    def deliver_all(self) -> int:
        """Deliver what is new; return how many runs the store did not take."""
        pending = self.pending()
        if not pending:
            return 0
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        delivered = failures = 0
        with lock(self.spool.root / "sender.lock"):
            for key in pending:
                try:
                    self._connect()
                    self._deliver(key)
                    delivered, failures = delivered + 1, 0
                except (MlflowException, OSError) as error:
                    failures += 1
                    reason = str(error).partition("\n")[0][:400]
                    if reason not in self._problems:
                        print(f"sender: {self.uri}: run {key} stays on disk: {reason}", file=sys.stderr, flush=True)
                    self._problems.add(reason)
                if self._client is None or failures == FAILURES:
                    break
        return len(pending) - delivered

    def pending(self) -> list[str]:
        """Keys of the runs with events to deliver, or whose job was killed."""
        if self.local and not self.database.exists():  # a deleted store is filled again
            self._progress, self._client = {}, None
            shutil.rmtree(self._progress_folder, ignore_errors=True)
        pending = []
        for key in self.spool.keys():  # noqa: SIM118 (no dictionary)
            progress = self._progress.get(key) or self._load(key)
            if self._size(key) > progress.offset or (runs_on_this_host(progress) and not self.spool.is_alive(key)):
                pending.append(key)
        return pending

    def _connect(self) -> None:
        if self._client is not None:
            return
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient  # noqa: PLC0415

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        artifacts = (self.spool.root / "artifacts").resolve().as_uri() if self.local else None
        if artifacts:
            # The place of MLflow's experiment "Default", which gets no run. MLflow writes it unchanged into an SQL
            # statement, which a path with both kinds of quotes would break. A file URI has no quotes.
            os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = artifacts
        client = MlflowClient(self.uri)  # creates the schema of an empty database
        name = os.environ.get("TRACKLEARN_EXPERIMENT") or Path.cwd().name
        found = client.get_experiment_by_name(name)
        if found is None:
            # Without the tag the UI opens in its view for language models.
            experiment_tags = {"mlflow.experimentKind": "custom_model_development"}
            self._experiment = client.create_experiment(name, artifact_location=artifacts, tags=experiment_tags)
        else:
            self._experiment = found.experiment_id
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(self._experiment)
        self._client = client

    def _deliver(self, key: str) -> None:
        """Deliver the new events of one run, and record the death of a killed job."""
        from mlflow.entities import ViewType  # noqa: PLC0415

        filter_string = f"tags.key = '{key}'"
        found = self._client.search_runs([self._experiment], filter_string, ViewType.ALL, max_results=1)
        if found and found[0].info.lifecycle_stage == "deleted":  # by a person, in the UI: the run stays deleted
            self._save(key, Progress(self._size(key)))
            return
        # Another sender may have delivered events in the meantime, or the store may have been emptied.
        progress = self._load(key) if found else Progress()
        run_id = found[0].info.run_id if found else self._create(key)
        alive = self.spool.is_alive(key)  # asked first: whatever a dead job wrote is delivered next
        self._deliver_events(key, run_id, progress)
        # Asked again, since a new attempt may have begun in the meantime.
        if runs_on_this_host(progress) and not alive and not self.spool.is_alive(key):
            last = self.spool.events_file(key).stat().st_mtime
            tags = {"error": "the process was killed"}
            self.spool.append(key, {"event": "end", "time": last, "status": "KILLED", "tags": tags})
            self._deliver_events(key, run_id, progress)

    def _create(self, key: str) -> str:
        unknown: Event = {"name": key, "time": time.time()}
        start = next(iter(self.spool.attempts(key)), unknown)
        begin = _milliseconds(start["time"])
        run = self._client.create_run(self._experiment, start_time=begin, run_name=start["name"], tags={"key": key})
        return str(run.info.run_id)

    def _deliver_events(self, key: str, run_id: str, progress: Progress) -> None:
        """Deliver the new events of one run and note it."""
        events, offset = self.spool.read(key, progress.offset)
        params: dict[str, str] = {}
        tags: dict[str, str] = {}
        last_start_or_end: Event = {"event": "none"}
        for event in events:
            tags |= event.get("tags", {})
            if event["event"] in ("start", "end"):
                last_start_or_end = event
                progress.host_of_running_job = event["host"] if event["event"] == "start" else None
            if event["event"] == "start":
                for name, keys in event["inputs"].items():
                    tags["input" if name == "input" else f"input.{name}"] = " ".join(keys)
                # All attempts have the same params, since the params are part of the key.
                params = params or (event["params"] if progress.offset == 0 else {})
        self._log(run_id, events, params, tags)
        artifacts = self.spool.folder(key) / "artifacts"
        for event in events:
            if event["event"] == "artifact":
                self._client.log_artifact(run_id, str(artifacts / event["path"]), str(Path(event["path"]).parent))
        if last_start_or_end["event"] == "start":
            self._client.update_run(run_id, status="RUNNING")
        if last_start_or_end["event"] == "end":
            if artifacts.is_dir():
                self._client.log_artifacts(run_id, str(artifacts))
            self._client.set_terminated(
                run_id, last_start_or_end["status"], end_time=_milliseconds(last_start_or_end["time"])
            )
        progress.offset = offset
        self._save(key, progress)

    def _log(self, run_id: str, events: Sequence[Event], params: Mapping[str, str], tags: Mapping[str, Any]) -> None:
        """Send params, tags and points of curves, in as many requests as MLflow wants."""
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415

        entities: dict[str, list[Any]] = {
            "params": [Param(_name(name), value) for name, value in params.items()],
            "tags": [RunTag(_name(name), str(value)[:TAG_LENGTH]) for name, value in tags.items()],
            "metrics": [
                Metric(_name(name), value, _milliseconds(event["time"]), event["step"])
                for event in events
                if event["event"] == "metrics"
                for name, value in event["values"].items()
            ],
        }
        for kind, listed in entities.items():
            for first in range(0, len(listed), BATCH[kind]):
                self._client.log_batch(run_id, **{kind: listed[first : first + BATCH[kind]]})

    def _size(self, key: str) -> int:
        try:
            return self.spool.events_file(key).stat().st_size
        except FileNotFoundError:
            return 0

    def _load(self, key: str) -> Progress:
        """The progress on disk; what another version wrote counts as nothing delivered."""
        try:
            stored = json.loads((self._progress_folder / f"{key}.json").read_text())
            self._progress[key] = Progress(**stored)
        except (FileNotFoundError, TypeError):  # TypeError: unknown keys
            self._progress[key] = Progress()
        return self._progress[key]

    def _save(self, key: str, progress: Progress) -> None:
        with atomic(self._progress_folder / f"{key}.json") as path:
            path.write_text(json.dumps(asdict(progress)))
        self._progress[key] = progress


def follow(pipe: Any, sender: Sender | None = None, *, interval: float = INTERVAL) -> int:
    """Deliver until the other end of `pipe` is closed, and once more; return what `deliver_all` returns."""
    sender = sender or Sender()
    while not select.select([pipe], [], [], interval)[0]:
        sender.deliver_all()
    return sender.deliver_all()


def open_ui(port: int) -> None:
    """Deliver all runs, then replace this process by MLflow's UI on 127.0.0.1."""
    sender = Sender()
    sender.deliver_all()
    if sender.uri.startswith("http"):
        print(f"The runs are on {sender.uri}")
        return
    if sender.local and not sender.database.exists():
        raise UserError(f"{sender.spool.root}: no runs here; run the workflow first")
    port = free_port(port)
    print(f"The runs are on http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    os.environ.update(ENVIRONMENT)
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", sender.uri, "--workers", "1"]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(port)])


def free_port(wanted: int = 0) -> int:
    """The wanted port of 127.0.0.1, or any free port if the wanted one is taken."""
    try:
        with socket.create_server(("127.0.0.1", wanted)) as probe:
            return int(probe.getsockname()[1])
    except OSError:
        return free_port()


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Be the only sender of these runs on all hosts: wait until the senders before this one are done.

    Raises:
        UserError: the filesystem has no locks. NFS 4 has locks. Lustre has them if it is mounted with `flock`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            print(f"sender: waiting for another sender ({file.read()})", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            reason = f"the filesystem has no locks ({error.strerror}). Keep results/ on a filesystem that has locks."
            raise UserError(f"{path}: {reason}") from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def runs_on_this_host(progress: Progress) -> bool:
    """Whether the job of a run has begun on this host and not ended; on another host it is taken for alive."""
    return progress.host_of_running_job == socket.gethostname()


def _name(name: str) -> str:
    """A name in the characters that MLflow allows."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:250]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 1 if runs were not delivered, 2 after an error of one line."""
    parser = argparse.ArgumentParser(prog="python -m tracklearn.runs.sender", description="Deliver runs to MLflow.")
    parser.add_argument("command", choices=["send", "follow", "ui"], help="follow: until standard input is closed")
    parser.add_argument("--port", type=int, default=5000, help="of the UI, if it is free")
    options = parser.parse_args(arguments)
    waiting = 0
    try:
        if options.command == "ui":
            open_ui(options.port)
        elif options.command == "follow":
            os.nice(19)
            waiting = follow(sys.stdin)
        else:
            waiting = Sender().deliver_all()
    except UserError as error:
        print(f"sender: {error}", file=sys.stderr)
        return 2
    if waiting:
        print(f"sender: {waiting} runs stay on disk, in results/mlflow; `send` delivers them later", file=sys.stderr)
    return 1 if waiting else 0


if __name__ == "__main__":
    sys.exit(main())
