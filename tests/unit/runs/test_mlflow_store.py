"""What MLflow shows of runs: networks, cells, data sets and descriptions, and how they lead to each other."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from recorded_jobs import deliver_until_killed, evaluate, experiment, models, runs, train, weights, write

from tracklearn.runs import recorded
from tracklearn.runs.sender import Sender


def query(filter_string: str) -> list[str]:
    """Names of the runs that a query finds, oldest first."""
    import mlflow  # noqa: PLC0415

    mlflow.set_tracking_uri(f"sqlite:///{Path('results/mlflow/mlflow.db').resolve()}")
    names = [Path.cwd().name]
    found = mlflow.search_runs(experiment_names=names, filter_string=filter_string, order_by=["start_time"])
    return list(found["tags.mlflow.runName"])


def test_one_query_leads_from_a_cell_to_every_run_behind_it(job, store):
    experiment(job)
    assert Sender().deliver_all() == 0
    behind_one = ["patches_pack 00000", "models_ranking first-1.5M", "detection_detect one", "detection_evaluate one"]
    key = json.loads(Path("results/cells/table1/p/one/cat.json").read_text())["runs"][0]
    assert query(f"tags.cells LIKE '%{key}%'") == behind_one
    assert query("tags.table1 LIKE '% p/one %'") == behind_one
    assert query("tags.table1 LIKE '% p/both %'") == [
        "patches_pack 00000", "models_ranking first-1.5M", "models_ranking second", "detection_detect both",
        "detection_evaluate both",
    ]  # fmt: skip


def test_a_network_is_a_logged_model_with_the_figures_of_its_training_and_of_its_row(job, store):
    from mlflow import MlflowClient  # noqa: PLC0415

    experiment(job)
    assert Sender().deliver_all() == 0
    first, second = models()
    assert (first.name, first.tags["model"], first.params["lr"]) == ("first-1_5M", "first-1.5M", "0.1")
    assert first.status == second.status == "READY"
    figures = [{metric.key: metric.value for metric in model.metrics} for model in (first, second)]
    assert figures == [{"loss": 1.0, "table1.mAP": 40.0}, {"loss": 1.0, "table1.mAP": 60.0}]
    client = MlflowClient(f"sqlite:///{store.resolve()}")
    assert {metric.dataset_name for metric in first.metrics} == {"all patches of 1 shard", None}
    by_map = [{"field_name": "metrics.table1.mAP", "ascending": False}]
    found = client.search_logged_models([first.experiment_id], order_by=by_map)
    assert [model.name for model in found] == ["second", "first-1_5M"]
    trained, row = (
        client.get_run(run.info.run_id)
        for run in runs()
        if run.info.run_name in ("models_ranking second", "detection_evaluate two")
    )
    assert [output.model_id for output in trained.outputs.model_outputs] == [second.model_id]
    assert [one.model_id for one in trained.inputs.model_inputs] == [first.model_id]
    assert [one.model_id for one in row.inputs.model_inputs] == [second.model_id]
    assert (set(trained.data.metrics), row.data.metrics) == ({"loss", "lr"}, {"table1.mAP": 60.0})
    assert row.data.tags["mlflow.parentRunId"] == trained.info.run_id
    stored = Path("results/mlflow/artifacts/models") / first.model_id / "artifacts/weights.safetensors"
    assert stored.samefile(weights("first-1.5M"))  # no second copy on this disk


def test_figures_of_one_name_from_several_tables_stay_apart(job, store):
    train(job, "net")
    folder = "results/cells/section6/p"
    for part, figures in (("detection", {"mAP": 20.0}), ("scenes", {"accuracy": 0.5})):
        cell = f"{folder}/{part}/net.json"
        with recorded(job(part, input={"weights": weights("net")}, output={"cell": cell})) as run:
            write(cell)
            run.metrics(figures)
    evaluate(job, "net", "net", mean=40.0)
    assert Sender().deliver_all() == 0
    (model,) = models()
    assert {metric.key: metric.value for metric in model.metrics} == {
        "loss": 1.0, "section6.detection.mAP": 20.0, "section6.scenes.accuracy": 0.5, "table1.mAP": 40.0,
    }  # fmt: skip


def test_data_sets_arrive_with_digest_and_source(job, store):
    experiment(job)
    Sender().deliver_all()
    (found,) = [run for run in runs() if run.info.run_name == "models_ranking first-1.5M"]
    (one,) = found.inputs.dataset_inputs
    assert (one.dataset.name, len(one.dataset.digest)) == ("all patches of 1 shard", 20)
    assert json.loads(one.dataset.source) == {"uri": "results/patches/00000.h5"}


def test_a_description_links_the_page_once_it_is_there(job, store):
    train(job, "net")
    evaluate(job, "row", "net")
    sender = Sender()
    assert sender.deliver_all() == 0
    assert "Pages" not in runs()[0].data.tags["mlflow.note.content"]
    cells = ["results/cells/table1/p/row/mAP.json"]
    output = {"page": "results/t.html", "class_pages": ["results/t/cat.html"]}
    with recorded(job("tables_page", input={"cells": cells}, output=output)):
        write("results/t.html", b"<html>")
    assert len(sender.pending(facts=False)) == 1  # while the workflow runs: its own events
    assert len(sender.pending()) == 4
    assert sender.deliver_all() == 0
    assert sender.pending() == []
    *behind, page = runs()
    link = f"[results/t.html](#/experiments/1/runs/{page.info.run_id}/artifacts/results/t.html?workflowType="
    for run in behind:
        stage, line, pages = run.data.tags["mlflow.note.content"].split("\n\n")
        assert stage.endswith(".") and line.startswith("done in ") and link in pages
        assert "cat.html" not in pages  # the first page leads there
    assert len(behind) == 3


def test_a_logged_model_is_loaded_by_mlflow(job, store):
    import mlflow  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    from tracklearn import load  # noqa: PLC0415
    from tracklearn.networks.initial import random_network  # noqa: PLC0415

    network = {"width": 0.125, "input_size": 99, "mean_bgr": [100.0, 110.0, 120.0], "conv_std": 0.04, "bias": 0.5}
    with recorded(job("models_random", output={"weights": weights("net")}, path="net")):
        random_network(network=network, seed=1, weights=weights("net"), conv1="results/models/net/conv1.png")
    Sender().deliver_all()
    mlflow.set_tracking_uri(f"sqlite:///{store.resolve()}")
    loaded = mlflow.pyfunc.load_model(f"models:/{models()[0].model_id}")
    images = np.random.default_rng(0).integers(0, 256, (2, 50, 60, 3), dtype=np.uint8)
    net, prepare = load(weights("net"))
    for params, layer in ((None, "pool5"), ({"layer": "fc7"}, "fc7")):
        assert np.array_equal(loaded.predict(images, params=params), net(prepare(images), layer).detach())


@pytest.mark.parametrize(
    ("step", "call_number"),
    [
        ("log_inputs", 1),
        ("create_logged_model", 1),
        ("log_outputs", 2),
        ("log_batch", 4),
        ("finalize_logged_model", 1),
        ("set_terminated", 2),
    ],
)
def test_a_sender_killed_at_any_step_doubles_no_model_data_set_or_link(job, store, monkeypatch, step, call_number):
    experiment(job)
    deliver_until_killed(monkeypatch, step, call_number=call_number)
    assert Sender().deliver_all() == 0
    assert len(runs()) == 10 and len(models()) == 2
    with closing(sqlite3.connect(store)) as database:
        links = database.execute("select source_type, count(*) from inputs group by 1 order by 1").fetchall()
        points = database.execute("select count(*) from logged_model_metrics").fetchone()
        curves = database.execute("select count(*) from metrics").fetchone()
    assert links == [("DATASET", 1), ("RUN_INPUT", 11), ("RUN_OUTPUT", 2)]
    assert (points, curves) == ((4,), (11,))
