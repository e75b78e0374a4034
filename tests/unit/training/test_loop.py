"""The loop on a tiny net: logs, checkpoints, resume after a kill, SIGTERM, a loss that is not finite."""

import csv
import os
import random
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from tracklearn.errors import UserError
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import load_weights
from tracklearn.settings.training import RankingSchedule, Saving, SoftmaxSchedule
from tracklearn.training import checkpoint, gpu, job, loop
from tracklearn.training.checkpoint import NEWEST, PREVIOUS
from tracklearn.training.job import run_job
from tracklearn.training.loop import train
from tracklearn.training.softmax import SoftmaxObjective

SCHEDULE = {"lr": 0.01, "step": 20, "iterations": 30, "batch": 4}
SAVING = {"log_every": 4, "checkpoint_every": 7}


def net():
    return CaffeNet(width=1 / 16, input_size=67, fc7=32, outputs=3, conv_std=0.05, fc_std=0.05, seed=1)


def make_batch(iteration):
    generator = torch.Generator().manual_seed(iteration)
    images = torch.randint(0, 256, (4, 67, 67, 3), dtype=torch.uint8, generator=generator)
    return images, torch.randint(0, 3, (4,), generator=generator)


def run(folder, make_batch=make_batch, report=None, saving=SAVING, seed=1, **changes):
    """One training job with its outputs in `folder`."""
    return run_job(
        net(),
        make_batch,
        SoftmaxObjective(dropout=0.5, seed=seed),
        schedule=SoftmaxSchedule.read(SCHEDULE | changes),
        saving=Saving.read(saving),
        weights=folder / "weights.safetensors",
        log=folder / "log.csv",
        checkpoints=folder / "checkpoints",
        identity={"schedule": SCHEDULE | changes, "seed": seed},
        conv1=folder / "conv1.png",
        metadata={"seed": 1},
        layer_rates={"fc8": 10},
        threads=1,
        **({"report": report} if report else {}),
    )


class Drawless:
    """A function as an objective that draws nothing."""

    def __init__(self, function):
        self.function = function

    def draw(self, net, batch, iteration):
        return ()

    def __call__(self, net, batch, iteration):
        return self.function(net, batch, iteration)


def rows(path):
    """The log without what the clock decides."""
    with path.open() as file:
        return [{k: v for k, v in row.items() if k not in ("images_per_s", "waiting")} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder)
    return folder


def assert_same(folder, undisturbed):
    assert (folder / "weights.safetensors").read_bytes() == (undisturbed / "weights.safetensors").read_bytes()
    assert rows(folder / "log.csv") == rows(undisturbed / "log.csv")
    assert not (folder / "checkpoints").exists()


def test_a_finished_job_leaves_its_outputs_and_no_checkpoint(undisturbed):
    assert sorted(path.name for path in undisturbed.iterdir()) == ["conv1.png", "log.csv", "weights.safetensors"]
    logged = rows(undisturbed / "log.csv")
    assert [int(row["iteration"]) for row in logged] == [4, 8, 12, 16, 20, 24, 28, 30]
    assert [float(row["lr"]) for row in logged] == [0.01] * 5 + [0.001] * 3
    assert list(logged[0]) == ["iteration", "loss", "lr", "accuracy"]
    assert not torch.equal(load_weights(undisturbed / "weights.safetensors")[0]["conv1.weight"], net().conv1.weight)


def test_metrics_and_reports_are_the_rows_of_the_log(tmp_path, undisturbed):
    reported = {}
    metrics = run(tmp_path, report=lambda step, values: reported.update({step: dict(values)}))
    assert list(reported) == [4, 8, 12, 16, 20, 24, 28, 30]
    assert metrics["loss"] == pytest.approx(reported[30]["loss"], rel=1e-5) != 0
    assert_same(tmp_path, undisturbed)  # and it is deterministic


class Stopped(Exception):
    """Raised from a batch, as a crash would be."""


