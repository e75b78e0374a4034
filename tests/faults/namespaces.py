"""A mount namespace of a test's own: what is mounted there, nobody else sees, and it goes with the test."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Namespace:
    """A mount namespace, which lives as long as the process `pid` in it."""

    pid: int

    def run(
        self, *command: str | Path, folder: str | Path = "/", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the namespace; what it writes to stderr is in the result's stdout."""
        enter = ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", "env", "-C", folder]
        return subprocess.run(
            [*enter, *command],
            env=os.environ | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )

    def must(self, *command: str | Path) -> None:
        """Run a command that must succeed."""
        result = self.run(*command)
        assert result.returncode == 0, result.stdout

    def path(self, path: Path) -> Path:
        """The path under which this process sees a path of the namespace."""
        return Path(f"/proc/{self.pid}/root{path}")


@contextmanager
def mount_namespace() -> Iterator[Namespace]:
    """A mount namespace, or a skip where the system does not allow one."""
    try:
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; exec sleep infinity"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError:
        pytest.skip("no mount namespace: unshare is not installed (util-linux)")
    try:
        if process.stdout.readline() != b"\n":
            pytest.skip(f"no mount namespace here: {process.stderr.read().decode().strip()}; run as root")
        yield Namespace(process.pid)
    finally:
        process.kill()
        process.wait()


def snakemake_in(
    space: Namespace, root: Path, targets: Sequence[str], *options: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run snakemake on the experiment in demo/ of a copy of the project."""
    command = [sys.executable, "-m", "snakemake", "--directory", "demo", "--cores", "1", *options, "--", *targets]
    ours = {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    return space.run(*command, folder=root, environment=ours | (environment or {}))
