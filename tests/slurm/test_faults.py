"""Runs on a real SLURM of one node, with faults; each ends in the tables of an undisturbed run, byte for byte.

`make test-slurm` runs the two tests with many faults, and `make test-slurm-all` runs each fault by itself.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from checkout import Checkout
from cluster import CannotStart, Cluster, one_node, wait_for
from small import TABLES, make_small_experiment

TARGETS = [f"results/{name}" for name in TABLES]
# The profile's seconds between looks at the queue suit jobs of minutes and hours. Nothing else differs from the profile.
SHORTER = {"slurm-init-seconds-before-status-checks": 1, "seconds-between-status-checks": 1, "latency-wait": 10}
PATIENCE = 240  # seconds that a fault waits for its moment, on a busy machine


@dataclass
class Run:
    """A run of snakemake on the cluster."""

    checkout: Checkout
    cluster: Cluster
    config: tuple[str, ...] = ()
    processes: list[subprocess.Popen] = field(default_factory=list)

    def start(self) -> None:
        """Start snakemake with the profile for SLURM, or start it again."""
        command = [sys.executable, "-m", "snakemake", "--directory", str(self.folder)]
        unlocked = [*command, "--unlock"] if self.processes else None
        with open(self.output_file, "a") as output:
            streams = {"stdout": output, "stderr": output, "cwd": self.checkout.root, "env": self._environment}
            if unlocked:
                subprocess.run(unlocked, check=True, timeout=120, **streams)
            self.processes.append(
                subprocess.Popen(
                    [*command, "--workflow-profile", "profiles/quick", *self.config, "--", *TARGETS], **streams
                )
            )

    def finish(self, seconds: float) -> None:
        """Wait for snakemake to end well."""
        code = self.processes[-1].wait(timeout=seconds)
        assert code == 0, self.output

    def kill(self) -> None:
        """End what this run has started, in whatever state it is."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.cluster.end_jobs()

    @property
    def folder(self) -> Path:
        return self.checkout.root / "demo"

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    @property
    def output_file(self) -> Path:
        return self.checkout.root / "output.txt"

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(self.checkout.root / "src"), "OMP_NUM_THREADS": "1"}

    def running(self, rule: str) -> str:
        """Wait for a running job of a rule, and return its number."""
        return wait_for(lambda: next(iter(self.cluster.jobs(rule, "RUNNING")), None), f"a job of {rule}", PATIENCE)

    def script_of(self, job: str) -> int:
        """Wait for the process of a job's script, and return its number."""

        def find() -> int | None:
            found = [number for number in self.cluster.processes(job) if "/scripts/tmp" in command_of(number)]
            return found[-1] if found else None

        return wait_for(find, f"the script of job {job}", PATIENCE)

    def training(self) -> str:
        """Wait until a ranking has trained some iterations, and return the number of its job."""
        job = self.running("models_ranking")
        log = self.folder / "results/logs/models_ranking/unsup-8M.log"
        wait_for(lambda: log.exists() and "iteration " in log.read_text(), "an iteration", PATIENCE)
        return job

    def says(self, text: str) -> None:
        """Wait until snakemake has printed a text."""
        wait_for(lambda: text in self.output, repr(text), PATIENCE)


def command_of(process: int) -> str:
    """The command line of a process, or nothing if the process has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def a_job_crashes(run: Run) -> None:
    """The process of a job is killed; the job fails, and the next attempt passes."""
    job = run.running("mining_track")
    os.kill(run.script_of(job), signal.SIGKILL)
    run.says("mining_track 0000")


def a_photo_is_missing(run: Run) -> None:
    """A photo is away when a job reads it; snakemake prints the job's own error in one line."""
    run.running("voc_proposals")
    photo = next((run.folder / "world/VOCdevkit").rglob("JPEGImages/*.jpg"))
    hidden = photo.rename(photo.with_suffix(".away"))
    run.says("voc_proposals")
    hidden.rename(photo)


def out_of_memory(run: Run) -> None:
    """A job takes more memory than it asked for; the next attempt asks for more."""
    run.says("mining_filter 0000")


def the_node_is_drained(run: Run) -> None:
    """The node takes no job for a while; those that wait start when it is back."""
    run.running("mining_filter")
    run.cluster.set_node("DRAIN")
    wait_for(lambda: run.cluster.jobs("", "PENDING"), "a job that waits for the node", PATIENCE)
    time.sleep(3)
    run.cluster.set_node("RESUME")


def a_training_is_preempted(run: Run) -> None:
    """SLURM asks a training to stop, and queues it again."""
    job = run.training()
    run.cluster.run("scancel", "--signal=TERM", "--full", job)
    run.cluster.requeue(job)


def a_job_is_cancelled(run: Run) -> None:
    """Somebody cancels a running job."""
    job = run.running("mining_track")
    run.cluster.run("scancel", job)


def snakemake_is_killed(run: Run) -> None:
    """Snakemake is killed while a training runs, and started again while that training still runs."""
    job = run.training()
    run.processes[-1].kill()
    run.processes[-1].wait()
    run.start()
    assert job in run.cluster.jobs("models_ranking", "RUNNING")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    try:
        with one_node() as made:
            yield made
    except CannotStart as error:
        pytest.exit(f"make test-slurm: {error}", 1)


@pytest.fixture(scope="session")
def experiment(cluster, tmp_path_factory, repository) -> Checkout:
    """The small experiment, of which nothing has run."""
    return make_small_experiment(tmp_path_factory.mktemp("made") / "small", repository)


@pytest.fixture(scope="session")
def undisturbed(experiment, tmp_path_factory) -> dict[str, bytes]:
    """The tables of a run on this machine alone."""
    checkout = experiment.copy(tmp_path_factory.mktemp("local") / "small")
    checkout.snakemake("--", *TARGETS)
    return tables_of(checkout)


@pytest.fixture
def run(cluster, experiment, tmp_path) -> Iterator[Run]:
    """A run in a folder whose name holds blanks."""
    made = Run(experiment.copy(tmp_path / "a small experiment"), cluster)
    write_profile(made.checkout.root)
    yield made
    made.kill()


def write_profile(root: Path, resources: dict | None = None) -> None:
    """Write the profile for SLURM with shorter seconds, as `profiles/quick`."""
    profile = yaml.safe_load((root / "profiles/slurm/config.yaml").read_text()) | SHORTER
    profile["set-resources"] |= resources or {}
    (root / "profiles/quick").mkdir()
    (root / "profiles/quick/config.yaml").write_text(yaml.safe_dump(profile))


def tables_of(checkout: Checkout) -> dict[str, bytes]:
    return {name: (checkout.root / "demo/results" / name).read_bytes() for name in TABLES}


def test_plain(run, undisturbed):
    t = time.time()
    run.start()
    run.finish(600)
    print("took", time.time() - t)
    print(run.output)
    assert tables_of(run.checkout) == undisturbed
