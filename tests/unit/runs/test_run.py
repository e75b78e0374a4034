"""What a run records of its job, over all attempts."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from recorded_jobs import events_of, write

from tracklearn.runs import recorded
from tracklearn.runs.provenance import git_tags
from tracklearn.runs.run import Run
from tracklearn.runs.spool import Spool


def test_what_a_run_records_of_its_job(job):
    params = {"tracking": {"frames": 30, "kcf": {"sigma": 0.125}}, "code": "abc", "videos": ["x" * 30] * 40}
    with recorded(job("track", shard="7", params=params)) as run:
        pass
    (start,) = events_of(run, "start")
    assert start["params"].pop("videos").endswith("... (40 in all)")
    assert start["params"] == {"tracking.frames": "30", "tracking.kcf.sigma": "0.125"}
    assert start["tags"]["code"] == "abc"
    assert start["tags"]["wildcard.shard"] == "7"
    assert git_tags().items() <= start["tags"].items()


def test_a_consumer_knows_the_runs_of_its_inputs(job):
    with recorded(job("pack", output={"store": "results/a.h5", "summary": "results/a.json"})) as pack:
        write("results/a.h5")
        write("results/a.json")
    write("list.tsv")
    inputs = {"stores": ["results/a.h5", "results/a.json"], "list": "list.tsv"}
    with recorded(job("train", input=inputs)) as train:
        assert train.lineage(["results/a.json", "list.tsv", str(Path.cwd() / "results/a.h5")]) == [pack.key]
    assert events_of(train, "start")[0]["inputs"] == {"stores": [pack.key]}


def test_a_run_knows_the_cells_pages_and_network_that_it_makes(job):
    row = "results/cells/table1/voc/scratch"
    made = {
        "row": ({"cells": [f"{row}/cat.json", f"{row}/mAP.json"]}, ("table1/voc/scratch", [], None)),
        "cell": ({"cell": "results/cells/table2/voc/unsup.json"}, ("table2/voc/unsup", [], None)),
        "page": ({"table": "results/t.csv", "page": "results/t.html"}, (None, ["results/t.html"], None)),
        "net": ({"weights": "results/models/voc/unsup-8M/weights.safetensors"}, (None, [], "voc/unsup-8M")),
    }
    for rule, (output, expected) in made.items():
        with pytest.raises(SystemExit), recorded(job(rule, output=output)) as run:
            raise KeyboardInterrupt
        (start,) = events_of(run, "start")
        assert (start["cell"], start["pages"], start["network"]) == expected


def test_a_network_is_kept_as_its_job_made_it(job):
    weights = "results/models/net/weights.safetensors"
    with recorded(job("train", output={"weights": weights}, params={"seed": 1})) as run:
        write(weights, b"first")
    kept = Spool().folder(run.key) / "model"
    assert Path(weights).samefile(kept / "weights.safetensors")  # a second name takes no space
    assert "loader_module: tracklearn.networks.pyfunc" in (kept / "MLmodel").read_text()
    with recorded(job("train", output={"weights": weights}, params={"seed": 2})):
        write(weights, b"second")  # Snakemake removes outputs before a job, and so does `write`
    assert (kept / "weights.safetensors").read_text() == "first"


def test_a_training_records_what_it_uses(job, monkeypatch):
    monkeypatch.setattr("tracklearn.machine.usage.INTERVAL", 0.0)
    output = {"weights": "results/models/net/weights.safetensors"}
    for _ in range(2):  # the second attempt goes on where the first stopped
        with pytest.raises(SystemExit), recorded(job("train", output=output)) as run:
            for step in range(3):
                run.report(step, {"loss": 1.0})
            raise KeyboardInterrupt
    samples = [event for event in events_of(run, "metrics") if "system/cpu_utilization_percentage" in event["values"]]
    assert [event["step"] for event in samples] == [0, 1, 2, 3]
    for event in samples:
        assert 0 <= event["values"]["system/cpu_utilization_percentage"] <= 100
        assert 0 < event["values"]["system/system_memory_usage_percentage"] < 100
        assert event["values"]["system/process_memory_megabytes"] > 10
    with recorded(job("features")) as run:
        run.report(1, {"images": 3.0})
        run.report(2, {"images": 6.0})
    assert [list(event["values"]) for event in events_of(run, "metrics")] == [["images"], ["images"]]


@pytest.mark.parametrize("call_number", [1, 2])  # as the training begins, and later
def test_a_machine_that_hides_its_use_stops_no_training(job, monkeypatch, caplog, call_number):
    def virtual_memory():
        calls.append("virtual_memory")
        if len(calls) == call_number:
            raise psutil.AccessDenied(msg="no /proc/meminfo")
        return memory

    memory = psutil.virtual_memory()
    calls: list[str] = []
    monkeypatch.setattr("tracklearn.machine.usage.INTERVAL", 0.0)
    monkeypatch.setattr(psutil, "virtual_memory", virtual_memory)
    weights = "results/models/net/weights.safetensors"
    with recorded(job("train", output={"weights": weights})) as run:
        for step in range(4):
            run.report(step, {"loss": 1.0})
        write(weights)
    assert len(calls) == call_number  # it is not asked again
    assert [list(event["values"]) for event in events_of(run, "metrics")] == [["loss"]] * 4
    assert events_of(run, "end")[0]["status"] == "FINISHED"
    (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "what the job uses cannot be recorded (AccessDenied: " in warning


def test_the_commit_and_whether_files_differ_from_it(monkeypatch):
    def answer(text):
        monkeypatch.setattr("subprocess.run", lambda *_, **__: subprocess.CompletedProcess([], 0, stdout=text))
        return git_tags()

    assert answer("ab12\n") == {"mlflow.source.git.commit": "ab12", "mlflow.source.git.dirty": "false"}
    assert answer("ab12-dirty\n") == {"mlflow.source.git.commit": "ab12", "mlflow.source.git.dirty": "true"}


def test_versions_are_those_of_the_runs_behind_a_file(job, monkeypatch):
    def make(rule, path, *inputs, **versions):
        tags = {f"version.{name}": version for name, version in versions.items()}
        monkeypatch.setattr("tracklearn.runs.run.version_tags", lambda: tags)
        for output in [path] if path else []:
            Path(output).unlink(missing_ok=True)  # as Snakemake does before a job
        with recorded(job(rule, input={"files": list(inputs)}, output={"file": path} if path else {})) as run:
            if path is None:
                raise KeyboardInterrupt
            write(path)
        return run

    make("track", "a.csv", numpy="2.2", opencv="4.9")
    make("track", "a.csv", numpy="2.3", opencv="5.0")  # the whole job was repeated
    make("pack", "a.h5", "a.csv", numpy="2.3")
    make("import", "b.csv")  # as if recorded before versions were
    with pytest.raises(SystemExit):
        make("train", None, "a.h5", "b.csv", "a.csv", torch="2.10", numpy="2.4")
    # The training resumes with another version of torch.
    run = make("train", "w", "a.h5", "b.csv", "a.csv", torch="2.11", numpy="2.4")
    assert run.versions(["w", "unmade.txt"]) == {
        "numpy": {"2.3": 2, "2.4": 1}, "opencv": {"5.0": 1}, "torch": {"2.10": 1, "2.11": 1},
    }  # fmt: skip
    assert run.versions(["b.csv"]) == {}


def test_version_tags_name_what_is_installed_without_importing_it():
    code = "import sys; from tracklearn.runs.provenance import version_tags; print(version_tags(), *sys.modules)"
    tags, _, modules = subprocess.check_output([sys.executable, "-c", code], text=True).partition("}")
    assert f"'version.numpy': '{np.__version__}'" in tags
    assert "'version.python': '3." in tags and "'version.opencv': '" in tags
    assert not {"numpy", "torch", "cv2", "av"} & set(modules.split())


def test_a_wildcard_with_a_slash_makes_one_folder_of_checkpoints(job):
    with recorded(job("train", model="voc2012-val/unsup-8M-ft")) as run:
        assert run.name == "train voc2012-val/unsup-8M-ft"
        assert run.checkpoints == Path("results/checkpoints/train-voc2012-val+unsup-8M-ft") / run.key


def test_checkpoints_of_a_changed_job_are_removed(job):
    with pytest.raises(SystemExit), recorded(job("train", params={"rate": 0.1})) as run:
        write(run.checkpoints / "newest")
        raise KeyboardInterrupt
    with recorded(job("train", params={"rate": 0.1})) as resumed:
        assert (resumed.checkpoints / "newest").exists()
    with recorded(job("train", params={"rate": 0.2})) as changed:
        assert not list(changed.checkpoints.parent.iterdir())
    assert "its old checkpoints are removed" in Path("logs/train.log").read_text()


def test_a_key_changes_with_params_wildcards_and_inputs_only(job):
    write("list.tsv", b"one")
    base = {"input": {"list": "list.tsv"}, "params": {"margin": 0.5, "code": "a"}, "model": "m"}
    key = Run(job("train", **base)).key
    assert Run(job("train", **base)).key == key
    assert Run(job("train", **base | {"model": "n"})).key != key
    assert Run(job("train", **base | {"params": {"margin": 0.5, "code": "b"}})).key != key
    write("list.tsv", b"one two")
    assert Run(job("train", **base)).key != key


def test_a_key_follows_the_runs_of_its_inputs(job):
    keys = []
    for margin in (0.5, 1.0):
        with recorded(job("train", params={"margin": margin}, output={"weights": "w.safetensors"})):
            write("w.safetensors")
        keys.append(Run(job("features", input={"weights": "w.safetensors"})).key)
    assert keys[0] != keys[1]


def test_a_key_follows_what_changes_an_input_in_place(job):
    """Videos that became reachable are added to the manifest of their shard."""
    with recorded(job("videos_download", output={"manifest": "00000.tsv"})):
        write("00000.tsv", b"a ok\nb unreachable\n")

    def key_after(text: str) -> str:
        with recorded(job("videos_retry")) as run, run.changing("00000.tsv"):
            Path("00000.tsv").write_text(text)
        os.utime("00000.tsv")  # as Snakemake does after a job
        mining = Run(job("mining_track", input={"manifest": "00000.tsv"}))
        assert mining.lineage(["00000.tsv"]) == [downloaded]
        return mining.key

    downloaded = Spool().maker("00000.tsv")
    before = Run(job("mining_track", input={"manifest": "00000.tsv"})).key
    assert key_after("a ok\nb unreachable\n") == before
    keys = [before, key_after("a ok\nb ok\n"), key_after("a ok\nb no\n")]
    assert len(set(keys)) == 3
    assert key_after("a ok\nb ok\n") == keys[1]


def test_pictures_and_small_files_are_kept_under_their_names(job):
    outputs = {"sheet": "results/mining/sheet.png", "table": "results/t.csv", "big": "results/b.json", "net": "n.h5"}
    with recorded(job("pack", output=outputs)) as run:
        for path in outputs.values():
            write(path)
        write("results/b.json", b"x" * 1_000_001)
        write("results/mining/sheet.png", b"x" * 1_000_001)
    kept = Spool().folder(run.key) / "artifacts"
    files = {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()}
    assert files == {"results/mining/sheet.png", "results/t.csv", "logs/pack.log"}


def test_pictures_beside_the_checkpoints_are_kept_at_the_next_report_and_each_once(job):
    with recorded(job("train", model="m")) as run:
        run.report(20, {"loss": 1.0})
        write(run.checkpoints / "conv1-0000020.png", b"a")
        write(run.checkpoints / ".conv1-0000030.tmp.png")
        run.report(40, {"loss": 0.9})
        kept = Spool().folder(run.key) / "artifacts/checkpoints"
        assert [path.name for path in kept.iterdir()] == ["conv1-0000020.png"]
        run.report(60, {"loss": 0.8})
        write(run.checkpoints / "conv1-0000080.png", b"b")
    told = [event["path"] for event in events_of(run, "artifact")]
    assert told == ["checkpoints/conv1-0000020.png", "checkpoints/conv1-0000080.png"]


def test_sigterm_ends_a_run_as_killed(job):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"), recorded(job("train")) as run:
        os.kill(os.getpid(), signal.SIGTERM)
    assert events_of(run, "end")[0]["status"] == "KILLED"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_resumed_job_continues_its_run_and_its_curve(job):
    with pytest.raises(SystemExit), recorded(job("train")) as first:
        for step in (10, 20, 30):
            first.report(step, {"loss": 1 / step})
        raise KeyboardInterrupt
    with recorded(job("train")) as second:
        for step in (20, 30, 40):
            second.report(step, {"loss": 1 / step})
        second.metrics({"loss": 0.02, "accuracy": np.float32(0.5)})
    assert second.key == first.key
    points = [(event["step"], *event["values"]) for event in events_of(second, "metrics")]
    assert points == [(10, "loss"), (20, "loss"), (30, "loss"), (40, "loss"), (40, "loss"), (0, "accuracy")]
    assert [start["tags"]["attempts"] for start in events_of(second, "start")] == ["1", "2"]
    assert "stopped by SIGINT after" in (log := Path("logs/train.log").read_text()) and "attempt 2 of run" in log


def test_a_job_that_ran_whole_before_starts_its_log_anew(job):
    for _ in range(2):
        with recorded(job("train")):
            pass
    assert Path("logs/train.log").read_text().count("done in") == 1


def test_a_line_torn_by_a_kill_costs_that_line_only(job):
    with recorded(job("train")) as run:
        pass
    with open(Spool().events_file(run.key), "a") as file:
        file.write('{"event": "metrics", "st')
    with recorded(job("train")) as run:
        run.report(1, {"loss": 2.0})
    assert [event["values"] for event in events_of(run, "metrics")] == [{"loss": 2.0}]
    assert len(events_of(run, "start")) == 2


def test_a_record_that_cannot_be_written_stops_no_job(job, capsys):
    write("results/mlflow", b"a file where the folder should be")
    with recorded(job("train", output={"a": "a.json"})) as run:
        write("a.json")
        run.report(1, {"loss": 2.0})
        run.metrics({"loss": 1.0})
    assert "train: done in" in capsys.readouterr().err
    assert "the job continues without a record" in (log := Path("logs/train.log").read_text())
    assert (
        "another process may be writing the same files: the lease cannot be written ([Errno 20] Not a directory" in log
    )


def test_trouble_of_the_folder_of_leases_fails_no_job_whose_outputs_are_made(job, monkeypatch):
    def confirm():
        raise OSError(errno.EIO, "Input/output error")

    with recorded(job("train", output={"weights": "net.safetensors"})) as run:
        write("net.safetensors")
        monkeypatch.setattr("tracklearn.runs.run.confirm", confirm)
    assert [end["status"] for end in events_of(run, "end")] == ["FINISHED"]


def test_threads_are_limited_and_imports_stay_light(tmp_path):
    code = """
import json, os, sys
from types import SimpleNamespace as N
class L(list):
    def items(self): return []
from tracklearn.runs import recorded
light = sorted({name.split(".")[0] for name in sys.modules})
import cv2, numpy, threadpoolctl
with recorded(N(rule="r", wildcards=L(), input=L(), output=L(), params=L(), log=L(), threads=1)):
    pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
    print(json.dumps([light, cv2.getNumThreads(), pools, os.environ["OMP_NUM_THREADS"]]))
"""
    environment = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    light, opencv, pools, variable = json.loads(done.stdout)
    assert not {"mlflow", "snakemake", "numpy", "torch", "cv2"} & set(light)
    assert (opencv, variable) == (1, "1")
    assert pools and set(pools) == {1}
