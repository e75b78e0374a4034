"""Runs on a real SLURM of one node, with faults; each ends in the tables of an undisturbed run, byte for byte.

`make test-slurm` runs the two tests with several faults. `make test-slurm-all` also runs each fault by itself, and one
experiment whose jobs and scheduler are killed at random moments.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from checkout import Checkout
from cluster import CannotStart, Cluster, one_node, wait_for
from killing import kill_if_alive, unowned
from planned_jobs import planned_jobs
from small import TABLES, make_small_experiment

pytestmark = pytest.mark.timeout(2400)
OFTEN = Path(__file__).with_name("often.py")
# The profile's seconds suit jobs of minutes and hours. Nothing else differs from the profile.
SHORTER = {"slurm-init-seconds-before-status-checks": 1, "seconds-between-status-checks": 1, "latency-wait": 10}
# The first attempt of this rule asks for less than it takes, which is 740 MB here; the second attempt asks for enough.
TOO_LITTLE = {"models_normals": {"mem_mb": "350 * attempt ** 4"}}
PATIENCE = 300  # seconds that a fault waits for its moment, on a busy machine
KILLS, LONGEST = 10, 8.0  # at random moments; seconds between a look at the running jobs and a kill


@dataclass
class Run:
    """A run of snakemake on the cluster.

    Attributes:
        stopped_at: iteration of the checkpoint that a stopped training has written.
    """

    checkout: Checkout
    cluster: Cluster
    tables: tuple[str, ...] = TABLES
    options: tuple[str, ...] = ()
    processes: list[subprocess.Popen] = field(default_factory=list)
    stopped_at: int = 0

    def start(self) -> None:
        """Start snakemake with the profile for SLURM, or start it again."""
        folder = ["--directory", str(self.folder)]
        targets = [f"results/{name}" for name in self.tables]
        with open(self.output_file, "a") as output:
            environment = os.environ | {"PYTHONPATH": str(self.checkout.root / "src"), "OMP_NUM_THREADS": "1"}
            streams = {"stdout": output, "stderr": output, "cwd": self.checkout.root, "env": environment}
            command = [sys.executable, str(OFTEN), *folder, "--workflow-profile", "profiles/often", *self.options]
            self.processes.append(subprocess.Popen([*command, "--", *targets], **streams))

    def finish(self) -> dict[str, bytes]:
        """Wait for snakemake to end well, and return the tables."""
        assert self.processes[-1].wait() == 0, self.output
        return tables_of(self.checkout, self.tables)

    def end(self) -> None:
        """End what this run has started, in whatever state it is."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.cluster.end_jobs()
        # SLURM without cgroups may leave a process of a cancelled job alive.
        for process in [int(path.name) for path in Path("/proc").glob("[0-9]*")]:
            if str(self.checkout.root) in command_of(process):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def at_work(self) -> list[str]:
        """Processes whose working directory is the run's."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # the process has ended
                if process.joinpath("cwd").readlink().is_relative_to(self.checkout.root):
                    found.append(command_of(int(process.name)))
        return found

    @property
    def folder(self) -> Path:
        return self.checkout.root / "demo"

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    @property
    def output_file(self) -> Path:
        return self.checkout.root / "output.txt"

    def wait(self, happens: Callable[[], object], what: str) -> object:
        """Wait for something that happens before snakemake ends."""

        def happened() -> object:
            answer = happens()
            assert answer or self.processes[-1].poll() is None, f"snakemake ended before {what}\n{self.output}"
            return answer

        return wait_for(happened, what, PATIENCE)

    def jobs(self, rule: str, *states: str) -> dict[str, str]:
        """State of each job of a rule, by its number."""
        return self.cluster.jobs(self.folder, rule, *states)

    def running(self, rule: str = "") -> str:
        """Wait for a running job of a rule, and return its number."""
        return str(self.wait(lambda: next(iter(self.jobs(rule, "RUNNING")), ""), f"a job of {rule}"))

    def script_of(self, job: str) -> int:
        """Wait for the process of a job's script, and return its number."""

        def find() -> int:
            found = [number for number in self.cluster.processes(job) if "/.snakemake/scripts/" in command_of(number)]
            return found[-1] if found else 0

        return int(str(self.wait(find, f"the script of job {job}")))

    def training(self) -> str:
        """Wait until the ranking has trained some iterations, and return the number of its job."""
        job = self.running("models_ranking")
        self.wait(lambda: "iteration " in self.ranking_log, "an iteration")
        return job

    @property
    def ranking_log(self) -> str:
        """The log of the ranking, or nothing: Snakemake removes a log before an attempt."""
        log = self.folder / "results/logs/models_ranking/unsup-8M.log"
        with suppress(FileNotFoundError):
            return log.read_text()
        return ""

    def failure_of(self, rule: str) -> str:
        """Wait until snakemake says that a job of a rule failed, and return the line."""

        def find() -> str:
            return next((line for line in self.output.splitlines() if f"Z {rule} " in line and " failed: " in line), "")

        return str(self.wait(find, f"the failure of {rule}"))