@pytest.mark.parametrize("at", [7, 9, 25])
def test_a_crashed_run_resumes_to_the_same_bits(tmp_path, undisturbed, at):
    def broken(iteration):
        if iteration == at:
            raise Stopped
        return make_batch(iteration)

    with pytest.raises(Stopped):
        run(tmp_path, broken)
    made = []
    run(tmp_path, lambda iteration: made.append(iteration) or make_batch(iteration))
    assert min(made) == at // 7 * 7
    assert_same(tmp_path, undisturbed)


STAGES = RankingSchedule.read(SCHEDULE | {"step": 10, "iterations": 16, "random_iterations": 14, "momentum": 0.99})


def run_stages(folder, make_batch=make_batch):
    """Two stages of 14 and 16 iterations, by the loop alone; returns the weights."""
    model, objective = net(), SoftmaxObjective(dropout=0.5, seed=1)
    saving = Saving(log_every=4, checkpoint_every=7)
    train(model, make_batch, objective, schedule=STAGES, saving=saving, checkpoints=folder, identity={}, threads=1)
    return model.state_dict()


class Later:
    """An objective from a later iteration on."""

    def __init__(self, objective, first):
        self.objective, self.first = objective, first

    def draw(self, net, batch, iteration):
        return self.objective.draw(net, batch, self.first + iteration)

    def __call__(self, net, batch, iteration):
        return self.objective(net, batch, self.first + iteration)


def test_two_stages_are_a_training_and_another_one_from_its_weights(tmp_path):
    """The second stage has the schedule's steps from its own beginning on, and no velocities of the first one."""
    model, objective = net(), SoftmaxObjective(dropout=0.5, seed=1)
    for stage, first, changes in ((1, 0, {"iterations": 14}), (2, 14, {"iterations": 16, "step": 10})):
        train(
            model,
            lambda iteration, first=first: make_batch(first + iteration),
            Later(objective, first),
            schedule=SoftmaxSchedule.read({"lr": 0.01, "batch": 4, "momentum": 0.99} | changes),
            saving=Saving(),
            checkpoints=tmp_path / f"{stage}",
            identity={},
            threads=1,
        )
    weights = run_stages(tmp_path / "stages")
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    logged = rows(tmp_path / "stages/log.csv")
    assert [(int(row["iteration"]), float(row["lr"])) for row in logged[-4:]] == [
        (20, 0.01), (24, 0.01), (28, 0.001), (30, 0.001),
    ]  # fmt: skip


@pytest.mark.parametrize("at", [9, 14, 15, 22])
def test_a_training_of_two_stages_resumes_to_the_same_bits(tmp_path, at):
    """The checkpoint of iteration 14 is that of the switch, before and after which a training may crash."""
    expected = run_stages(tmp_path / "undisturbed")
    with pytest.raises(Stopped):
        run_stages(tmp_path / "broken", lambda iteration: make_batch(iteration) if iteration < at else throw())
    made = []
    weights = run_stages(tmp_path / "broken", lambda iteration: made.append(iteration) or make_batch(iteration))
    assert min(made) == at // 7 * 7
    assert all(torch.equal(weights[name], value) for name, value in expected.items())
    assert rows(tmp_path / "broken/log.csv") == rows(tmp_path / "undisturbed/log.csv")


def stopped_before(folder, iteration):
    """Run until a crash in that iteration; return the folder of the checkpoints that are left."""
    with pytest.raises(Stopped):
        run(folder, lambda each: make_batch(each) if each < iteration else throw())
    return folder / "checkpoints"


def test_other_settings_are_refused_before_anything_is_computed_or_written(tmp_path, undisturbed):
    folder = stopped_before(tmp_path, 16)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for changes, difference in (
        ({"lr": 0.02}, "schedule.lr 0.01, and this training has 0.02"),
        ({"precision": "bf16"}, 'schedule.precision absent, and this training has "bf16"'),
        ({"seed": 2}, "seed 1, and this training has 2"),
    ):
        with pytest.raises(UserError) as raised:
            run(tmp_path, lambda iteration: pytest.fail(f"batch {iteration} was made"), **changes)
        name, old = difference.partition(", and")[0].split(" ", 1)
        back = f"take {name} out" if old == "absent" else f"set {name} back to {old}"
        assert str(raised.value) == (
            f"{folder}: the checkpoint was made with {difference}; {back}, remove the folder, or give another "
            "`checkpoints` folder"
        )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    run(tmp_path)
    assert_same(tmp_path, undisturbed)


