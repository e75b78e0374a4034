"""What GitHub and the catalogue of Snakemake workflows read of this repository."""

import re

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


def test_the_catalogue_of_workflows_finds_what_it_asks_for(repository):
    usage = yaml.safe_load((repository / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    for path in ("workflow/Snakefile", "workflow/rules/common.smk", "config/README.md", ".test/config/config.yaml"):
        assert (repository / path).is_file(), path
    readme = (repository / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme  # by these words the catalogue finds a repository