def command_of(process: int) -> str:
    """The command line of a process, or nothing if the process has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def tables_of(checkout: Checkout, tables: tuple[str, ...]) -> dict[str, bytes]:
    return {name: (checkout.root / "demo/results" / name).read_bytes() for name in tables}


def a_job_crashes(run: Run) -> None:
    """The process of a job's script is killed; the next attempt passes."""
    os.kill(run.script_of(run.running("mining_track")), signal.SIGKILL)
    run.failure_of("mining_track")


def a_photo_is_missing(run: Run) -> None:
    """A photo is away when a job reads it: snakemake prints the job's own error, and the next attempt passes."""
    run.running("voc_proposals")
    photo = min((run.folder / "world/VOCdevkit").rglob("JPEGImages/*.jpg"))
    away = photo.rename(photo.with_suffix(".away"))
    line = run.failure_of("voc_proposals")
    away.rename(photo)
    assert photo.name in line


def memory_runs_out(run: Run) -> None:
    """The first attempt takes more memory than it asked for; the next one asks for more."""
    assert "exceeded memory limit" in run.failure_of("models_normals")


def the_node_is_drained(run: Run) -> None:
    """The node takes no further job for a while; the jobs wait until it is back."""
    run.running()
    run.cluster.set_node("DRAIN")
    waiting = str(run.wait(lambda: next(iter(run.jobs("", "PENDING")), ""), "a job that waits for the node"))
    time.sleep(3)
    assert waiting in run.jobs("", "PENDING")
    run.cluster.set_node("RESUME")


def a_training_is_preempted(run: Run) -> None:
    """SLURM asks a training to stop and queues its job again; it goes on from its checkpoint."""
    job = run.training()
    run.cluster.run("scancel", "--signal=TERM", job)
    run.cluster.requeue(job)
    pictures = list((run.folder / "results/checkpoints").rglob("conv1-*.png"))  # one beside each checkpoint
    assert pictures, "no checkpoint was written"
    run.stopped_at = max(int(picture.stem.removeprefix("conv1-")) for picture in pictures)
    run.wait(lambda: ": attempt 2 of " in run.ranking_log, "the second attempt")
    assert [*run.jobs("models_ranking")] == [job], "the job was sent again, not queued again"


def a_job_is_cancelled(run: Run) -> None:
    """Somebody cancels a running job; the next attempt passes."""
    job = run.running("mining_track")
    run.script_of(job)
    run.cluster.run("scancel", job)
    assert "CANCELLED" in run.failure_of("mining_track")


def snakemake_is_killed(run: Run) -> None:
    """Snakemake is killed while a training runs, and started again; the second job waits for the first."""
    job = run.training()
    run.cluster.run("scontrol", "suspend", job)  # so that the training is not over too soon
    run.processes[-1].kill()
    run.processes[-1].wait()
    run.start()
    waiting = rf"waiting for process \d+ on \S+ \(SLURM job {job}\)"
    run.wait(lambda: re.search(waiting, run.output), "a job that waits for the first one")
    run.cluster.run("scontrol", "resume", job)


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
def local(experiment, tmp_path_factory) -> Checkout:
    """A run on this machine alone."""
    checkout = experiment.copy(tmp_path_factory.mktemp("local") / "small")
    checkout.snakemake("--", *(f"results/{name}" for name in TABLES))
    return checkout


@pytest.fixture(scope="session")
def undisturbed(local) -> dict[str, bytes]:
    """The tables of a run on this machine alone."""
    return tables_of(local, TABLES)


@pytest.fixture
def run(cluster, experiment, undisturbed, tmp_path) -> Iterator[Run]:
    """A run in a folder whose name holds blanks."""
    made = Run(experiment.copy(tmp_path / "a small experiment"), cluster)
    write_profile(made.checkout.root)
    yield made
    made.end()


