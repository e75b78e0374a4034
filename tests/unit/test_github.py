"""What GitHub and the catalogue of Snakemake workflows read of this repository."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml


@pytest.fixture
def job(repository):
    return yaml.safe_load((repository / ".github/workflows/tests.yml").read_text())["jobs"]["make"]


def test_github_runs_the_project_s_own_targets(job, repository):
    targets = re.search(r"^\.PHONY: (.*)$", (repository / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert {"lint", "test", "demo"} == set(job["strategy"]["matrix"]["target"]) <= set(targets)
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make setup", "make ${{ matrix.target }}"]


def test_actions_are_pinned_to_commits_and_packages_are_cached(job, repository):
    actions = [step["uses"] for step in job["steps"] if "uses" in step]
    assert len(actions) == 3
    for action in actions:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action)
    (python,) = (step["with"] for step in job["steps"] if "setup-python" in step.get("uses", ""))
    assert python["cache"] == "pip"
    assert (repository / python["cache-dependency-path"]).is_file()


@pytest.fixture
def usage(repository):
    return yaml.safe_load((repository / ".snakemake-workflow-catalog.yml").read_text())["usage"]


@pytest.fixture
def clone(repository, tmp_path):
    """The files that a clone would hold if the checkout were committed as it is."""
    command = ["git", "-C", str(repository), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout, so nobody knows which files a clone would hold")
    for name in filter(None, listed.stdout.split("\0")):
        if os.path.lexists(repository / name):  # not deleted
            (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(repository / name, tmp_path / "clone" / name, follow_symlinks=False)
    return tmp_path / "clone"


def snakemake(clone, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)


def test_the_catalogue_of_workflows_finds_what_it_asks_for(repository, usage):
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert (repository / "config/README.md").is_file()
    readme = (repository / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme  # by these words the catalogue finds a repository


def rules_of(graph):
    assert graph.returncode == 0, graph.stderr
    return set(re.findall(r'label = "(\w+)"', graph.stdout))


def test_the_catalogue_draws_the_rules_of_a_clone_without_data(clone, usage):
    drawn = rules_of(snakemake(clone, *shlex.split("-s workflow/Snakefile -c 1 -d .test --forceall --rulegraph")))
    assert {"all", "videos_download", "mining_track", "models_ranking", "tables_table1", "tables_table2"} <= drawn
    flags = shlex.split(usage["mandatory-flags"]["flags"])
    assert rules_of(snakemake(clone, *flags, "-c", "1", "--forceall", "--rulegraph")) == drawn


def test_the_catalogue_lints_a_clone_without_data(clone):
    linted = snakemake(clone, "--lint")
    findings = set(re.findall(r"^ +\* ([^:]+)", linted.stdout + linted.stderr, re.MULTILINE))
    assert findings == {"Specify a conda environment or container for each rule."}, linted.stdout + linted.stderr
