"""Run the trials of some kinds, each in a process of its own that imports what its readers need."""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fuzz.regressions import FAILED_ONCE

KINDS = sorted(path.stem for path in Path(__file__).with_name("kinds").glob("[!_]*.py"))


def run(kind: str, numbers: list[int]) -> subprocess.CompletedProcess[str]:
    """The trials of a kind in a new process."""
    command = [sys.executable, "-m", "fuzz.trials", kind, *map(str, numbers)]
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent / "demo"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Read mutated inputs of each kind.")
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], help=f"of {', '.join(KINDS)} (default: all)")
    parser.add_argument("--tries", type=int, default=300, help="inputs of each kind (default: 300)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first input (default: 0)")
    given = parser.parse_args()
    numbers = range(given.first, given.first + given.tries)
    kinds = given.kinds or KINDS
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        ended = list(pool.map(lambda kind: run(kind, sorted({*numbers, *FAILED_ONCE.get(kind, ())})), kinds))
    for each in ended:
        print(each.stdout or each.stderr, end="")
    return int(any(each.returncode for each in ended))


if __name__ == "__main__":
    sys.exit(main())
