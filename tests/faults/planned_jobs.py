"""The jobs of a finished experiment: what each reads and writes, and which can run beside each other."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from checkout import Checkout

VARYING = re.compile(r"log\.csv$|\.html$")  # names of outputs that hold times or addresses of runs


@dataclass(frozen=True)
class PlannedJob:
    """One job of a rule."""

    rule: str
    log: str
    inputs: frozenset[str]
    outputs: tuple[str, ...]


def planned_jobs(checkout: Checkout) -> list[PlannedJob]:
    """All jobs of the experiment that wrote a file."""
    rows = [line.split("\t") for line in checkout.snakemake("--detailed-summary").splitlines()]
    by_log: dict[tuple[str, str], list[list[str]]] = {}
    for row in rows:
        if row[0].startswith("results/"):
            by_log.setdefault((row[2], row[3]), []).append(row)
    return [
        PlannedJob(rule, log, frozenset(found[0][4].split(",")), tuple(row[0] for row in found))
        for (rule, log), found in by_log.items()
    ]


def needed(jobs: list[PlannedJob], targets: Iterable[str]) -> list[PlannedJob]:
    """The jobs behind some files."""
    maker = {output: job for job in jobs for output in job.outputs}
    found: dict[PlannedJob, None] = {}
    waiting = [maker[target] for target in targets]
    while waiting:
        job = waiting.pop()
        found[job] = None
        waiting += [maker[path] for path in job.inputs if path in maker]
    return list(found)


def one_of_each_rule(jobs: list[PlannedJob]) -> list[list[PlannedJob]]:
    """The first job of each rule, in batches: no job of a batch needs what another one writes."""
    maker = {output: job for job in jobs for output in job.outputs}

    @cache
    def depth(job: PlannedJob) -> int:
        return max((1 + depth(maker[path]) for path in job.inputs if path in maker), default=0)

    first: dict[str, PlannedJob] = {}
    for job in sorted(jobs, key=lambda job: job.log):
        first.setdefault(job.rule, job)
    batches: dict[int, list[PlannedJob]] = {}
    for job in first.values():
        batches.setdefault(depth(job), []).append(job)
    return [batches[number] for number in sorted(batches)]


def files_of(folder: Path, outputs: Iterable[str]) -> list[Path]:
    """The files that are these outputs, or lie in them."""
    return [path for name in outputs for path in [folder / name, *(folder / name).rglob("*")] if path.is_file()]