def test_a_truncated_checkpoint_costs_one_interval_and_is_logged(tmp_path, undisturbed, caplog):
    newest = stopped_before(tmp_path, 16) / NEWEST
    os.truncate(newest, newest.stat().st_size // 2)
    made = []
    run(tmp_path, lambda iteration: made.append(iteration) or make_batch(iteration))
    assert min(made) == 7
    assert_same(tmp_path, undisturbed)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{newest}: the checkpoint cannot be read (")
    assert line.endswith("; the previous checkpoint is used")


def test_without_a_readable_checkpoint_the_training_starts_afresh_and_says_so(tmp_path, undisturbed, caplog):
    checkpoints = stopped_before(tmp_path, 16)
    for name in (NEWEST, PREVIOUS):
        os.truncate(checkpoints / name, 100)
    run(tmp_path)
    assert_same(tmp_path, undisturbed)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.rsplit("; ", 1)[1] for line in lines] == [
        "the previous checkpoint is used",
        "the training starts afresh",
    ]


@contextmanager
def small_files(monkeypatch):
    """Have the system refuse to write more than 10,000 bytes into a file: less than a checkpoint, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        yield "larger than files may be here; raise `ulimit -f` and run again"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def full_disk(monkeypatch):
    """Let files be written by halves, in safetensors' own words."""

    def half(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save_file", half)
        yield r"the disk is full \(\d+ MB left\); free space and run again"


@pytest.mark.parametrize("disk_without_space", [small_files, full_disk])
def test_a_full_disk_gives_one_line_and_the_checkpoints_stay(tmp_path, undisturbed, monkeypatch, disk_without_space):
    real, writes = loop.save_checkpoint, []

    def save(folder, saved):
        writes.append(saved.numbers["iteration"])
        if len(writes) < 3:
            return real(folder, saved)
        with disk_without_space(monkeypatch) as line, pytest.raises(UserError, match=f"^{newest}: {line}$") as raised:
            real(folder, saved)
        raise raised.value

    newest = tmp_path / "checkpoints" / NEWEST
    with monkeypatch.context() as patched, pytest.raises(UserError):
        patched.setattr(loop, "save_checkpoint", save)
        run(tmp_path)
    assert sorted(path.name for path in newest.parent.iterdir()) == [
        "conv1-0000007.png",
        "conv1-0000014.png",
        "log.csv",
        NEWEST,
        PREVIOUS,
    ]
    made = []
    run(tmp_path, lambda iteration: made.append(iteration) or make_batch(iteration))
    assert (writes, min(made)) == ([7, 14, 21], 14)
    assert_same(tmp_path, undisturbed)


def test_after_a_batch_that_cannot_be_made_nothing_is_computed_again(tmp_path, undisturbed):
    def missing(iteration):
        if iteration == 12:
            raise UserError("00007.h5: no such file")
        return make_batch(iteration)

    with pytest.raises(UserError, match=r"^00007.h5: no such file$"):
        run(tmp_path, missing)
    made = []
    run(tmp_path, lambda iteration: made.append(iteration) or make_batch(iteration))
    assert min(made) == 12
    assert_same(tmp_path, undisturbed)


def test_after_an_error_behind_the_last_iteration_nothing_is_trained_again(tmp_path, undisturbed, monkeypatch):
    def refused(*_, **__):
        raise UserError("weights.safetensors: the disk is full")

    with monkeypatch.context() as patched, pytest.raises(UserError, match="the disk is full"):
        patched.setattr(job, "save_weights", refused)
        run(tmp_path)
    run(tmp_path, lambda iteration: pytest.fail(f"batch {iteration} was made again"))
    assert_same(tmp_path, undisturbed)


def throw():
    raise Stopped


CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_loop import make_batch, run
def slow(iteration):
    time.sleep(0.15)
    return make_batch(iteration)
run(Path(sys.argv[2]), slow)
"""


def started(folder):
    """A training in another process, which has just written its first checkpoint."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(folder)]
    process = subprocess.Popen(arguments, env=environment)
    deadline = time.monotonic() + 120
    while not list((folder / "checkpoints").glob("conv1-*.png")):
        assert process.poll() is None, "the training ended early"
        assert time.monotonic() < deadline, "no checkpoint in two minutes"
        time.sleep(0.02)
    return process


def test_a_killed_process_resumes_to_the_same_bits(tmp_path, undisturbed):
    process = started(tmp_path)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "weights.safetensors").exists()
    run(tmp_path)
    assert_same(tmp_path, undisturbed)


def killed_at(step, work, folder):
    """Do `work` in a process that is killed before it opens, renames or removes the `step`-th file in `folder`.

    Returns whether it came that far.
    """
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = [step]

    def count(event, arguments):
        if event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(str(folder)):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(count)
        work()
    finally:
        os._exit(0)


def test_a_run_killed_at_every_step_of_writing_ends_in_the_same_bits(tmp_path, undisturbed):
    """Each attempt saves after every iteration and comes one step further than the attempt before."""
    saving = SAVING | {"checkpoint_every": 1}
    kills = 0
    while killed_at(kills + 1, lambda: run(tmp_path, saving=saving), tmp_path):
        kills += 1
        assert kills < 200, "the training never ends"
    assert kills > 20
    assert_same(tmp_path, undisturbed)


def test_a_run_killed_repeatedly_at_random_moments_ends_in_the_same_bits(tmp_path, undisturbed):
    kills, delays = 0, random.Random(0)
    while not (tmp_path / "weights.safetensors").exists():
        child = os.fork()
        if not child:
            try:
                run(tmp_path, saving=SAVING | {"checkpoint_every": 1})
            finally:
                os._exit(0)
        time.sleep(delays.uniform(0.01, 0.06) * (1 + kills / 20))
        os.kill(child, signal.SIGKILL)  # a child that has ended stays until waitpid, so that its id is still its own
        kills += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert kills < 500, "the training never ends"
    run(tmp_path)  # it may have been killed between the weights and the removal of the checkpoints
    assert kills > 3
    assert_same(tmp_path, undisturbed)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_of_the_iteration_it_came_in(tmp_path, undisturbed, number, status):
    process = started(tmp_path)
    time.sleep(0.3)  # a later iteration than that of the checkpoint
    newest = tmp_path / "checkpoints" / NEWEST
    before = newest.stat().st_mtime_ns
    process.send_signal(number)
    assert process.wait(60) == status
    assert newest.stat().st_mtime_ns > before
    made = []
    run(tmp_path, lambda iteration: made.append(iteration) or make_batch(iteration))
    assert min(made) > 7
    assert_same(tmp_path, undisturbed)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path):
    def explode(net, batch, iteration):
        loss = net.fc8.bias.sum() * (float("nan") if iteration == 5 else 1.0)
        return loss, {}

    plan = {"schedule": SoftmaxSchedule.read(SCHEDULE), "saving": Saving.read(SAVING)}
    with pytest.raises(UserError) as raised:
        train(net(), make_batch, Drawless(explode), **plan, checkpoints=tmp_path, identity={}, threads=1)
    assert str(raised.value) == (
        "training: the loss is nan within the 3 iterations before 7 at learning rate 0.01; "
        "expected a finite number; lower schedule.lr"
    )
    assert not (tmp_path / NEWEST).exists()


