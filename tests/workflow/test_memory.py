"""What jobs ask a cluster for fits what they take, and grows with each attempt."""

import json
import subprocess
import sys

import pytest
import yaml

from tracklearn.machine.limits import DECODED_IMAGES_BYTES, JOB_MB

MEGABYTE = 1e6  # a cluster's megabyte is this one or 1.05 times as large

PRINTS_MEMORY = """
import json
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

config = {{"gpus_per_training": 4, "features": {{"processes": 2}}}}
with SnakemakeApi(OutputSettings()) as api:
    workflow = api.workflow(
        ResourceSettings(cores=4), ConfigSettings(config), snakefile=Path({snakefile!r}), workdir=Path({folder!r})
    )._workflow
    stated = {{rule.name: rule.resources["mem_mb"] for rule in workflow.rules if "mem_mb" in rule.resources}}
    memory = {{rule: [mb.evaluate(None, attempt=n).value for n in (1, 2, 3)] for rule, mb in stated.items()}}
    print(json.dumps([memory, [rule.name for rule in workflow.rules if "gpu" in rule.resources]]))
"""


@pytest.fixture(scope="module")
def stated(repository, tmp_path_factory):
    """Megabytes by attempt of each rule that states them, and the rules that need a GPU, as Snakemake reads them."""
    folder = tmp_path_factory.mktemp("paper")
    (folder / "data").mkdir()
    (folder / "data/videos.tsv").write_text("video_id\tsource\n" + "".join(f"v{n}\tclip{n}.mp4\n" for n in range(1000)))
    program = PRINTS_MEMORY.format(snakefile=str(repository / "Snakefile"), folder=str(folder))
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr
    return json.loads(printed.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def memory(stated):
    """Megabytes of each rule that states them, by attempt; a training has four processes, a job of features two."""
    return stated[0]


@pytest.mark.parametrize(
    ("rule", "processes"), [("models_ranking", 4), ("models_supervised", 1), ("models_finetuning", 1)]
)
def test_a_training_s_memory_fits_its_images_and_its_net(memory, rule, processes):
    first, second, third = memory[rule]
    # The full network trains in 2.8 GB, measured with batches of 256 images; each process keeps images of its own.
    assert first * MEGABYTE >= processes * (DECODED_IMAGES_BYTES + 2.8e9)
    assert (second, third) == (2 * first, 3 * first)


def test_every_process_that_computes_features_counts(memory):
    for rule in ("features_extract", "detection_detect", "retrieval_precision", "figures_units"):
        assert memory[rule] == [2 * JOB_MB, 4 * JOB_MB, 6 * JOB_MB], rule


def test_every_rule_that_needs_a_gpu_states_its_memory(stated):
    memory, on_gpus = stated
    assert "models_normals" in on_gpus
    assert {rule for rule in on_gpus if rule not in memory} == set()
    for rule in ("models_normals", "normals_network", "normals_figure8", "retrieval_elda", "scenes_network"):
        assert memory[rule] == [JOB_MB, 2 * JOB_MB, 3 * JOB_MB], rule


def test_every_training_that_keeps_images_is_listed_here(repository):
    package = repository / "src/tracklearn"
    users = {path.parent.name for path in package.rglob("*.py") if "DECODED_IMAGES_BYTES" in path.read_text()}
    assert users == {"machine", "ranking", "supervised", "detection"}


def test_other_rules_get_more_at_the_next_attempt_too(repository):
    from snakemake.resources import Resource  # noqa: PLC0415

    profile = yaml.safe_load((repository / "profiles/slurm/config.yaml").read_text())
    default = Resource.from_cli_expression("mem_mb", str(profile["default-resources"]["mem_mb"]))
    given = {"input": [], "threads": 1, "rulename": "voc_proposals", "async_run": None}
    assert [default.evaluate(None, attempt=n, **given).value for n in (1, 2, 3)] == [JOB_MB, 2 * JOB_MB, 3 * JOB_MB]
    assert not any("mem_mb" in stated for stated in profile["set-resources"].values())  # it would hide that of the rule
