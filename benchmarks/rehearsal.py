"""The paper's experiment at its real counts: 1,000 shards of 100 videos, all tables and pages, tiny contents.

    python -m benchmarks.rehearsal [shards [share]]     prepare examples/rehearsal, run it and print the table
    python -m benchmarks.rehearsal --summary            print the table of a run that goes on, was stopped or is done

With a `share` below 1 there are fewer photos and rooms: `3 0.01` tries the rules in minutes.

Two runs of snakemake plan all jobs. The first ends with the packed shards. Mining as many pairs as real clips yield
would take days, so each shard then gets the tables of `PAIRS` pairs and `CANDIDATES` candidate frames, with JPEG files
of one colour. The second run meets them in the joins, trainings, pages and tables. A run that was stopped goes on where
it was. The table is results/rehearsal.md.
"""

import csv
import json
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import simplejpeg

from tracklearn.files import write_text
from tracklearn.mining.tables import FRAMES, TRACKS
from tracklearn.patches.writing import Pair, write_shard, write_summary
from tracklearn.videos.manifest import read_manifest

HERE = Path(__file__).parent.parent
FOLDER = HERE / "examples/rehearsal"
PAIRS, CANDIDATES = 4700, 14000  # of a shard
EVERY, SIDE = 5, 67  # seconds between two looks at the scheduler; side of a patch
GROWN = "results/rehearsal.grown"  # the shards that have all their pairs
LOOKS = "results/rehearsal.csv"
SAMPLE = ("run", "time", "outputs", "rss_mb", "cpu_s")


def main(shards: int = 1000, share: float = 1) -> None:
    """Prepare, run and print."""
    subprocess.run([sys.executable, FOLDER / "prepare.py", str(shards), str(share)], check=True)
    os.chdir(FOLDER)
    Path("results").mkdir(exist_ok=True)
    failed = snakemake("mining", "--until", "patches_pack")
    if not failed:
        grow()
        failed = snakemake("tables")
    print(summary())
    sys.exit(failed)