def spoilt_after(iteration):
    """An objective whose losses are finite and whose gradient in one iteration is not: the update of fc6 overflows."""

    def objective(net, batch, at):
        factor = 3e38 if at == iteration else 0.0
        return (net.fc8.bias.sum() + factor * (net.fc6.bias[:2] - net.fc6.bias[:2].detach()).sum() * 3e38), {}

    return Drawless(objective)


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    line = (
        "training: 2 of 256 values of fc6.bias are not finite after iteration {} at learning rate {}; expected finite"
    )
    quiet = Saving(log_every=1000, checkpoint_every=7)
    arguments = {
        "schedule": SoftmaxSchedule.read(SCHEDULE | {"iterations": 17}),
        "saving": quiet,
        "identity": {},
        "threads": 1,
    }
    with pytest.raises(UserError) as raised:
        train(net(), make_batch, spoilt_after(13), **arguments, checkpoints=tmp_path / "checkpoint")
    assert str(raised.value) == line.format(14, 0.01) + " numbers; lower schedule.lr"
    kept = checkpoint.load_checkpoint(tmp_path / "checkpoint", {})
    assert kept.numbers["iteration"] == 7
    assert all(torch.isfinite(weights).all() for weights in kept.tensors["net"].values())
    with pytest.raises(UserError) as raised:
        train(net(), make_batch, spoilt_after(16), **arguments, checkpoints=tmp_path / "end")
    assert str(raised.value).startswith(line.format(17, 0.01))
    assert checkpoint.load_checkpoint(tmp_path / "end", {}).numbers["iteration"] == 14


