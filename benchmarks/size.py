"""What a list of 10 million videos costs: dry runs of Table 1 and of all pairs, and a job until it starts working.

Table 1 needs about 100 shards, whatever the length of the list; all pairs are five jobs a shard.

Jobs are started as on a cluster: each is a Snakemake of its own. A job is at work when its log begins; the processor
time is that until its end, for nothing is to be done. Goals: a dry run within 60 s and 4,096 MiB, a job at work within
1.5 s and 300 MiB.

    python -m benchmarks.size 100000
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tracklearn.videos.manifest import write_manifest

SNAKEFILE = Path(__file__).parents[1] / "Snakefile"
SIZES = 100_000, 10_000_000
SHARD = 1000
TABLE = "results/table1.csv"


class Cost(NamedTuple):
    """What a command took: seconds, seconds of processor time, and the largest resident memory of a process."""

    seconds: float
    cpu: float
    mib: float


def main(*sizes: int) -> None:
    """Print seconds and memory for lists of some lengths."""
    print("| videos | what | seconds | of the CPU, all | peak MiB |\n|---|---|---|---|---|", flush=True)
    for videos in sizes or SIZES:
        folder = Path(tempfile.mkdtemp(prefix="tracklearn-size-"))
        try:
            write_folder(folder, videos)
            for what, cost in measured(folder).items():
                print(f"| {videos:,} | {what} | {cost.seconds:.1f} | {cost.cpu:.1f} | {cost.mib:.0f} |", flush=True)
        finally:
            shutil.rmtree(folder)


def write_folder(folder: Path, videos: int) -> None:
    """A folder whose list has so many videos. The first shard has one, whose download fails at once."""
    (folder / "config").mkdir(parents=True)
    (folder / "config/config.yaml").write_text(f"videos: {{shard_size: {SHARD}, retries: 0}}\n")
    (folder / "data").mkdir()
    with open(folder / "data/videos.tsv", "w") as listed:
        listed.write(f"video_id\tsource\n{0:011x}\thttp://127.0.0.1:9/0.mp4\n")
        listed.writelines(f"{number:011x}\thttps://youtu.be/{number:011x}\n" for number in range(1, videos))
    write_manifest(folder / "results/videos/00000.tsv", [])
    (folder / "results/videos/shards.json").write_text("[1]")


def measured(folder: Path) -> dict[str, Cost]:
    """Costs of dry runs, of which the first reads the whole list, and of two jobs."""
    costs = {name: run(folder, "-n", TABLE) for name in ("dry run of a new list", "dry run")}
    costs["dry run of `pairs`"] = run(folder, "-n", "pairs")
    costs["dry run of `pairs`, `--quiet`"] = run(folder, "-n", "pairs", "--quiet")
    for rule in ("mining_filter", "videos_download"):
        job = ["--target-jobs", f"{rule}:shard=00000", "--allowed-rules", rule, "--force", "--mode", "remote"]
        log = folder / f"results/logs/{rule}/00000.log"
        costs[f"`{rule}` at work"] = run(folder, *job, *["--no-hooks", "--nolock", "--cores", "1"], until=log)
    return costs


def run(folder: Path, *arguments: str, until: Path | None = None) -> Cost:
    """Run Snakemake in a folder to its end; the seconds are those until a file is there, or until the end.

    Raises:
        RuntimeError: Snakemake ended with an error; has its last words.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE), "--directory", str(folder), *arguments]
    said = folder / "said.txt"
    start, seconds, ended = time.perf_counter(), 0.0, 0
    with said.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    while not ended:
        time.sleep(0.005)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not seconds and (ended or (until and until.exists())):
            seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and not (until and until.exists()):
        raise RuntimeError(f"{' '.join(command)}: {said.read_text()[-1000:]}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