def write_profile(root: Path, resources: dict | None = None) -> None:
    """Write the profile for SLURM with shorter seconds, as `profiles/often`."""
    profile = yaml.safe_load((root / "profiles/slurm/config.yaml").read_text()) | SHORTER
    profile["set-resources"] |= resources or {}
    (root / "profiles/often").mkdir(exist_ok=True)
    (root / "profiles/often/config.yaml").write_text(yaml.safe_dump(profile))


def meets(run: Run, *faults: Callable[[Run], None]) -> dict[str, bytes]:
    """Let a run meet faults one after the other, and return its tables."""
    if memory_runs_out in faults:
        write_profile(run.checkout.root, TOO_LITTLE)
    start = time.monotonic()
    run.start()
    for fault in faults:
        fault(run)
        print(f"\n{time.monotonic() - start:4.0f} s: {fault.__name__.replace('_', ' ')}", end="")
    tables = run.finish()
    trained = [int(number) for number in re.findall(r"iteration (\d+) of", run.ranking_log)]
    assert trained == sorted(set(trained)), f"iterations were trained twice\n{run.ranking_log}"
    # The log is that of the last attempt. A training that does not resume comes to these iterations once more.
    assert all(iteration > run.stopped_at for iteration in trained), f"stopped at {run.stopped_at}\n{run.ranking_log}"
    assert "--unlock" not in run.output, run.output
    print(f"\n{time.monotonic() - start:4.0f} s: the run has ended")
    return tables


def test_a_drained_node_a_crash_preemption_and_too_little_memory(run, undisturbed):
    assert meets(run, the_node_is_drained, a_job_crashes, a_training_is_preempted, memory_runs_out) == undisturbed


def test_a_missing_photo_scancel_and_a_killed_snakemake(run, undisturbed):
    run.tables = ("table1.csv",)
    # The jobs get the size of the command line; with that of the file, all videos would be one shard.
    run.checkout.configure({"videos": {"shard_size": 1000}})
    run.options = ("--config", "videos={shard_size: 4}")
    tables = meets(run, a_photo_is_missing, a_job_is_cancelled, snakemake_is_killed)
    assert tables == {"table1.csv": undisturbed["table1.csv"]}


@pytest.mark.single
@pytest.mark.parametrize(
    "fault",
    [
        a_job_crashes,
        a_photo_is_missing,
        memory_runs_out,
        the_node_is_drained,
        a_training_is_preempted,
        a_job_is_cancelled,
        snakemake_is_killed,
    ],
)
def test_one_fault(run, undisturbed, fault):
    assert meets(run, fault) == undisturbed


def kill(run: Run, what: str, draw: random.Random) -> bool:
    """Kill a script, cancel a job or kill snakemake; False if no job runs any more."""
    jobs = [*run.jobs("", "RUNNING")]
    if not jobs or run.processes[-1].poll() is not None:
        return False
    job = draw.choice(jobs)
    if what == "scheduler":
        run.processes[-1].kill()
        run.processes[-1].wait()
    elif what == "job":
        run.cluster.run("scancel", job)
    else:
        scripts = [number for number in run.cluster.processes(job) if "/.snakemake/scripts/" in command_of(number)]
        for script in scripts:
            kill_if_alive(script)
        return bool(scripts)
    return True


@pytest.mark.single
def test_kills_at_random_moments(run, local, undisturbed):
    """The same command is given again when snakemake has ended, and nothing else."""
    draw, done = random.Random(0), []
    run.start()
    while len(done) < KILLS and run.processes[-1].poll() != 0:
        if run.processes[-1].poll() is not None:
            run.start()
        time.sleep(draw.uniform(0, LONGEST))
        what = ("script", "job", "scheduler")[len(done) % 3]
        if kill(run, what, draw):
            done.append(what)
            print(f"\n{len(done)} {what}", end="", flush=True)
    while run.processes[-1].wait() != 0:
        assert len(run.processes) < 2 * KILLS, run.output[-5000:]
        run.start()
    assert tables_of(run.checkout, TABLES) == undisturbed
    assert len(done) == KILLS
    # SLURM without cgroups may leave the inner snakemake of a cancelled job alive, which does nothing any more.
    wait_for(lambda: not any("runs.sender" in command for command in run.at_work()), "the end of the sender", 120)
    jobs = planned_jobs(local)
    assert unowned(run.folder, {output for job in jobs for output in job.outputs} | {job.log for job in jobs}) == []
    assert "Traceback" not in run.output
    assert "--unlock" not in run.output
