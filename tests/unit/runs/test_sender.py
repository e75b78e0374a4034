"""From runs on disk to MLflow, with a real store: nothing lost, nothing twice."""

import errno
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from tracklearn.errors import UserError
from tracklearn.machine.lease import Writer
from tracklearn.runs import recorded
from tracklearn.runs.sender import Sender, follow, free_port, lock, main
from tracklearn.runs.spool import Spool

POINTS = 1500

WRITER = """
import sys
from types import SimpleNamespace as N
class L(list):
    def items(self): return []
from tracklearn.runs import recorded
for number in sys.argv[1:]:
    job = N(rule="train", wildcards=L([number]), input=L(), output=L(), params=L(), log=L(), threads=1)
    with recorded(job) as run:
        for step in range(20):
            run.report(step, {"loss": float(number)})
        run.metrics({"pairs": int(number)})
"""


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory) -> bytes:
    """A store with its schema and nothing in it: making one costs seconds."""
    from mlflow import MlflowClient  # noqa: PLC0415

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}")
    return path.read_bytes()


@pytest.fixture
def store(job, empty_store) -> Path:
    """The store of the working directory, warm."""
    path = Path("results/mlflow/mlflow.db")
    path.parent.mkdir(parents=True)
    path.write_bytes(empty_store)
    return path


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


def test_32_writers_on_a_cold_store_lose_nothing(job):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(number)]) for number in range(32)]
    assert [writer.wait() for writer in writers] == [0] * 32
    assert main(["send"]) == 0
    delivered = runs()
    assert sorted(run.data.metrics["pairs"] for run in delivered) == list(range(32))
    assert {run.info.status for run in delivered} == {"FINISHED"}
    for run in delivered:
        assert curve(run, "loss") == [(step, run.data.metrics["pairs"]) for step in range(20)]


