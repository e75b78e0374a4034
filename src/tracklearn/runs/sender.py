"""Deliver the runs on disk to MLflow: `python -m tracklearn.runs.sender send | follow | ui`.

The store is `MLFLOW_TRACKING_URI`, or an SQLite file beside the runs. One sender works at a time, so that SQLite has
one writer. After each step the sender notes how much of a run is delivered. A step that was interrupted is repeated.
The repetition doubles nothing. Runs and models are looked up by their key before they are created. Params and tags are
overwritten. MLflow keeps a point of a curve (same time, step and value), a data set and a link to a model once.

Some facts about a run follow from other runs: the cells and pages that were made from it, the networks behind it, the
address of a page. They are sent with the run's events, and after the workflow's end once more where they changed since:
each of a hundred cells tells something new about each of a thousand shards.
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
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tracklearn.errors import UserError, one_line, without_secrets
from tracklearn.files import atomic
from tracklearn.machine.lease import Writer
from tracklearn.report import NO_MEASUREMENT
from tracklearn.runs.description import description
from tracklearn.runs.lineage import Lineage
from tracklearn.runs.output import counted
from tracklearn.runs.spool import Event, Spool, is_none_or_writer, key_of, link_or_copy

INTERVAL = 10.0  # seconds between two deliveries
FAILURES = 3  # runs that fail one after the other before the store, or its store of files, is taken for unreachable

# https://mlflow.org/docs/latest/rest-api.html#log-batch: 1000 in all
BATCH = {"metrics": 800, "params": 100, "tags": 100}
TAG_LENGTH = 8000
# The UI opens in its view for language models, unless the experiment has this tag (until MLflow 3.16, and in lists of
# experiments) and the address says so (since then).
KIND = {"mlflow.experimentKind": "custom_model_development"}
MODEL_TRAINING = "?workflowType=machine_learning"

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # two lines a run
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # the UI would start six processes that nothing here uses
    # An unreachable server is asked again at the next delivery.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


@dataclass
class Progress:
    """How much of a run the store has."""

    offset: int = 0  # in the file of events
    writer: str | None = None  # the process of the job (`lease.Writer`), from the job's start to its end
    run_id: str | None = None
    model_id: str | None = None  # of the network that the run made
    facts: str = ""  # digest of the facts that follow from other runs
    files_owed: bool = False  # the files could not be stored

    @property
    def killed(self) -> bool:
        """Whether the job has begun and not ended, and its process is dead; on another host it is taken for alive."""
        return self.writer is not None and Writer.named(self.writer).is_dead


@dataclass
class Sent:
    """What a sender has sent."""

    runs: set[str] = field(default_factory=set)  # keys
    models: set[str] = field(default_factory=set)
    files: int = 0

    def __str__(self) -> str:
        runs, models = counted(len(self.runs), "run"), counted(len(self.models), "model")
        return f"{runs}, {models} and {counted(self.files, 'file')}"


class Sender:
    """Delivers the runs of the working directory to one store.

    Attributes:
        place: the store's address without a password.
        sent: what this sender has sent.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.spool = Spool()
        self.database = self.spool.root / "mlflow.db"
        local = f"sqlite:///{self.database.resolve()}"
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or local
        self.place = without_secrets(self.uri)
        self.local = self.uri == local
        if self.local and "?" in local:
            raise UserError(
                f"{self.database.resolve()}: MLflow opens no file whose path holds a `?`; rename the folder"
            )
        self.sent = Sent()
        self._progress_folder = self.spool.root / "sent" / ("local" if self.local else key_of(self.place))
        self._progress: dict[str, Progress] = {}
        self._lineage = Lineage(self.spool)
        self._client: Any = None
        self._experiment = ""
        self._problems: set[str] = set()
        self._without_files: set[str] = set()  # keys of the runs whose files this sender could not store
        self._store_failures = 0  # runs in a row whose files could not be stored

    def deliver_all(self, *, facts: bool = True) -> int:
        """Deliver what is new; return how many runs the store did not take, or not with their files.

        Args:
            facts: also send what other runs told, since the last time, about runs that are delivered.
        """
        if facts:  # the last delivery of a workflow tries the files again that could not be stored before
            self._without_files.clear()
            self._store_failures = 0
        pending = self.pending(facts=facts)
        if not pending:
            return 0
        with lock(self.spool.root / "sender.lock"):
            waiting = self._deliver_each(pending)
            # A run that was delivered first learns what was created after it, such as the id of its network.
            waiting = waiting or (self._deliver_each(self.pending()) if facts else 0)
            return waiting + len(self._without_files)

    def _deliver_each(self, pending: Sequence[str]) -> int:
        """Deliver these runs, until the store is taken for unreachable; return how many it did not take."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        delivered = failures = 0
        for key in pending:
            try:
                self._connect()
                self._deliver(key)
                delivered, failures = delivered + 1, 0
            except Exception as error:
                # Where the disk is full, SQLAlchemy's errors come through MLflow as they are.
                if not isinstance(error, MlflowException | OSError) and one_line(error) is None:
                    raise
                failures += 1
                self._tell(f"run {key} stays on disk", error)
            if self._client is None or failures == FAILURES:
                break
        return len(pending) - delivered

    def _tell(self, what: str, error: Exception) -> None:
        """Print a problem, each reason once."""
        reason = without_secrets(str(error) or type(error).__name__).strip().partition("\n")[0][:400]
        if reason not in self._problems:
            print(f"sender: {self.place}: {what}: {reason}", file=sys.stderr, flush=True)
        self._problems.add(reason)

    def pending(self, *, facts: bool = True) -> list[str]:
        """Keys of the runs with something to deliver or whose job was killed: pages first, then from old to new.

        The address of a page and the id of a network are then known to the runs that are delivered after it.
        """
        if self.local and not self.database.exists():  # a deleted store is filled again
            self._progress, self._client = {}, None
            shutil.rmtree(self._progress_folder, ignore_errors=True)
        self._lineage.refresh()
        pending = []
        for key, size in self._lineage.sizes.items():
            progress = self._progress_of(key)
            owed = progress.files_owed and key not in self._without_files
            if (
                size > progress.offset
                or progress.killed
                or owed
                or (facts and key_of(self._facts(key)) != progress.facts)
            ):
                pending.append(key)
        starts = {key: node.start for key, node in self._lineage.nodes.items()}
        return sorted(pending, key=lambda key: self._rank(starts.get(key, {})))

    @staticmethod
    def _rank(start: Event) -> tuple[bool, float]:
        return not start.get("pages"), start.get("time", 0.0)

    def _facts(self, key: str) -> dict[str, Any]:
        """What is known about a run by other runs."""
        node = self._lineage.nodes.get(key)
        if node is None:
            return {}
        behind = [self._progress_of(network) for network in self._lineage.networks(key)]
        targets = {target: self._lineage.nodes[target].start for target in self._lineage.targets(key)}
        # The first page of a run leads to its others.
        pages = {
            page: self._progress_of(target).run_id for target, start in targets.items() for page in start["pages"][:1]
        }
        return {
            "line": node.line,
            "pages": pages,  # and the run of each
            "cells": {target: start["cell"] for target, start in targets.items() if start["cell"]},
            "parent": behind[0].run_id if len(behind) == 1 else None,
            "models": [progress.model_id for progress in behind if progress.model_id],
            "one_network": len(behind) == 1,
        }

    def _connect(self) -> None:
        if self._client is not None:
            return
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient  # noqa: PLC0415

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        # The sender states in one line what MLflow logs of its database with a traceback.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        artifacts = (self.spool.root / "artifacts").resolve().as_uri() if self.local else None
        if artifacts:
            # The place of MLflow's experiment "Default", which gets no run. MLflow writes it unchanged into an SQL
            # statement, which a path with both kinds of quotes would break. A file URI has no quotes.
            os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = artifacts
        if self.local and not self.database.exists():
            # MLflow creates the tables in many steps, and after a part of them, as on a full disk, it cannot go on.
            with atomic(self.database) as temporary:
                MlflowClient(f"sqlite:///{temporary.resolve()}")
        client = MlflowClient(self.uri)
        name = os.environ.get("TRACKLEARN_EXPERIMENT") or Path.cwd().name
        found = client.get_experiment_by_name(name)
        if found is None:
            self._experiment = client.create_experiment(name, artifact_location=artifacts, tags=KIND)
        else:
            self._experiment = found.experiment_id
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(self._experiment)
            for tag, value in KIND.items():
                if tag not in found.tags:
                    client.set_experiment_tag(self._experiment, tag, value)
        self._client = client

    def address(self, server: str) -> str:
        """Where a server's UI shows the runs, in its view for model training; its own address if it does not answer."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            self._connect()
        except (MlflowException, OSError):
            return server
        return f"{server}/#/experiments/{self._experiment}{MODEL_TRAINING}"

    def _deliver(self, key: str) -> None:
        """Deliver the new events of one run, and record the death of a killed job."""
        from mlflow.entities import ViewType  # noqa: PLC0415

        filter_string = f"tags.key = '{key}'"
        found = self._client.search_runs([self._experiment], filter_string, ViewType.ALL, max_results=1)
        if found and found[0].info.lifecycle_stage == "deleted":  # by a person, in the UI: the run stays deleted
            self._save(key, Progress(self.spool.size(key), facts=key_of(self._facts(key))))
            return
        # Another sender may have delivered events in the meantime, or the store may have been emptied.
        progress = self._load(key) if found else Progress()
        progress.run_id = found[0].info.run_id if found else self._create(key)
        self._deliver_events(key, progress)
        if progress.killed:
            self._deliver_events(key, progress)  # whatever the job wrote before its death, and perhaps its next attempt
        if progress.killed:
            last = self.spool.events_file(key).stat().st_mtime
            tags = {"error": "the process was killed"}
            self.spool.append(key, {"event": "end", "time": last, "status": "KILLED", "tags": tags})
            self._deliver_events(key, progress)
        self.sent.runs.add(key)

    def _create(self, key: str) -> str:
        unknown: Event = {"name": key, "time": time.time()}
        start = next(iter(self.spool.attempts(key)), unknown)
        begin = _milliseconds(start["time"])
        run = self._client.create_run(self._experiment, start_time=begin, run_name=start["name"], tags={"key": key})
        return str(run.info.run_id)

    def _deliver_events(self, key: str, progress: Progress) -> None:
        """Deliver the new events of one run and what other runs tell about it, and note it."""
        events, offset = self.spool.read(key, progress.offset)
        facts = self._facts(key)
        params: dict[str, str] = {}
        tags: dict[str, str] = self._tags(key, facts)
        last_start_or_end: Event = {"event": "none"}
        for event in events:
            tags |= event.get("tags", {})
            if event["event"] in ("start", "end"):
                last_start_or_end = event
                progress.writer = event.get("writer")
            if event["event"] == "start":
                for name, keys in event["inputs"].items():
                    tags["input" if name == "input" else f"input.{name}"] = " ".join(keys)
                # All attempts have the same params, since the params are part of the key.
                params = params or (event["params"] if progress.offset == 0 else {})
        run_id = str(progress.run_id)
        node = self._lineage.nodes.get(key)
        if node and node.is_network and last_start_or_end.get("status") == "FINISHED":
            progress.model_id = self._model(key, run_id, node.start)
        model_id = progress.model_id or self._evaluated_model(key, facts)
        points = [event for event in events if event["event"] == "metrics"]
        if model_id and progress.offset and key_of(facts) != progress.facts:
            # Final figures may have been sent before their model was known.
            points += [event for event in self.spool.read(key)[0] if event.get("final")]
        self._log(run_id, _metrics(points, node.start if node else {}, model_id), params, tags)
        self._log_inputs(run_id, events, facts["models"] if facts else [])
        if last_start_or_end["event"] == "start":
            self._client.update_run(run_id, status="RUNNING")
        if last_start_or_end["event"] == "end":
            end = _milliseconds(last_start_or_end["time"])
            self._client.set_terminated(run_id, last_start_or_end["status"], end_time=end)
        self._store_files(key, progress, events)
        progress.offset, progress.facts = offset, key_of(facts)
        self._save(key, progress)

    def _tags(self, key: str, facts: Mapping[str, Any]) -> dict[str, str]:
        """The facts as tags: each table's cells by name, the runs that made the cells, the parent, the description."""
        if not facts:
            return {}
        by_table: dict[str, list[str]] = {}
        for cell in facts["cells"].values():
            table, _, name = cell.partition("/")
            by_table.setdefault(table, []).append(name)
        # Blanks around each name, so that a query finds no other name that contains it.
        tags = {table: f" {' '.join(dict.fromkeys(names))} " for table, names in by_table.items()}
        if facts["cells"]:
            tags["cells"] = " ".join(facts["cells"])
        if facts["parent"]:
            tags["mlflow.parentRunId"] = facts["parent"]
        runs = f"#/experiments/{self._experiment}/runs"
        pages = [
            (page, f"{runs}/{run}/artifacts/{page}{MODEL_TRAINING}" if run else "")
            for page, run in facts["pages"].items()
        ]
        rule = self._lineage.nodes[key].start["tags"]["rule"]
        return tags | {"mlflow.note.content": description(rule, facts["line"], pages, TAG_LENGTH)}

    def _log_inputs(self, run_id: str, events: Sequence[Event], models: Sequence[str]) -> None:
        """Send the data sets that a run read and the networks that it was made from."""
        from mlflow.entities import Dataset, DatasetInput, LoggedModelInput  # noqa: PLC0415

        found = {
            (one["name"], one["digest"]): DatasetInput(
                Dataset(one["name"], one["digest"], "local", json.dumps({"uri": one["source"]})), tags=[]
            )
            for event in events
            if event["event"] == "start"
            for one in event.get("datasets", [])
        }
        if found or models:
            self._client.log_inputs(run_id, list(found.values()), [LoggedModelInput(model) for model in models])

    def _model(self, key: str, run_id: str, start: Event) -> str:
        """Id of the model of a run that made a network; it is created if it is not there."""
        from mlflow.entities import LoggedModelOutput  # noqa: PLC0415

        found = self._client.search_logged_models([self._experiment], f"tags.key = '{key}'", max_results=1)
        if not found:
            model = self._client.create_logged_model(
                self._experiment,
                re.sub(r"[/:.%\"']", "_", start["network"]),
                run_id,
                tags={"key": key, "model": start["network"]},
                params=dict(list(start["params"].items())[: BATCH["params"]]),
                model_type="network",
            )
        model_id = str(found[0].model_id if found else model.model_id)
        outputs = self._client.get_run(run_id).outputs
        if not outputs or model_id not in {output.model_id for output in outputs.model_outputs}:
            self._client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
        return model_id

    def _evaluated_model(self, key: str, facts: Mapping[str, Any]) -> str | None:
        """Id of the model that the figures of a run are of: a run that made a cell from one network alone."""
        of_one_network = facts and facts["cells"].get(key) and facts["one_network"]
        return next(iter(facts["models"]), None) if of_one_network else None

    def _store_files(self, key: str, progress: Progress, events: Sequence[Event]) -> None:
        """Store the run's files; if that is impossible, say so once, and leave it to a later sender.

        The figures and the status need no file. A client may reach the server and not the store of files. After
        `FAILURES` runs in a row the store of files is left alone, so that no later run waits for it.
        """
        ended = progress.files_owed or any(event["event"] == "end" for event in events)
        new = [event["path"] for event in events if event["event"] == "artifact"]
        artifacts = self.spool.folder(key) / "artifacts"
        model = self.spool.folder(key) / "model"
        if not (ended or new):
            return
        progress.files_owed = True
        if self._store_failures < FAILURES:
            try:
                for path in [] if ended else new:
                    self._client.log_artifact(progress.run_id, str(artifacts / path), str(Path(path).parent))
                if ended and artifacts.is_dir():
                    self._client.log_artifacts(progress.run_id, str(artifacts))
                if ended and progress.model_id and model.is_dir():  # people may delete old weights
                    self._store_network(progress.model_id, model)
                    self.sent.models.add(key)
                progress.files_owed, self._store_failures = False, 0
                self.sent.files += sum(path.is_file() for path in artifacts.rglob("*")) if ended else len(new)
            except Exception as error:  # each kind of store has errors of its own
                if not self._store_failures:
                    self._tell(
                        "figures and status arrive, but files cannot be stored and wait in results/mlflow", error
                    )
                self._store_failures += 1
        if progress.files_owed:
            self._without_files.add(key)
        else:
            self._without_files.discard(key)

    def _store_network(self, model_id: str, folder: Path) -> None:
        """Store weights and MLmodel, on this disk under a further name that takes no space."""
        model = self._client.get_logged_model(model_id)
        for file in folder.glob("[!.]*"):  # a killed job may have left a hidden temporary file
            if self.local:
                with atomic(Path(url2pathname(urlsplit(model.artifact_location).path), file.name)) as temporary:
                    link_or_copy(file, temporary)
            else:
                self._client.log_model_artifact(model_id, str(file))
        self._client.finalize_logged_model(model_id, "READY")

    def _log(self, run_id: str, metrics: Sequence[Any], params: Mapping[str, str], tags: Mapping[str, Any]) -> None:
        """Send metrics, params and tags, in as few requests as MLflow takes."""
        from mlflow.entities import Param, RunTag  # noqa: PLC0415

        entities: dict[str, Sequence[Any]] = {
            "params": [Param(_name(name), value) for name, value in params.items()],
            "tags": [RunTag(_name(name), str(value)[:TAG_LENGTH]) for name, value in tags.items()],
            "metrics": metrics,
        }
        for batch in range(max(-(-len(listed) // BATCH[kind]) for kind, listed in entities.items())):
            part = {kind: listed[batch * BATCH[kind] : (batch + 1) * BATCH[kind]] for kind, listed in entities.items()}
            self._client.log_batch(run_id, **part)

    def _progress_of(self, key: str) -> Progress:
        return self._progress.get(key) or self._load(key)

    def _load(self, key: str) -> Progress:
        """The progress on disk; what another version wrote counts as nothing delivered."""
        try:
            stored = json.loads((self._progress_folder / f"{key}.json").read_text())
            self._progress[key] = Progress(**stored)
            if type(self._progress[key].offset) is not int or self._progress[key].offset < 0:
                raise ValueError("no offset")
            if not is_none_or_writer(self._progress[key].writer):
                raise ValueError("no writer")
        except (FileNotFoundError, TypeError, ValueError):  # TypeError: unknown keys; ValueError: damaged
            self._progress[key] = Progress()
        return self._progress[key]

    def _save(self, key: str, progress: Progress) -> None:
        with atomic(self._progress_folder / f"{key}.json") as path:
            path.write_text(json.dumps(asdict(progress)))
        self._progress[key] = progress


def follow(pipe: Any, sender: Sender | None = None, *, interval: float = INTERVAL) -> int:
    """Deliver until the other end of `pipe` is closed, and all that is left then; return what `deliver_all` returns."""
    sender = sender or Sender()
    while not select.select([pipe], [], [], interval)[0]:
        sender.deliver_all(facts=False)
    return sender.deliver_all()


def open_ui(port: int) -> None:
    """Deliver all runs, then replace this process by MLflow's UI on 127.0.0.1."""
    sender = Sender()
    sender.deliver_all()
    if sender.uri.startswith("http"):
        print(f"The runs are on {sender.address(sender.place.rstrip('/'))}")
        return
    if sender.local and not sender.database.exists():
        raise UserError(f"{sender.spool.root}: no runs here; run the workflow first")
    port = free_port(port)
    print(f"The runs are on {sender.address(f'http://127.0.0.1:{port}')} (Ctrl-C ends it)", flush=True)
    # Not on the command line, which everybody on this machine can read.
    os.environ.update(ENVIRONMENT, MLFLOW_BACKEND_STORE_URI=sender.uri)
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1"]
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
        with suppress(OSError):  # a full disk keeps nobody from sending to a store elsewhere
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield


def _metrics(points: Sequence[Event], start: Event, model_id: str | None) -> list[Any]:
    """Points of curves and final figures as MLflow's metrics.

    Args:
        points: events of kind `metrics`.
        start: the event `start` of the run. The final figures of a run that made a cell have its table in their name,
            so that the accuracy of scenes is not the accuracy of a training.
        model_id: the model that the final figures are of, if they are of one.
    """
    from mlflow.entities import Metric  # noqa: PLC0415

    of_model: dict[str, Any] = {"model_id": model_id} | _data(start) if model_id else {}
    metrics = []
    for event in points:
        prefix, link = (_table(start), of_model) if event.get("final") else ("", {})
        for name, value in event["values"].items():
            linked = {} if name in NO_MEASUREMENT else link
            time_and_step = _milliseconds(event["time"]), event["step"]
            metrics.append(Metric(_name(f"{prefix}{name}"), value, *time_and_step, **linked))
    return metrics


def _table(start: Event) -> str:
    """`table1.` or `section6.scenes.` of a run that made a cell of it, `{table}/{protocol}/{row}` with the part before
    the row; "" of another run.
    """
    table, _protocol, *part, _row = (start.get("cell") or "//").split("/")
    return "".join(f"{name}." for name in [table, *part] if name)


def _data(start: Event) -> dict[str, str]:
    """The first data set of a run, on which its figures were computed, as MLflow names it beside a figure."""
    first = next(iter(start.get("datasets", [])), None)
    return {"dataset_name": first["name"], "dataset_digest": first["digest"]} if first else {}


def _name(name: str) -> str:
    """A name in the characters that MLflow allows."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:250]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 1 if runs or their files were not delivered, 2 after an error of one line."""
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
            sender = Sender()
            waiting = sender.deliver_all()
            print(f"sender: sent {sender.sent} to {sender.place}", file=sys.stderr)
    except UserError as error:
        print(f"sender: {error}", file=sys.stderr)
        return 2
    except Exception as error:  # a traceback may hold the address of the store, with its password
        print(
            without_secrets(f"sender: {line}" if (line := one_line(error)) else traceback.format_exc()),
            file=sys.stderr,
        )
        return 2
    if waiting:
        print(
            f"sender: {counted(waiting, 'run')} not wholly delivered; the rest waits in results/mlflow, and `send` "
            "delivers it later",
            file=sys.stderr,
        )
    return 1 if waiting else 0


if __name__ == "__main__":
    sys.exit(main())
