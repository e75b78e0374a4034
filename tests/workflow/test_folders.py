"""The folders of the project and of the user's data may have any name."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

NAME = "my 'own' \"photos\" #1 100%20 $HOME é 日"

PRINTS_ITS_CALL = """#!/bin/sh
pwd
for argument; do echo "$argument"; done
"""


@pytest.fixture
def project(repository, tmp_path) -> Path:
    """A copy of the workflow in a folder with such a name."""
    root = tmp_path / NAME
    for name in ("config", "src", "workflow", "profiles"):
        shutil.copytree(repository / name, root / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(repository / name, root / name)
    return root


@pytest.fixture
def make(project):
    """A function that runs make in the project and returns what Python was called with, in lines."""
    python = project / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(PRINTS_ITS_CALL)
    python.chmod(0o755)
    (project / ".venv/ready").touch()

    def run(*arguments: str) -> list[str]:
        # As typed in a terminal, even if make runs the tests.
        environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
        return subprocess.check_output(["make", *arguments], cwd=project, text=True, env=environment).splitlines()

    return run


def test_make_ui_shows_the_runs_of_a_folder(make, project):
    folder = project / "it's #2 at 50%"
    folder.mkdir()
    assert make("ui", f"DIR={folder.name}") == [str(folder), "-m", "tracklearn.runs.sender", "ui"]
    assert make("ui") == [str(project), "-m", "tracklearn.runs.sender", "ui"]


def test_make_real_takes_the_data_of_a_folder(make, project):
    lines = make("real", "CORES=3", "DATA=/disk 2/it's #2 at 50%")
    assert lines[:3] == [str(project), "examples/real_mini/prepare.py", "/disk 2/it's #2 at 50%"]
    assert lines[3:9] == [str(project), "-m", "snakemake", "--cores", "3", "--directory"]
    assert "(DATA=/disk 2/it's #2 at 50%)" in "".join(make("help", "DATA=/disk 2/it's #2 at 50%"))


def test_a_job_runs_with_an_interpreter_in_such_a_folder(project):
    # The scripts of rules run in a shell, to which Snakemake hands the path of the interpreter.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
    (packages,) = (project / ".venv/lib").glob("python*/site-packages")
    (packages / "more.pth").write_text(f"{project / 'src'}\n{sysconfig.get_path('purelib')}\n")
    weights = Path("results/models/random-1/weights.safetensors")
    settings = ["network={width: 0.25, input_size: 99}", "models={random-1: {seed: 5}}"]
    command = [project / ".venv/bin/python", "-m", "snakemake", "--directory", "a b's #2", "--cores", "1"]
    run = subprocess.run(
        [*command, "--config", *settings, "--", weights], cwd=project, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    # The whole network has 58 million weights, this one 4.6 million: the job has the settings of the command line too.
    assert 18e6 < (project / "a b's #2" / weights).stat().st_size < 19e6
