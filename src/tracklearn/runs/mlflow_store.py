"""A store of runs in MLflow, as the sender fills it: one experiment, whose runs and networks are found by their keys.

Nothing else in this package imports MLflow, whose import takes seconds.
"""

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tracklearn.errors import UserError, one_line, without_secrets
from tracklearn.files import atomic
from tracklearn.report import NO_MEASUREMENT
from tracklearn.runs.spool import ROOT, Event, key_of, link_or_copy

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


class Store:
    """The experiment that runs of one folder are sent to; runs and networks have MLflow's ids.

    Args:
        uri: address of the store; by default `MLFLOW_TRACKING_URI`, or an SQLite file beside the runs.
        root: folder of the runs.

    Attributes:
        uri: its address.
        place: its address without a password.
        database: the SQLite file beside the runs.
        local: whether that file is the store.
        client: of MLflow, once `connect` was called.
        experiment: id of the experiment, once `connect` was called.

    Raises:
        UserError: MLflow cannot open a file in this folder.
    """

    def __init__(self, uri: str | None = None, root: Path = ROOT) -> None:
        self.database = root / "mlflow.db"
        local = f"sqlite:///{self.database.resolve()}"
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or local
        self.place = without_secrets(self.uri)
        self.local = self.uri == local
        if self.local and "?" in local:
            raise UserError(
                f"{self.database.resolve()}: MLflow opens no file whose path holds a `?`; rename the folder"
            )
        self.client: Any = None
        self.experiment = ""
        self._root = root

    @property
    def name(self) -> str:
        """A name for files about this store."""
        return "local" if self.local else key_of(self.place)

    @property
    def is_lost(self) -> bool:
        """Whether the store was never made here, or has been deleted."""
        return self.local and not self.database.exists()

    def connect(self) -> None:
        """Open the store and the experiment, and create what is missing; does nothing if they are open.

        Raises:
            MlflowException, OSError and errors of databases: the store cannot be reached, or its disk is full.
        """
        if self.client is not None and not self.is_lost:
            return
        self.client = None
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient  # noqa: PLC0415

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        # The sender states in one line what MLflow logs of its database with a traceback.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        artifacts = (self._root / "artifacts").resolve().as_uri() if self.local else None
        if artifacts:
            # The place of MLflow's experiment "Default", which gets no run. MLflow writes it unchanged into an SQL
            # statement, which a path with both kinds of quotes would break. A file URI has no quotes.
            os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = artifacts
        if self.is_lost:
            # MLflow creates the tables in many steps, and after a part of them, as on a full disk, it cannot go on.
            with atomic(self.database) as temporary:
                MlflowClient(f"sqlite:///{temporary.resolve()}")
        client = MlflowClient(self.uri)
        name = os.environ.get("TRACKLEARN_EXPERIMENT") or Path.cwd().name
        found = client.get_experiment_by_name(name)
        if found is None:
            self.experiment = client.create_experiment(name, artifact_location=artifacts, tags=KIND)
        else:
            self.experiment = found.experiment_id
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(self.experiment)
            for tag, value in KIND.items():
                if tag not in found.tags:
                    client.set_experiment_tag(self.experiment, tag, value)
        self.client = client

    def is_refusal(self, error: Exception) -> bool:
        """Whether an error says that the store cannot be reached or takes nothing, and is no fault of the program."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        # Where the disk is full, SQLAlchemy's errors come through MLflow as they are.
        return isinstance(error, MlflowException | OSError) or one_line(error) is not None

    def address(self, server: str) -> str:
        """Where a server's UI shows the runs, in its view for model training; its own address if it does not answer."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            self.connect()
        except (MlflowException, OSError):
            return server
        return f"{server}/#/experiments/{self.experiment}{MODEL_TRAINING}"

    def address_of_file(self, run_id: str, path: str) -> str:
        """Where the UI shows a file of a run, as seen from any of its pages."""
        return f"#/experiments/{self.experiment}/runs/{run_id}/artifacts/{path}{MODEL_TRAINING}"

    def find(self, key: str) -> tuple[str | None, bool]:
        """Id of a run, None if there is none, and whether a person deleted it in the UI."""
        from mlflow.entities import ViewType  # noqa: PLC0415

        found = self.client.search_runs([self.experiment], f"tags.key = '{key}'", ViewType.ALL, max_results=1)
        return (found[0].info.run_id, found[0].info.lifecycle_stage == "deleted") if found else (None, False)

    def create(self, key: str, name: str, begin: float) -> str:
        """Create a run that began at a time in seconds; return its id."""
        tags = {"key": key}
        run = self.client.create_run(self.experiment, start_time=_milliseconds(begin), run_name=name, tags=tags)
        return str(run.info.run_id)

    def log(self, run_id: str, metrics: Sequence[Any], params: Mapping[str, str], tags: Mapping[str, Any]) -> None:
        """Send metrics, params and tags of a run, in as few requests as MLflow takes."""
        from mlflow.entities import Param, RunTag  # noqa: PLC0415

        entities: dict[str, Sequence[Any]] = {
            "params": [Param(_name(name), value) for name, value in params.items()],
            "tags": [RunTag(_name(name), str(value)[:TAG_LENGTH]) for name, value in tags.items()],
            "metrics": metrics,
        }
        for batch in range(max(-(-len(listed) // BATCH[kind]) for kind, listed in entities.items())):
            part = {kind: listed[batch * BATCH[kind] : (batch + 1) * BATCH[kind]] for kind, listed in entities.items()}
            self.client.log_batch(run_id, **part)

    def log_inputs(self, run_id: str, events: Sequence[Event], models: Sequence[str]) -> None:
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
            self.client.log_inputs(run_id, list(found.values()), [LoggedModelInput(model) for model in models])

    def log_start_or_end(self, run_id: str, event: Event) -> None:
        """Send the status of a run by the last event of these kinds; other events say nothing about it."""
        if event["event"] == "start":
            self.client.update_run(run_id, status="RUNNING")
        if event["event"] == "end":
            self.client.set_terminated(run_id, event["status"], end_time=_milliseconds(event["time"]))

    def model(self, key: str, run_id: str, start: Event) -> str:
        """Id of the network that a run made; it is created if it is not there."""
        from mlflow.entities import LoggedModelOutput  # noqa: PLC0415

        found = self.client.search_logged_models([self.experiment], f"tags.key = '{key}'", max_results=1)
        if not found:
            model = self.client.create_logged_model(
                self.experiment,
                re.sub(r"[/:.%\"']", "_", start["network"]),
                run_id,
                tags={"key": key, "model": start["network"]},
                params=dict(list(start["params"].items())[: BATCH["params"]]),
                model_type="network",
            )
        model_id = str(found[0].model_id if found else model.model_id)
        outputs = self.client.get_run(run_id).outputs
        if not outputs or model_id not in {output.model_id for output in outputs.model_outputs}:
            self.client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
        return model_id

    def keep_file(self, run_id: str, folder: Path, path: str) -> None:
        """Store one file of a run, under its path in the run's folder of files."""
        self.client.log_artifact(run_id, str(folder / path), str(Path(path).parent))

    def keep_files(self, run_id: str, folder: Path) -> None:
        """Store all files of a run."""
        self.client.log_artifacts(run_id, str(folder))

    def keep_network(self, model_id: str, folder: Path) -> None:
        """Store weights and MLmodel, on this disk under a further name that takes no space."""
        model = self.client.get_logged_model(model_id)
        for file in folder.glob("[!.]*"):  # a killed job may have left a hidden temporary file
            if self.local:
                with atomic(Path(url2pathname(urlsplit(model.artifact_location).path), file.name)) as temporary:
                    link_or_copy(file, temporary)
            else:
                self.client.log_model_artifact(model_id, str(file))
        self.client.finalize_logged_model(model_id, "READY")


def metrics_of(points: Sequence[Event], start: Event, model_id: str | None) -> list[Any]:
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
