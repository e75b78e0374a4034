"""A copy of the project in which workflow tests run snakemake."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checkout:
    """A copy of the project that a test may edit, with its small world in demo/."""

    root: Path

    def snakemake(self, *arguments: str, folder: str = "demo", ok: bool = True) -> str:
        """Run snakemake in a folder of the copy; its whole output. Fails the test if it ends not as expected."""
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--directory",
            str(self.root / folder),
            "--cores",
            "2",
            *arguments,
        ]
        environment = os.environ | {"PYTHONPATH": str(self.root / "src"), "OMP_NUM_THREADS": "1"}
        run = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=570, check=False
        )
        output = run.stdout + run.stderr
        assert (run.returncode == 0) is ok, output
        return output

    def planned(self, *targets: str) -> dict[str, int]:
        """Jobs that a dry run says it would execute, by rule."""
        output = self.snakemake("--dry-run", "--quiet", "rules", "--", *targets)
        table = output.partition("Job stats:")[2].partition("total")[0]
        return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a piece of text that occurs in the file."""
        path = self.root / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))
