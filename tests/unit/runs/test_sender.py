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
from recorded_jobs import curve, deliver_until_killed, do, evaluate, models, runs, train

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


@pytest.mark.parametrize("step", ["create_run", "log_batch", "log_artifacts", "set_terminated"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sender_killed_at_any_step_doubles_nothing(job, store, monkeypatch, step, when):
    with recorded(job("train", params={"lr": 0.1})) as run:
        for number in range(POINTS):
            run.report(number, {"loss": 1.0 / (1 + number)})
    deliver_until_killed(monkeypatch, step, when=when)
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
