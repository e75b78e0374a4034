"""A copy of the project in which workflow tests run snakemake."""

import multiprocessing
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import yaml

# A server imports Snakemake once, and each run is a fork of it, which halves the time of a dry run. The server imports
# nothing of the project, whose code the tests edit.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "snakemake.cli",
        "snakemake.profiles",
        "snakemake.report.html_reporter",
        "nbformat.v4",
        "pydantic.main",
        "smart_open",
    ]
)


@dataclass(frozen=True)
class Checkout:
    """A copy of the project, with a small world in demo/, that a test may edit."""

    root: Path

    def snakemake(self, *arguments: str, folder: str = "demo", ok: bool = True) -> str:
        """Run snakemake in a folder of the copy and return its output; `ok` says whether it must succeed."""
        command = ["--directory", str(self.root / folder), "--cores", "2", *arguments]
        with NamedTemporaryFile("r") as file:
            run = FORKS.Process(target=_run_snakemake, args=(self.root, command, file.name))
            run.start()
            run.join(timeout=570)
            if run.is_alive():
                run.kill()
            output = file.read()
        assert (run.exitcode == 0) is ok, output
        return output

    def copy(self, root: Path) -> "Checkout":
        """Copy all but the records of runs, which are most of the files, to a new folder.

        The times of modification stay, by which Snakemake decides what is up to date.
        """

        def left_out(folder: str, names: list[str]) -> set[str]:
            return {*names} - {"mlflow.db"} if folder.endswith("results/mlflow") else set()

        shutil.copytree(self.root, root, copy_function=shutil.copy2, symlinks=True, ignore=left_out)
        return Checkout(root)

    def planned(self, *targets: str) -> dict[str, int]:
        """Number of jobs of each rule that a dry run would execute."""
        output = self.snakemake("--dry-run", "--quiet", "rules", "--", *targets)
        table = output.partition("Job stats:")[2].partition("total")[0]
        return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the first occurrence of `old` in a file, which must contain `old`."""
        path = self.root / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))

    def configure(self, changes: dict, *, reverse: bool = False) -> None:
        """Change the demo's configuration; `reverse` also writes the keys of every block in reverse order."""
        self._original.write_text(self._original.read_text() if self._original.exists() else self._config.read_text())
        blocks = merged(yaml.safe_load(self._config.read_text()), changes)
        self._config.write_text(yaml.safe_dump(reversed_keys(blocks) if reverse else blocks, sort_keys=False))

    def restore(self) -> None:
        """Restore the configuration from before the first `configure`."""
        self._config.write_text(self._original.read_text())

    @property
    def settings(self) -> dict:
        """The demo's configuration."""
        return yaml.safe_load(self._config.read_text())

    @property
    def _config(self) -> Path:
        return self.root / "demo/config/config.yaml"

    @property
    def _original(self) -> Path:
        return self.root / "config.before.yaml"


def _run_snakemake(root: Path, command: list[str], output: str) -> None:
    """Run Snakemake in this process with all that it prints in a file."""
    with open(output, "w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(root)
    os.environ |= {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    sys.argv = ["snakemake", *command]
    import snakemake.cli  # noqa: PLC0415

    snakemake.cli.main()


def merged(base: dict, over: dict) -> dict:
    """Merge `over` into `base`, block by block; values of `over` win."""
    result = dict(base)
    for key, value in over.items():
        both_blocks = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = merged(base[key], value) if both_blocks else value
    return result


def reversed_keys(block: dict) -> dict:
    """Reverse the order of the keys of a block and of all blocks inside it."""
    return {
        key: reversed_keys(value) if isinstance(value, dict) else value for key, value in reversed(list(block.items()))
    }