def test_bf16_is_close_to_fp32(tmp_path, undisturbed):
    run(tmp_path, precision="bf16", iterations=4)
    exact, rounded = rows(undisturbed / "log.csv")[0], rows(tmp_path / "log.csv")[0]
    assert float(rounded["loss"]) == pytest.approx(float(exact["loss"]), rel=0.05)
    assert rounded["loss"] != exact["loss"]


def test_settings_for_gpus_change_nothing_on_a_cpu_and_are_mentioned(tmp_path, undisturbed, caplog):
    run(tmp_path, precision="tf32", compile=True)
    assert_same(tmp_path, undisturbed)
    assert caplog.messages == [
        "precision is 'tf32' and there is no GPU; computing in fp32",
        "schedule: compile is true and there is no GPU; not compiled",
    ]


def test_a_compiled_training_gives_the_same_weights_under_the_same_names(tmp_path, undisturbed, monkeypatch):
    """Traced as for a GPU, computed by torch's own operations."""
    traced = partial(gpu.compiled, device=torch.device("cuda"), backend="aot_eager")
    monkeypatch.setattr(gpu, "find_spec", lambda name: "here")
    monkeypatch.setattr(gpu, "compiled", lambda objective, _: traced(objective))
    with pytest.raises(Stopped):
        run(tmp_path, lambda iteration: make_batch(iteration) if iteration < 16 else throw(), compile=True)
    identity = {"schedule": SCHEDULE | {"compile": True}, "seed": 1}
    saved = checkpoint.load_checkpoint(tmp_path / "checkpoints", identity)
    assert list(saved.tensors["net"]) == sorted(net().state_dict())
    run(tmp_path, compile=True)
    torch.compiler.reset()
    weights, expected = (load_weights(folder / "weights.safetensors")[0] for folder in (tmp_path, undisturbed))
    torch.testing.assert_close(weights, expected)


def test_checkpoints_are_also_written_by_the_clock(tmp_path):
    with pytest.raises(Stopped):
        run(
            tmp_path,
            lambda iteration: make_batch(iteration) if iteration < 3 else throw(),
            saving={"checkpoint_minutes": 1e-9},
        )
    made = []
    run(tmp_path, lambda iteration: made.append(iteration) or make_batch(iteration))
    assert min(made) == 3


def test_the_weights_do_not_depend_on_how_often_is_saved(tmp_path, undisturbed):
    with pytest.raises(Stopped):
        run(tmp_path, lambda iteration: make_batch(iteration) if iteration < 16 else throw())
    run(tmp_path, saving={"log_every": 5, "checkpoint_every": 2})
    assert (tmp_path / "weights.safetensors").read_bytes() == (undisturbed / "weights.safetensors").read_bytes()
    assert [int(row["iteration"]) for row in rows(tmp_path / "log.csv")] == [4, 8, 12, 15, 20, 25, 30]
