"""Trials of one kind: each input in a forked process whose memory is limited; a death or a hang is a failure."""

import contextlib
import faulthandler
import hashlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, NamedTuple

from fuzz.mutations import mutated
from fuzz.regressions import FAILED_ONCE

MEMORY = 2 << 30  # bytes that a reader may use
PATIENCE = 60  # seconds of a core that a reader may take
HUNG = 600  # seconds until a reader counts as waiting for ever; other processes may keep the cores busy


class Outcome(NamedTuple):
    """What came of a trial: `right` (a result that holds what it must), `refused` (one line) or a failure."""

    number: int
    kind: str
    line: str


def trials(kind: str, numbers: Sequence[int]) -> list[Outcome]:
    """Run the trials with these numbers, which are the seeds."""
    module = import_module(f"fuzz.kinds.{kind}")
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        samples = Path(scratch, "samples")
        samples.mkdir()
        module.write_samples(samples)
        left = list(numbers)
        while left:
            done = _in_a_child(kind, module, Path(scratch), left)
            outcomes += done
            left = left[len(done) :]
    return outcomes


def _in_a_child(kind: str, module: ModuleType, scratch: Path, numbers: Sequence[int]) -> list[Outcome]:
    """Trials in one child process, up to the one in which it dies or hangs."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _be_the_child(kind, module, scratch, numbers, writing)
        finally:
            os._exit(1)  # whatever happens, the child does not go on with the work of its parent
    os.close(writing)
    outcomes: list[Outcome] = []
    reason = ""
    with open(reading, "rb") as answers:
        while len(outcomes) < len(numbers) and not reason:
            if not select.select([answers], [], [], HUNG)[0]:
                os.kill(child, signal.SIGKILL)
                reason = f"hung for {HUNG} s"
            elif line := answers.readline():
                outcomes.append(Outcome(*json.loads(line)))
            else:
                reason = "died"
    _, status = os.waitpid(child, 0)
    if len(outcomes) < len(numbers):
        ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit status {status >> 8}"
        outcomes.append(Outcome(numbers[len(outcomes)], "failed", f"{reason} ({ended})"))
    return outcomes


def _be_the_child(kind: str, module: ModuleType, scratch: Path, numbers: Sequence[int], answers: int) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    # Not the address space: torch maps more than 2 GB of it without using them.
    used = int(Path("/proc/self/status").read_text().partition("VmData:")[2].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()  # of pytest
    for number in numbers:
        time = resource.getrusage(resource.RUSAGE_SELF)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.ru_utime + time.ru_stime) + PATIENCE, resource.RLIM_INFINITY))
        outcome = _trial(kind, module, scratch, number)
        os.write(answers, json.dumps(outcome).encode() + b"\n")  # a line of less than PIPE_BUF is written whole
    os._exit(0)


def _trial(kind: str, module: ModuleType, scratch: Path, number: int) -> Outcome:
    """Read one mutated input in a folder of its own, which is then removed."""
    from tracklearn.errors import one_line  # noqa: PLC0415 (after the fork)

    case = scratch / "case"
    shutil.rmtree(case, ignore_errors=True)
    folder = case / "inside"
    shutil.copytree(scratch / "samples", folder)
    name = damage(kind, module, folder, number)
    failed_once = FAILED_ONCE.get(kind, {}).get(number)
    if failed_once and (found := hashlib.sha256((folder / name).read_bytes()).hexdigest()[:8]) != failed_once:
        line = f"{name}: the input of this seed was {failed_once} and is {found}, since a sample or a mutation changed"
        return Outcome(number, "failed", f"{line}: take that back, or find another seed of the same fault")
    before = _outside(scratch)
    os.chdir(folder)
    try:
        module.read(folder, name)
        outcome = Outcome(number, "right", name)
    except BaseException as error:
        line = one_line(error)
        if isinstance(error, MemoryError) or not line or not line.isprintable():
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{name}: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            outcome = Outcome(number, "failed", " ".join(text.split())[:1000])
        else:
            outcome = Outcome(number, "refused", f"{name}: {line}"[:1000])
    os.chdir(scratch)
    if (after := _outside(scratch)) != before:
        outcome = Outcome(number, "failed", f"{name}: files outside the folder: {sorted(after ^ before)[:3]}")
    return outcome


def damage(kind: str, module: ModuleType, folder: Path, number: int) -> str:
    """Mutate the file of a folder of samples that the number chooses; its name. Negative numbers change nothing."""
    names = module.mutated(folder)
    if number < 0:
        return str(names[number % len(names)])
    rng = Random(f"{kind} {number}")
    name = rng.choice(names)
    path = folder / name
    path.write_bytes(mutated(path.read_bytes(), rng, module.EDITS.get(path.suffix, ())))
    return str(name)


def _outside(scratch: Path) -> set[tuple[str, Any]]:
    """The files beside the folder of the case, with their sizes and times."""
    return {(str(path), state) for path, state in _states(scratch) if scratch / "case/inside" not in path.parents}


def _states(scratch: Path) -> Iterator[tuple[Path, Any]]:
    for path in scratch.rglob("*"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            yield path, (found.st_mode, found.st_size, found.st_mtime_ns if path.is_file() else 0)


def main_of(kind: str, numbers: Sequence[int]) -> int:
    """Print a kind's failures and its counts; the number of failures."""
    outcomes = trials(kind, numbers)
    failed = [outcome for outcome in outcomes if outcome.kind == "failed"]
    for outcome in failed:
        print(f"{kind} {outcome.number}: {outcome.line}")
    right, refused = (sum(outcome.kind == one for outcome in outcomes) for one in ("right", "refused"))
    print(f"{kind}: {len(outcomes)} tries, {refused} refused, {right} right, {len(failed)} failed", flush=True)
    return len(failed)


if __name__ == "__main__":
    sys.exit(bool(main_of(sys.argv[1], list(map(int, sys.argv[2:])))))