def snakemake(run: str, *options: str) -> int:
    """Run snakemake, look at its process every few seconds, and return its status."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(len(os.sched_getaffinity(0)))]
    command += ["--directory", str(FOLDER), *options, "--", "all", "cards"]
    with (
        open(f"results/rehearsal.{run}.log", "a") as log,
        subprocess.Popen(command, cwd=HERE, stdout=log, stderr=log) as process,
    ):
        ended = threading.Event()
        watch = threading.Thread(target=look, args=(run, psutil.Process(process.pid), ended))
        watch.start()
        try:
            return process.wait()
        finally:
            ended.set()
            watch.join()


def look(run: str, process: psutil.Process, ended: threading.Event) -> None:
    """Append a line about the scheduler to `LOOKS` every few seconds, until it has ended."""
    while True:
        try:
            cpu, rss = process.cpu_times(), process.memory_info().rss
        except psutil.Error:
            return
        new = not Path(LOOKS).exists()
        with open(LOOKS, "a", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([SAMPLE] * new)
            writer.writerow([run, time.time(), len(records()), rss / 1e6, cpu.user + cpu.system])
        if ended.wait(EVERY):
            return


def grow() -> None:
    """Give every packed shard the tables of a real one."""
    pool = [
        _without_tables(simplejpeg.encode_jpeg(np.full((SIDE, SIDE, 1), level, np.uint8), 30, "GRAY", "Gray"))
        for level in range(256)
    ]
    grown = set(Path(GROWN).read_text().split()) if Path(GROWN).exists() else set()
    for store in sorted(Path("results/patches").glob("?????.h5")):
        shard = store.stem
        if shard in grown:
            continue
        videos = [row.video_id for row in read_manifest(f"results/videos/{shard}.tsv") if row.ok]
        box = dict(zip("xywh", (4, 4, SIDE, SIDE), strict=True))
        tracked = {f"tracked_{side}": value for side, value in box.items()}
        tracked |= box | {"last_frame": 3, "score": 0.5, "status": "tracked"}
        _table(f"results/mining/{shard}/frames.csv", FRAMES, videos, CANDIDATES, verdict="rejected", reason="noise")
        _table(f"results/mining/{shard}/tracks.csv", TRACKS, videos, PAIRS, **tracked)
        pairs = (
            Pair(video, (0, 3), [list(box.values())] * 2, 0.5, pool[number % 256], pool[(number + 1) % 256])
            for number, video in enumerate(np.repeat(videos, -(-PAIRS // len(videos)))[:PAIRS].tolist())
        )
        write_summary(f"results/patches/{shard}.json", write_shard(store, pairs, size=SIDE, quality=30), {})
        with open(GROWN, "a") as file:
            file.write(f"{shard}\n")


def _table(path: str, columns: Sequence[str], videos: Sequence[str], count: int, **values: object) -> None:
    """Write a table of `count` rows, as many of each video, that differ in nothing else."""
    rest = ",".join(str(values.get(name, "")) for name in columns[2:])
    rows = np.repeat([f"{video},0,{rest}" for video in videos], -(-count // len(videos)))[:count]
    write_text(path, "\n".join([",".join(columns), *rows.tolist(), ""]))


def _without_tables(jpeg: bytes) -> bytes:
    """A JPEG file without its standard Huffman tables, which decoders know, and without JFIF's header."""
    kept, place = jpeg[:2], 2
    while jpeg[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(jpeg[place + 2 : place + 4])
        if jpeg[place + 1] not in (0xC4, 0xE0):
            kept += jpeg[place:end]
        place = end
    return kept + jpeg[place:]


def records() -> list[Path]:
    """Records of snakemake, one for each output of the jobs that are done."""
    folder = Path(".snakemake/metadata")
    return [Path(entry.path) for entry in os.scandir(folder)] if folder.is_dir() else []


def summary() -> str:
    """What is known of the run: the rules with the number and the mean seconds of their jobs, and the scheduler."""
    seconds: dict[str, dict[str, float]] = defaultdict(dict)  # of each job, which its log names
    for path in records():
        if path.is_file():
            record = json.loads(path.read_text())
            name = (record["log"] or record["input"])[0]
            seconds[record["rule"]][name] = record["endtime"] - record["starttime"]
    lines = ["| rule | jobs | s a job | longest, s | minutes |", "|---|---|---|---|---|"]
    for rule, of_jobs in sorted(seconds.items(), key=lambda item: -sum(item[1].values())):
        each = list(of_jobs.values())
        lines.append(f"| {rule} | {len(each):,} | {np.mean(each):.2f} | {max(each):.1f} | {sum(each) / 60:.1f} |")
    everything = [value for of_jobs in seconds.values() for value in of_jobs.values()]
    lines.append(f"| all | {len(everything):,} | | | {sum(everything) / 60:.1f} |")
    lines += [
        "",
        "| run | outputs | hours | planning, s | peak MB | CPU s | CPU ms an output |",
        "|---|---|---|---|---|---|---|",
    ]
    looks: dict[str, list[dict[str, float]]] = defaultdict(list)
    for row in csv.DictReader(Path(LOOKS).read_text().splitlines() if Path(LOOKS).exists() else []):
        looks[row.pop("run")].append({name: float(value) for name, value in row.items()})
    for run, seen in looks.items():
        done, cpu = seen[-1]["outputs"] - seen[0]["outputs"], seen[-1]["cpu_s"]
        first = next((row for row in seen if row["outputs"] > seen[0]["outputs"]), seen[-1])
        hours = (seen[-1]["time"] - seen[0]["time"]) / 3600
        planning, peak = first["time"] - seen[0]["time"], max(row["rss_mb"] for row in seen)
        lines.append(
            f"| {run} | {done:,.0f} | {hours:.2f} | {planning:.0f} | {peak:.0f} | {cpu:.0f} "
            f"| {1000 * (cpu - first['cpu_s']) / max(done, 1):.0f} |"
        )
    for folder in (".snakemake", "results", "results/mlflow", "results/patches"):
        files, size = _disk(folder)
        lines += ["", f"{folder}: {files:,} files, {size / 1e6:,.0f} MB on disk"]
    text = "\n".join(lines)
    Path("results/rehearsal.md").write_text(f"{text}\n")
    return text


def _disk(folder: str) -> tuple[int, int]:
    """Files below a folder and the bytes that they occupy; several names of a file count once."""
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            status = Path(path, name).lstat()
            found[status.st_ino] = 512 * status.st_blocks
    return len(found), sum(found.values())


if __name__ == "__main__":
    if sys.argv[1:] == ["--summary"]:
        os.chdir(FOLDER)
        print(summary())
    else:
        main(*map(int, sys.argv[1:2]), *map(float, sys.argv[2:]))
