"""Recorded jobs of a small experiment, and what a store holds of them."""

import json
from pathlib import Path

import pytest

from tracklearn.runs import recorded
from tracklearn.runs.sender import Sender
from tracklearn.runs.spool import Spool


def events_of(run, kind: str) -> list[dict]:
    """The events of a run on disk, without a store."""
    return [event for event in Spool().read(run.key)[0] if event["event"] == kind]


def runs(uri: str | None = None) -> list:
    """All runs of the store, oldest first."""
    from mlflow import MlflowClient  # noqa: PLC0415

    client = MlflowClient(uri or f"sqlite:///{Path('results/mlflow/mlflow.db').resolve()}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(experiments, order_by=["attributes.start_time"], max_results=1000)


def curve(run, name: str, uri: str | None = None) -> list[tuple[int, float]]:
    from mlflow import MlflowClient  # noqa: PLC0415

    client = MlflowClient(uri or f"sqlite:///{Path('results/mlflow/mlflow.db').resolve()}")
    return sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, name))


def models(uri: str | None = None) -> list:
    """All logged models of the store, oldest first."""
    from mlflow import MlflowClient  # noqa: PLC0415

    client = MlflowClient(uri or f"sqlite:///{Path('results/mlflow/mlflow.db').resolve()}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    order = [{"field_name": "creation_timestamp", "ascending": True}]
    return client.search_logged_models(experiments, order_by=order)


def weights(name: str) -> str:
    return f"results/models/{name}/weights.safetensors"


def train(job, name: str, *, content: bytes = b"weights", **job_facts):
    """A training that writes these bytes as weights, after the curve loss = 3, 2, and 1 at its end."""
    with recorded(job("models_ranking", output={"weights": weights(name)}, path=name, **job_facts)) as run:
        write(weights(name), content)
        for step in (1, 2):
            run.report(step, {"loss": 4.0 - step})
        run.metrics({"loss": 1.0, "lr": 0.01})
    return run


def write(path: str, content: bytes = b"") -> None:
    """Make a file anew, as a job does whose outputs Snakemake has removed."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).unlink(missing_ok=True)
    Path(path).write_bytes(content)


def evaluate(job, row: str, *names: str, mean: float = 50.0):
    """A row's detections, and its cells: a file a class, and the mean."""
    found, folder = f"results/detection/p/{row}.npz", f"results/cells/table1/p/{row}"
    inputs = {"weights": [weights(name) for name in names]}
    with recorded(job("detection_detect", input=inputs, output={"detections": found}, row=row)):
        write(found)
    cells = [f"{folder}/cat.json", f"{folder}/mAP.json"]
    with recorded(job("detection_evaluate", input={"detections": found}, output={"cells": cells}, row=row)) as run:
        for path in cells:
            write(path, json.dumps({"runs": [run.key, *run.lineage([found])]}).encode())
        run.metrics({"mAP": mean})
    return run


def experiment(job) -> None:
    """Two networks, of which one comes from the other and from a shard; a row of each and one of both; a page."""
    with recorded(job("patches_pack", output={"store": "results/patches/00000.h5"}, shard="00000")):
        write("results/patches/00000.h5")
    train(job, "first-1.5M", input={"stores": ["results/patches/00000.h5"]}, params={"patches": None, "lr": 0.1})
    train(job, "second", input={"parent": weights("first-1.5M")}, params={"lr": 0.2})
    evaluate(job, "one", "first-1.5M", mean=40.0)
    evaluate(job, "two", "second", mean=60.0)
    evaluate(job, "both", "first-1.5M", "second", mean=70.0)
    cells = [f"results/cells/table1/p/{row}/mAP.json" for row in ("one", "two", "both")]
    page = "results/tables/p/table1.html"
    with recorded(job("tables_page", input={"cells": cells}, output={"page": page})):
        write(page, b"<html>")


def do(job, **values: float):
    with recorded(job) as run:
        run.metrics(values)
    return run


class Killed(BaseException):
    """What ends a sender in `deliver_until_killed`."""


def deliver_until_killed(monkeypatch, step: str, *, call_number: int = 1, when: str = "after") -> None:
    """Deliver all runs by a sender that is killed before or after this call of a method of the store's client."""

    def deadly(*arguments, **named):
        calls.append(step)
        if len(calls) == call_number and when == "before":
            raise Killed
        result = call(*arguments, **named)
        if len(calls) == call_number:
            raise Killed
        return result

    calls: list[str] = []
    sender = Sender()
    sender.store.connect()
    call = getattr(sender.store.client, step)
    monkeypatch.setattr(sender.store.client, step, deadly)
    with pytest.raises(Killed):
        sender.deliver_all()