def test_the_folder_s_name_may_hold_any_character_but_one(job, monkeypatch, capsys):
    folder = Path("my 'own' \"photos\" #1 100%20 $HOME é: 日").absolute()
    folder.mkdir()
    monkeypatch.chdir(folder)
    with recorded(job("pack", output={"sheet": "sheet.png"})):
        Path("sheet.png").write_text("picture")
    assert main(["send"]) == 0
    (run,) = runs()
    place = url2pathname(urlsplit(run.info.artifact_uri).path)
    assert Path(place, "sheet.png").read_text() == "picture"
    assert Path(place).is_relative_to(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["logs", "results", "sheet.png"]
    folder.with_name("what?").mkdir()
    monkeypatch.chdir(folder.with_name("what?"))
    assert main(["send"]) == 2
    assert "MLflow opens no file whose path holds a `?`; rename the folder\n" in capsys.readouterr().err


def test_a_delivered_run_holds_all_that_was_recorded(job, store, monkeypatch):
    monkeypatch.setenv("TRACKLEARN_EXPERIMENT", "table 1")
    outputs = {"store": "a.h5", "sheet": "results/sheet.png"}
    with recorded(job("pack", shard="00003", params={"box": {"size": 227}, "code": "abc"}, output=outputs)) as pack:
        Path("a.h5").write_text("")
        Path("results/sheet.png").write_text("picture")
        pack.metrics({"pairs": 7, "surf detector!": "mahotas"})
    do(job("train", input={"stores": ["a.h5"], "sheet": "results/sheet.png"}, model="m"), loss=0.5)
    assert Sender().deliver_all() == 0
    first, second = runs()
    assert first.info.run_name == "pack 00003"
    assert first.data.params == {"box.size": "227"}
    assert first.data.metrics == {"pairs": 7}
    assert first.data.tags | {
        "key": pack.key, "rule": "pack", "wildcard.shard": "00003", "code": "abc", "surf detector_": "mahotas",
        "attempts": "1", "threads": "1", "host": socket.gethostname(),
    } == first.data.tags  # fmt: skip
    assert second.data.tags["input.stores"] == pack.key == second.data.tags["input.sheet"]
    assert first.data.tags["version.torch"] == metadata.version("torch")
    artifacts = Path("results/mlflow/artifacts") / first.info.run_id / "artifacts"
    assert (artifacts / "results/sheet.png").read_text() == "picture"
    assert "7 pairs" in (artifacts / "logs/pack.log").read_text()
    assert 0 <= first.info.end_time - first.info.start_time < 60_000
    with closing(sqlite3.connect(store)) as database:
        assert ("mlflow.experimentKind", "custom_model_development") in database.execute(
            "select key, value from experiment_tags"
        ).fetchall()


def test_a_picture_beside_a_checkpoint_arrives_while_the_job_runs(job, store):
    sender = Sender()
    with recorded(job("train", model="m")) as run:
        run.checkpoints.mkdir(parents=True)
        (run.checkpoints / "conv1-0000020.png").write_text("filters")
        run.report(20, {"loss": 1.0})
        assert sender.deliver_all() == 0
        (found,) = runs()
        assert (found.info.status, found.data.metrics) == ("RUNNING", {"loss": 1.0})
        artifacts = Path("results/mlflow/artifacts") / found.info.run_id / "artifacts"
        assert (artifacts / "checkpoints/conv1-0000020.png").read_text() == "filters"


def test_failed_runs_show_with_their_reason(job, store):
    with pytest.raises(SystemExit), recorded(job("fetch")):
        raise UserError("voc.root is x")
    Sender().deliver_all()
    (run,) = runs()
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", "voc.root is x")


def test_a_resumed_job_continues_its_run_in_the_store(job, store):
    sender = Sender()
    with pytest.raises(SystemExit), recorded(job("train")) as run:
        run.report(10, {"loss": 3.0})
        sender.deliver_all()
        assert [found.info.status for found in runs()] == ["RUNNING"]
        run.report(20, {"loss": 2.0})
        raise KeyboardInterrupt
    sender.deliver_all()
    assert [found.info.status for found in runs()] == ["KILLED"]
    with recorded(job("train")) as run:
        run.report(20, {"loss": 2.0})
        Sender().deliver_all()  # as another process would: it knows of the first one by what is on disk
        assert [found.info.status for found in runs()] == ["RUNNING"]
        run.report(30, {"loss": 1.0})
    sender.deliver_all()
    (found,) = runs()
    assert (found.info.status, found.data.tags["attempts"]) == ("FINISHED", "2")
    assert curve(found, "loss") == [(10, 3.0), (20, 2.0), (30, 1.0)]


def test_a_job_killed_without_a_word_shows_as_killed(job, store):
    code = WRITER.replace("run.metrics", "import os, signal; os.kill(os.getpid(), signal.SIGKILL); run.metrics")
    assert subprocess.run([sys.executable, "-c", code, "1"], check=False).returncode == -signal.SIGKILL
    assert Sender().deliver_all() == 0
    (run,) = runs()
    assert (run.info.status, run.data.tags["error"]) == ("KILLED", "the process was killed")
    assert len(curve(run, "loss")) == 20


def test_a_line_torn_by_a_kill_hides_neither_the_death_nor_what_follows(job, store):
    code = WRITER.replace("run.metrics", "import os, signal; os.kill(os.getpid(), signal.SIGKILL); run.metrics")
    subprocess.run([sys.executable, "-c", code, "1"], check=False)
    (key,) = Spool().keys()
    with open(Spool().events_file(key), "a") as file:
        file.write('{"event": "metrics", "st')
    sender = Sender()
    assert sender.deliver_all() == 0
    assert [run.info.status for run in runs()] == ["KILLED"]
    assert sender.pending() == []
    subprocess.run([sys.executable, "-c", WRITER, "1"], check=True)
    assert sender.deliver_all() == 0
    (run,) = runs()
    assert (run.info.status, run.data.tags["attempts"], run.data.metrics["pairs"]) == ("FINISHED", "2", 1)


def test_a_job_on_another_host_is_believed_to_live(job, store):
    run = do(job("train"), loss=0.5)
    start = Spool().read(run.key)[0][0]
    writer = replace(Writer.named(start["writer"]), place="another kernel", start=1)
    Spool().events_file(run.key).write_text(json.dumps(start | {"writer": writer.name}) + "\n")
    assert Sender().deliver_all() == 0
    assert [found.info.status for found in runs()] == ["RUNNING"]


@pytest.mark.parametrize(("writer", "runs_found"), [(None, 1), ("x", 0), ("host,place,1,x,", 0), (7, 0)])
def test_a_start_whose_writer_is_unknown_or_damaged_stops_no_delivery(job, store, writer, runs_found):
    """A damaged event is left out."""
    run = do(job("train"), loss=0.5)
    start = Spool().read(run.key)[0][0]
    Spool().events_file(run.key).write_text(json.dumps(start | {"writer": writer}) + "\n")
    assert len(Spool().read(run.key)[0]) == runs_found
    assert Sender().deliver_all() == 0
    assert Sender().pending() == []
    assert [found.info.status for found in runs()] == ["RUNNING"]
    (progress,) = Path("results/mlflow/sent/local").glob("*.json")
    progress.write_text(json.dumps(json.loads(progress.read_text()) | {"writer": "x"}))
    assert Sender().pending() == [run.key]  # damaged progress counts as nothing delivered


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
    class Killed(BaseException):
        pass

    def deadly(*arguments, **named):
        calls.append(step)
        result = call(*arguments, **named)
        if len(calls) == call_number:
            raise Killed
        return result

    experiment(job)
    calls: list[str] = []
    sender = Sender()
    sender.store.connect()
    call = getattr(sender.store.client, step)
    monkeypatch.setattr(sender.store.client, step, deadly)
    with pytest.raises(Killed):
        sender.deliver_all()
    assert Sender().deliver_all() == 0
    assert len(runs()) == 10 and len(models()) == 2
    with closing(sqlite3.connect(store)) as database:
        links = database.execute("select source_type, count(*) from inputs group by 1 order by 1").fetchall()
        points = database.execute("select count(*) from logged_model_metrics").fetchone()
        curves = database.execute("select count(*) from metrics").fetchone()
    assert links == [("DATASET", 1), ("RUN_INPUT", 11), ("RUN_OUTPUT", 2)]
    assert (points, curves) == ((4,), (11,))


@pytest.mark.parametrize("step", ["create_run", "log_batch", "log_artifacts", "set_terminated"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sender_killed_at_any_step_doubles_nothing(job, store, monkeypatch, step, when):
    class Killed(BaseException):
        pass

    def deadly(*arguments, **named):
        if when == "after":
            call(*arguments, **named)
        raise Killed

    with recorded(job("train", params={"lr": 0.1})) as run:
        for number in range(POINTS):
            run.report(number, {"loss": 1.0 / (1 + number)})
    sender = Sender()
    sender.store.connect()
    call = getattr(sender.store.client, step)
    monkeypatch.setattr(sender.store.client, step, deadly)
    with pytest.raises(Killed):
        sender.deliver_all()
    assert Sender().deliver_all() == 0
    (found,) = runs()
    assert (found.info.status, found.data.params) == ("FINISHED", {"lr": "0.1"})
    assert [point[0] for point in curve(found, "loss")] == list(range(POINTS))


def test_progress_that_another_version_wrote_counts_as_nothing_delivered(job, store):
    with recorded(job("train")) as run:
        run.report(0, {"loss": 0.5})
    Sender().deliver_all()
    for state in Path("results/mlflow/sent/local").glob("*.json"):
        state.write_text('{"offset": 9, "open": null}')
    assert Sender().deliver_all() == 0
    (delivered,) = runs()
    assert len(curve(delivered, "loss")) == 1


def test_a_database_that_was_half_made_is_made_anew(job):
    """By a sender that was killed, or whose disk was full: MLflow cannot go on with a part of its tables."""
    subprocess.run([sys.executable, "-c", WRITER, "7"], check=True)
    sender = subprocess.Popen([sys.executable, "-m", "tracklearn.runs.sender", "send"])
    half = Path("results/mlflow/.mlflow.tmp.db")
    while not half.exists() or half.stat().st_size < 100_000:
        assert sender.poll() is None
        time.sleep(0.01)
    sender.kill()
    sender.wait()
    assert not Path("results/mlflow/mlflow.db").exists()
    assert main(["send"]) == 0
    assert [run.data.metrics["pairs"] for run in runs()] == [7]
    assert not list(half.parent.glob(".mlflow*"))


def test_a_sender_process_killed_midway_and_started_again(job, store):
    subprocess.run([sys.executable, "-c", WRITER, *map(str, range(60))], check=True)
    command = [sys.executable, "-m", "tracklearn.runs.sender", "send"]
    sender = subprocess.Popen(command)
    states = Path("results/mlflow/sent/local")
    while not states.is_dir() or len(list(states.iterdir())) < 10:
        assert sender.poll() is None
        time.sleep(0.01)
    sender.kill()
    sender.wait()
    assert len(list(states.glob("*.json"))) < 60
    subprocess.run(command, check=True)
    delivered = runs()
    assert sorted(run.data.metrics["pairs"] for run in delivered) == list(range(60))
    assert all(len(curve(run, "loss")) == 20 for run in delivered)


def test_a_server_that_is_gone_and_comes_back(job, store, monkeypatch, capsys):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    do(job("train", model="a"), loss=0.5)
    assert main(["send"]) == 1
    assert "1 run not wholly delivered" in (said := capsys.readouterr().err) and uri in said
    with server(port, store):
        train(job, "b")
        capsys.readouterr()
        assert main(["send"]) == 0
    said = capsys.readouterr()
    assert said.out == ""  # MLflow prints two lines a run of its own
    assert said.err == f"sender: sent 2 runs, 1 model and 2 files to {uri}\n"
    do(job("train", model="c"), loss=0.125)
    assert Sender().deliver_all() == 1
    assert sorted(run.info.run_name for run in runs(f"sqlite:///{store.resolve()}")) == ["models_ranking b", "train a"]
    (model,) = models(f"sqlite:///{store.resolve()}")
    assert {metric.key for metric in model.metrics} == {"loss"}


def test_files_that_cannot_be_stored_are_told_once_and_sent_later(job, store, capsys):
    from mlflow import MlflowClient  # noqa: PLC0415

    other = f"sqlite:///{Path('other.db').resolve()}"
    Path("other.db").write_bytes(store.read_bytes())
    Path("mount").write_text("a file where the folder should be")
    client = MlflowClient(other)
    client.create_experiment(Path.cwd().name, artifact_location=Path("mount/artifacts").resolve().as_uri())
    train(job, "net")
    for row in ("a", "b", "c"):
        evaluate(job, row, "net")
    sender = Sender(uri=other)
    assert sender.deliver_all() == sender.deliver_all() == 7
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sender: ")]
    assert "figures and status arrive, but files cannot be stored and wait in results/mlflow: " in line
    assert [run.info.status for run in runs(other)] == ["FINISHED"] * 7
    assert [model.status for model in models(other)] == ["PENDING"]
    assert client.get_experiment_by_name(Path.cwd().name).tags["mlflow.experimentKind"] == "custom_model_development"
    Path("mount").unlink()
    assert sender.deliver_all(facts=False) == 0  # while the workflow runs, nothing is tried again
    assert [model.status for model in models(other)] == ["PENDING"]
    assert sender.deliver_all() == 0
    assert [model.status for model in models(other)] == ["READY"]
    assert len(list(Path("mount").rglob("models_ranking.log"))) == 1
    assert len(list(Path("mount").rglob("weights.safetensors"))) == 1
    assert Sender(uri=other).pending() == []


def test_a_network_whose_weights_were_deleted_holds_up_no_files(job, store, capsys):
    first, second, _third = (train(job, name) for name in ("a", "b", "c"))
    shutil.rmtree(Spool().folder(first.key) / "model")
    (Spool().folder(second.key) / "model/.MLmodel.tmp").write_text("of a killed job")
    assert main(["send"]) == 0
    assert "\nsender: sent 3 runs, 2 models and 3 files to " in capsys.readouterr().err
    assert [model.status for model in models()] == ["PENDING", "READY", "READY"]
    for model in models()[1:]:
        folder = Path("results/mlflow/artifacts/models") / model.model_id / "artifacts"
        assert sorted(path.name for path in folder.iterdir()) == ["MLmodel", "weights.safetensors"]
    assert Sender().pending() == []


def test_one_run_whose_files_cannot_be_stored_holds_up_no_files_of_later_runs(job, store, capsys):
    first, *_ = (train(job, name) for name in ("a", "b", "c"))
    model = Spool().folder(first.key) / "model"
    (model / "a-folder").mkdir()  # no file, so that storing it fails
    for _ in range(2):
        assert main(["send"]) == 1
        said = capsys.readouterr().err
        assert said.count("figures and status arrive, but files cannot be stored") == 1
        assert "sender: 1 run not wholly delivered" in said
        assert [model.status for model in models()] == ["PENDING", "READY", "READY"]
    (model / "a-folder").rmdir()
    assert main(["send"]) == 0
    assert [model.status for model in models()] == ["READY"] * 3


def test_a_password_in_the_address_stands_nowhere(job, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:s3cr3t@127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    do(job("train"), loss=0.5)
    assert main(["send"]) == 1

    def broken(self):
        raise RuntimeError(f"no {self.store.uri}")

    monkeypatch.setattr(Sender, "deliver_all", broken)
    assert main(["send"]) == 2
    said = capsys.readouterr().err
    assert "sender: http://127.0.0.1:" in said and "RuntimeError: no http://127.0.0.1:" in said
    written = [path for path in Path().rglob("*") if path.is_file()]
    assert len(written) > 3
    assert "s3cr3t" not in said + "".join(path.read_text() for path in written)


def test_the_ui_opens_in_the_view_for_model_training(job, store):
    assert (
        Sender().store.address("http://127.0.0.1:5000").endswith("5000/#/experiments/1?workflowType=machine_learning")
    )


@contextmanager
def server(port: int, store: Path) -> Iterator[None]:
    """An MLflow server that is killed at the end."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store.resolve()}"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--workers", "1"], start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"no server on port {port} after {seconds} s")


def test_runs_go_to_each_store_once(job, store):
    do(job("train"), loss=0.5)
    other = f"sqlite:///{Path('other.db').resolve()}"
    Path("other.db").write_bytes(store.read_bytes())
    for _ in range(2):
        assert Sender().deliver_all() == Sender(uri=other).deliver_all() == 0
    assert len(runs()) == len(runs(other)) == 1


def test_a_deleted_store_is_filled_again(job, store, empty_store):
    do(job("train"), loss=0.5)
    Sender().deliver_all()
    store.unlink()
    assert Sender().pending()
    store.write_bytes(empty_store)
    # Another process, because MLflow keeps the deleted file open in this one.
    subprocess.run([sys.executable, "-m", "tracklearn.runs.sender", "send"], check=True)
    with closing(sqlite3.connect(store)) as database:
        assert database.execute("select status from runs").fetchall() == [("FINISHED",)]


def test_a_run_deleted_in_the_ui_stays_deleted(job, store):
    from mlflow import MlflowClient  # noqa: PLC0415

    do(job("train"), loss=0.5)
    Sender().deliver_all()
    client = MlflowClient(f"sqlite:///{store.resolve()}")
    client.delete_run(runs()[0].info.run_id)
    do(job("train"), loss=0.5)
    do(job("train", model="other"), loss=0.5)
    assert Sender().deliver_all() == 0
    assert [run.info.run_name for run in runs()] == ["train other"]


def test_follow_delivers_while_the_parent_lives_and_after_it(job, store):
    pipe, parent = os.pipe()
    with recorded(job("train")) as run:
        thread = threading.Thread(target=follow, args=(pipe,), kwargs={"interval": 0.1})
        thread.start()
        run.report(1, {"loss": 1.0})
        deadline = time.monotonic() + 30
        while not (runs() and runs()[0].data.metrics) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert curve(runs()[0], "loss") == [(1, 1.0)]
    do(job("features"), images=3)
    os.close(parent)
    thread.join(timeout=30)
    os.close(pipe)
    assert not thread.is_alive()
    assert [found.info.status for found in runs()] == ["FINISHED", "FINISHED"]


def test_the_sender_of_a_killed_workflow_delivers_and_ends(job, store):
    code = WRITER + "from tracklearn.runs import start_sender; import os; start_sender(); os.kill(os.getpid(), 9)"
    workflow = subprocess.run([sys.executable, "-c", code, "1"], check=False)
    assert workflow.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while not runs() or runs()[0].info.status != "FINISHED":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_idle_sender_does_not_import_mlflow(job):
    code = "import sys; from tracklearn.runs.sender import main; main(['send']); print('mlflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_two_senders_take_turns(tmp_path):
    path = tmp_path / "sender.lock"
    code = "import sys; from pathlib import Path; from tracklearn.runs.sender import lock\n"
    code += "with lock(Path(sys.argv[1])): print('held', flush=True); input()"
    command, pipe = [sys.executable, "-c", code, str(path)], subprocess.PIPE
    first = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    assert first.stdout.readline() == "held\n"
    second = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    waiting = f"sender: waiting for another sender (process {first.pid} on {socket.gethostname()})\n"
    assert second.stderr.readline() == waiting
    first.communicate("\n")
    assert second.stdout.readline() == "held\n"
    second.communicate("\n")


def test_a_filesystem_without_locks_is_said_in_a_line(tmp_path, monkeypatch):
    def flock(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    message = (
        r"sender\.lock: the filesystem has no locks \(No locks available\)\. "
        r"Keep results/ on a filesystem that has locks\."
    )
    with pytest.raises(UserError, match=message), lock(tmp_path / "sender.lock"):
        raise AssertionError("a lock where there are none")


def test_ui_without_runs_says_so(job, capsys):
    assert main(["ui"]) == 2
    assert "results/mlflow: no runs here; run the workflow first" in capsys.readouterr().err
