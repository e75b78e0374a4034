"""Runs of Snakemake whose processes are killed at random moments, and what may lie in a folder after all of them."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MARK = "TRACKLEARN_KILLED_RUN"  # environment variable that all processes of a run inherit


@dataclass
class KilledRuns:
    """The same command of Snakemake, given again after each kill, in a copy of the project.

    Attributes:
        root: the copy; the experiment is in demo/.
        targets: what Snakemake shall make.
        log: all that the runs print.
    """

    root: Path
    targets: list[str]
    log: Path
    scheduler: subprocess.Popen | None = None
    mark: str = field(default_factory=lambda: os.urandom(8).hex())

    def start(self) -> None:
        """Give the command."""
        command = [sys.executable, "-m", "snakemake", "--directory", "demo", "--cores", "2", "--", *self.targets]
        environment = os.environ | {
            "PYTHONPATH": str(self.root / "src"),
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(self.root / "tmp"),
            MARK: self.mark,
        }
        (self.root / "tmp").mkdir(exist_ok=True)
        with open(self.log, "ab") as log:
            self.scheduler = subprocess.Popen(command, cwd=self.root, env=environment, stdout=log, stderr=log)

    def processes(self) -> dict[int, str]:
        """Living processes of all runs, and the command of each."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:  # the process has ended
                continue
        return found

    def jobs(self) -> list[int]:
        """Processes of jobs."""
        return [pid for pid, command in self.processes().items() if ".snakemake/scripts/" in command]

    def kill(self, what: str, draw: random.Random) -> int:
        """SIGKILL one process of a job, the scheduler alone, or all processes; return how many."""
        scheduler = self.scheduler.pid
        killed = {"job": self.jobs, "scheduler": lambda: [scheduler], "all": lambda: [scheduler, *self.processes()]}
        pids = sorted(set(killed[what]()))
        if what == "job" and pids:
            pids = [draw.choice(pids)]
        for pid in pids:
            kill_if_alive(pid)
        if what != "job":
            self.scheduler.wait()
        return len(pids)

    def wait_for_job(self) -> bool:
        """Wait until a job runs; False if the run ended instead."""
        while self.scheduler.poll() is None:
            if self.jobs():
                return True
            time.sleep(0.3)
        return False


def kill_if_alive(pid: int) -> None:
    """SIGKILL a process that may have ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kills(runs: KilledRuns, number: int, seed: int, *, kinds: tuple[str, ...], longest: float) -> Iterator[str]:
    """Kill up to `number` times, in each of `kinds` by turns, and yield each kind.

    Each kill comes a random while after a job began, at most `longest` seconds.

    The command is given again when its run has ended. The journey ends early if the run succeeds.
    """
    draw = random.Random(seed)
    done = 0
    while done < number:
        if runs.scheduler is None or runs.scheduler.poll() is not None:
            runs.start()
        if runs.wait_for_job():
            time.sleep(draw.uniform(0, longest))
            what = kinds[done % len(kinds)]
            if runs.scheduler.poll() is None and runs.jobs() and runs.kill(what, draw):
                done += 1
                yield what
        elif runs.scheduler.returncode == 0:
            return


# Files and who they belong to, beside the outputs and the logs of rules. KEY is the key of a run or a digest.
OWNERS = {
    "the record of runs": (
        r"results/mlflow/runs/KEY/(events\.jsonl|alive|artifacts/.+|model/(weights\.safetensors|MLmodel))"
        r"|results/mlflow/outputs/KEY\.json"
    ),
    "the sender": (r"results/mlflow/(sent/local/KEY\.json|artifacts/.+|mlflow\.db|sender\.(log|lock))"),
    "the plan": (
        r"results/videos/shards\.json|results/models/packed_patches\.json|\.snakemake/tracklearn/(code|videos)\.json"
    ),
    "the index of pages": r"results/index\.html",
    "Snakemake": r"\.snakemake/(metadata/.+|log/.+\.log|iocache/.+)",
    "Snakemake's plugin for SLURM": r"\.snakemake/slurm_logs/.+",
}


def unowned(folder: Path, outputs: set[str]) -> list[str]:
    """Files below results/ and .snakemake/ of a folder that are no output and nobody's in `OWNERS`."""
    pattern = re.compile("|".join(OWNERS.values()).replace("KEY", "[0-9a-f]{20}"))
    files = [
        str(path.relative_to(folder))
        for top in ("results", ".snakemake")
        for path in (folder / top).rglob("*")
        if path.is_file()
    ]
    inside = tuple(f"{output}/" for output in outputs)
    return sorted(
        name for name in files if name not in outputs and not name.startswith(inside) and not pattern.fullmatch(name)
    )
