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
import os
import select
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError, one_line, without_secrets
from tracklearn.runs.delivered import Delivered, Progress
from tracklearn.runs.description import description
from tracklearn.runs.lineage import Lineage
from tracklearn.runs.mlflow_store import ENVIRONMENT, TAG_LENGTH, Store, metrics_of
from tracklearn.runs.output import counted
from tracklearn.runs.spool import Event, Spool, key_of

INTERVAL = 10.0  # seconds between two deliveries
FAILURES = 3  # runs that fail one after the other before the store, or its store of files, is taken for unreachable


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
        store: the store.
        sent: what this sender has sent.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.spool = Spool()
        self.store = Store(uri, self.spool.root)
        self.sent = Sent()
        self._delivered = Delivered(self.spool.root / "sent" / self.store.name)
        self._lineage = Lineage(self.spool)
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
        delivered = failures = 0
        for key in pending:
            try:
                self.store.connect()
                self._deliver(key)
                delivered, failures = delivered + 1, 0
            except Exception as error:
                if not self.store.is_refusal(error):
                    raise
                failures += 1
                self._tell(f"run {key} stays on disk", error)
            if self.store.client is None or failures == FAILURES:
                break
        return len(pending) - delivered

    def _tell(self, what: str, error: Exception) -> None:
        """Print a problem, each reason once."""
        reason = without_secrets(str(error) or type(error).__name__).strip().partition("\n")[0][:400]
        if reason not in self._problems:
            print(f"sender: {self.store.place}: {what}: {reason}", file=sys.stderr, flush=True)
        self._problems.add(reason)

    def pending(self, *, facts: bool = True) -> list[str]:
        """Keys of the runs with something to deliver or whose job was killed: pages first, then from old to new.

        The address of a page and the id of a network are then known to the runs that are delivered after it.
        """
        if self.store.is_lost:  # a deleted store is filled again
            self._delivered.forget()
        self._lineage.refresh()
        pending = []
        for key, size in self._lineage.sizes.items():
            progress = self._delivered.of(key)
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
        behind = [self._delivered.of(network) for network in self._lineage.networks(key)]
        targets = {target: self._lineage.nodes[target].start for target in self._lineage.targets(key)}
        # The first page of a run leads to its others.
        pages = {
            page: self._delivered.of(target).run_id for target, start in targets.items() for page in start["pages"][:1]
        }
        return {
            "line": node.line,
            "pages": pages,  # and the run of each
            "cells": {target: start["cell"] for target, start in targets.items() if start["cell"]},
            "parent": behind[0].run_id if len(behind) == 1 else None,
            "models": [progress.model_id for progress in behind if progress.model_id],
            "one_network": len(behind) == 1,
        }

    def _deliver(self, key: str) -> None:
        """Deliver the new events of one run, and record the death of a killed job."""
        run_id, deleted = self.store.find(key)
        if deleted:  # by a person, in the UI: the run stays deleted
            self._delivered.note(key, Progress(self.spool.size(key), facts=key_of(self._facts(key))))
            return
        # Another sender may have delivered events in the meantime, or the store may have been emptied.
        progress = self._delivered.read(key) if run_id else Progress()
        progress.run_id = run_id or self._create(key)
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
        return self.store.create(key, start["name"], start["time"])

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
            progress.model_id = self.store.model(key, run_id, node.start)
        model_id = progress.model_id or self._evaluated_model(key, facts)
        points = [event for event in events if event["event"] == "metrics"]
        if model_id and progress.offset and key_of(facts) != progress.facts:
            # Final figures may have been sent before their model was known.
            points += [event for event in self.spool.read(key)[0] if event.get("final")]
        self.store.log(run_id, metrics_of(points, node.start if node else {}, model_id), params, tags)
        self.store.log_inputs(run_id, events, facts["models"] if facts else [])
        self.store.log_start_or_end(run_id, last_start_or_end)
        self._store_files(key, progress, events)
        progress.offset, progress.facts = offset, key_of(facts)
        self._delivered.note(key, progress)

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
        pages = [(page, self.store.address_of_file(run, page) if run else "") for page, run in facts["pages"].items()]
        rule = self._lineage.nodes[key].start["tags"]["rule"]
        return tags | {"mlflow.note.content": description(rule, facts["line"], pages, TAG_LENGTH)}

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
        run_id, artifacts = str(progress.run_id), self.spool.folder(key) / "artifacts"
        model = self.spool.folder(key) / "model"
        if not (ended or new):
            return
        progress.files_owed = True
        if self._store_failures < FAILURES:
            try:
                for path in [] if ended else new:
                    self.store.keep_file(run_id, artifacts, path)
                if ended and artifacts.is_dir():
                    self.store.keep_files(run_id, artifacts)
                if ended and progress.model_id and model.is_dir():  # people may delete old weights
                    self.store.keep_network(progress.model_id, model)
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
    store = sender.store
    if store.uri.startswith("http"):
        print(f"The runs are on {store.address(store.place.rstrip('/'))}")
        return
    if store.is_lost:
        raise UserError(f"{sender.spool.root}: no runs here; run the workflow first")
    port = free_port(port)
    print(f"The runs are on {store.address(f'http://127.0.0.1:{port}')} (Ctrl-C ends it)", flush=True)
    # Not on the command line, which everybody on this machine can read.
    os.environ.update(ENVIRONMENT, MLFLOW_BACKEND_STORE_URI=store.uri)
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
            print(f"sender: sent {sender.sent} to {sender.store.place}", file=sys.stderr)
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
