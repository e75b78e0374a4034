"""Do MLflow and the sender keep up with 5,000 runs, of which 200 at a time write?

    python -m benchmarks.records [runs [folder]]     default: 5,000 in a temporary folder

The runs are those of shards (four stages and a page each), of networks with their curves, and of the cells and pages of
a table that were made from them. Each job reports as often as those of the workflow do. One sender delivers meanwhile.
Then the UI is started, and the requests of its first page are timed, in a browser too where chromium is installed. On a
busy machine only the seconds of CPU say something.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil

from tracklearn.runs.sender import free_port
from tracklearn.runs.spool import Spool, key_of

JOBS_AT_ONCE = 200
STAGES = ("videos_download", "mining_filter", "mining_track", "patches_pack", "patches_gallery")
STEPS = 100  # points of a job's curves: one for each video of a shard
CELLS, NETWORKS = 1 / 25, 1 / 200  # of all runs
CURVES = {
    "videos_download": ("ok", "videos"),
    "patches_gallery": (),
    "models_ranking": ("loss", "lr", "positive_distance", "negative_distance", "spread", "images_per_second"),
}
PARAMS = {f"filtering.key{number}": "0.25" for number in range(20)}
TAGS = {f"version.library{number}": "1.2.3" for number in range(10)} | {"mlflow.source.type": "JOB", "threads": "8"}
TIMEOUT = 3600


class Job(NamedTuple):
    """One job: its rule, its place, the runs behind it, and the page or the cell that it makes."""

    rule: str
    number: int
    inputs: tuple[str, ...] = ()
    page: str | None = None
    cell: str | None = None

    @property
    def key(self) -> str:
        return key_of([self.rule, self.number])


def all_jobs(runs: int) -> Iterator[Job]:
    """The jobs of a workflow of `runs` jobs, in the order in which they may run."""
    networks, cells = max(1, int(runs * NETWORKS)), max(1, int(runs * CELLS))
    stores = []
    for shard in range((runs - networks - cells) // len(STAGES)):
        behind: tuple[str, ...] = ()
        for stage in STAGES:
            page = f"results/patches/{shard:05d}.html" if stage == STAGES[-1] else None
            job = Job(stage, shard, behind, page)
            yield job
            if not page:
                behind = (*behind[-1:], job.key)
        stores.append(behind[-1])
    trained = [Job("models_ranking", number, tuple(stores)) for number in range(networks)]
    yield from trained
    evaluated = [
        Job("detection_evaluate", number, (trained[number % networks].key,), cell=f"table1/voc2012-val/row{number}")
        for number in range(cells)
    ]
    yield from evaluated
    yield Job("tables_page", 0, tuple(job.key for job in evaluated), "results/table1.html")


def write(spool: Spool, job: Job) -> Iterator[None]:
    """Write the events of a job, one at each step."""
    steps = 1000 if job.rule == "models_ranking" else STEPS
    curves = CURVES.get(job.rule, ("videos", "found", "found_per_minute", "minutes_left"))
    network = f"net{job.number}" if job.rule.startswith("models_") else None
    tags = TAGS | {"rule": job.rule, "key": job.key, "host": "elsewhere"}
    start = {
        "name": f"{job.rule} {job.number:05d}",
        "params": PARAMS,
        "tags": tags,
        "inputs": {"input": list(job.inputs)},
        "datasets": [],
        "network": network,
        "cell": job.cell,
        "pages": [job.page] if job.page else [],
        "writer": None,
    }
    spool.append(job.key, {"event": "start", "time": time.time(), **start})
    for step in range(1, steps + 1 if curves else 1):
        yield
        values = dict.fromkeys(curves, step * 0.37)
        spool.append(job.key, {"event": "metrics", "time": time.time(), "step": step, "values": values})
    log = spool.folder(job.key) / f"artifacts/results/logs/{job.rule}/{job.number:05d}.log"
    log.parent.mkdir(parents=True)
    log.write_text("a line of a job's log\n" * 20)
    spool.append(
        job.key, {"event": "metrics", "time": time.time(), "step": 0, "values": {"pairs": 4700.0}, "final": True}
    )
    end = {"status": "FINISHED", "tags": {}, "line": "done in 2 h: 4,700 pairs"}
    spool.append(job.key, {"event": "end", "time": time.time(), **end})


def write_all(runs: int) -> int:
    """Write all runs, `JOBS_AT_ONCE` of them taking turns; return the number of events."""
    spool, jobs, events = Spool(), all_jobs(runs), 0
    writing = [write(spool, job) for _, job in zip(range(JOBS_AT_ONCE), jobs, strict=False)]
    while writing:
        turn = random.randrange(len(writing))
        events += 1
        if next(writing[turn], True):
            job = next(jobs, None)
            if job:
                writing[turn] = write(spool, job)
            else:
                del writing[turn]
    return events


def main(runs: int = 5000, folder: str | None = None) -> None:
    """Print how long writing, delivering and opening the UI take, and the size of the store."""
    place = Path(folder or tempfile.mkdtemp()).resolve()
    place.mkdir(parents=True, exist_ok=True)
    os.chdir(place)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    random.seed(0)
    try:
        deliver(runs)
        show()
    finally:
        if not folder:
            shutil.rmtree(place)


def deliver(runs: int) -> None:
    """Write the runs while a sender delivers them."""
    command = [sys.executable, "-m", "tracklearn.runs.sender", "follow"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as sender:
        watched, start = psutil.Process(sender.pid), time.perf_counter()
        events = write_all(runs)
        written = time.perf_counter() - start
        print(f"{events:,} events of {len(Spool().keys()):,} runs written in {written:.0f} s", flush=True)
        assert sender.stdin is not None
        sender.stdin.close()
        peak, cpu = 0.0, 0.0
        while sender.poll() is None:
            try:
                peak, times = max(peak, watched.memory_info().rss / 1e6), watched.cpu_times()
                cpu = times.user + times.system
            except psutil.Error:
                break
            time.sleep(1)
        print(
            f"all delivered {time.perf_counter() - start - written:.0f} s later, by {cpu:.0f} s of CPU and "
            f"{peak:.0f} MB of memory"
        )
    for name in ("mlflow.db", "artifacts", "runs", "sent"):
        print(f"results/mlflow/{name}: {_size(Path('results/mlflow', name)) / 1e6:.0f} MB on disk", flush=True)


def show() -> None:
    """Start the UI and time its first page: the newest runs, and all there is to choose columns from."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    start = time.perf_counter()
    command = [sys.executable, "-m", "tracklearn.runs.sender", "ui", "--port", str(port)]
    server = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None and time.perf_counter() - start < TIMEOUT:
            try:
                urlopen(f"{address}/health").close()
                break
            except URLError:
                time.sleep(0.2)
        print(f"the UI answers after {time.perf_counter() - start:.1f} s, {_cpu(server):.1f} s of CPU", flush=True)
        api = f"{address}/ajax-api/2.0/mlflow"
        found = _timed(server, "experiments", f"{api}/experiments/search", {"max_results": 100})["experiments"]
        experiment = next(one["experiment_id"] for one in found if one["name"] != "Default")
        page = {"experiment_ids": [experiment], "max_results": 100, "order_by": ["attributes.start_time DESC"]}
        runs = _timed(server, "the newest 100 runs", f"{api}/runs/search", page)["runs"]
        _timed(server, "100 runs of a rule", f"{api}/runs/search", page | {"filter": "tags.rule = 'mining_filter'"})
        _timed(server, "100 runs by a figure", f"{api}/runs/search", page | {"order_by": ["metrics.pairs DESC"]})
        _timed(server, "one run", f"{api}/runs/get?run_id={runs[0]['info']['run_id']}")
        browser = shutil.which("chromium") or shutil.which("google-chrome")
        if browser:
            shown = f"{address}/#/experiments/{experiment}/runs?workflowType=machine_learning"
            options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=15000", "--dump-dom"]
            for what in ("first", "again"):
                start, used = time.perf_counter(), _cpu(server)
                page_text = subprocess.run(
                    [browser, *options, shown], capture_output=True, text=True, timeout=120, check=False
                ).stdout
                there = page_text.count("models_ranking ") or page_text.count("detection_evaluate ")
                print(
                    f"chromium, {what}: {time.perf_counter() - start:.1f} s ({_cpu(server) - used:.1f} s of CPU of the "
                    f"server), {there} names of runs on the page"
                )
    finally:
        server.terminate()
        server.wait()


def _timed(
    server: psutil.Process, what: str, address: str, content: dict[str, object] | None = None
) -> dict[str, list[dict[str, dict[str, str]]]]:
    """The answer to a request, which is made three times; the times and the CPU of the server are printed."""
    seconds, cpu = [], []
    for _ in range(3):
        start, used = time.perf_counter(), _cpu(server)
        data = json.dumps(content).encode() if content else None
        with urlopen(Request(address, data, {"Content-Type": "application/json"})) as answer:
            found = answer.read()
        seconds.append(time.perf_counter() - start)
        cpu.append(_cpu(server) - used)
    print(
        f"{what}: {max(seconds):.2f} s at worst ({max(cpu):.2f} s of CPU), {min(seconds):.2f} s at best "
        f"({min(cpu):.2f} s of CPU), {len(found) / 1e3:.0f} kB",
        flush=True,
    )
    return json.loads(found)


def _cpu(process: psutil.Process) -> float:
    """Seconds of CPU that a process and its children have used."""
    times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    return sum(one.user + one.system for one in times)


def _size(path: Path) -> int:
    files = [path, *path.rglob("*")]
    return sum(512 * one.lstat().st_blocks for one in files)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
