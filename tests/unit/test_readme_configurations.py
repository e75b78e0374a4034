"""The configurations that README.md and config/README.md show fit the paper's, and can be planned."""

import re
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from tracklearn.experiment.configuration import complete
from tracklearn.experiment.plan import Plan
from tracklearn.experiment.targets import check_targets

REPOSITORY = Path(__file__).parents[2]


def shown(file):
    """The blocks of YAML in a file, as they are typed."""
    return re.findall(r"```yaml\n(.+?)```", (REPOSITORY / file).read_text(), re.DOTALL)


def with_the_papers(*texts):
    config = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    for text in texts:
        update_config(config, yaml.safe_load(text))
    return config


def test_each_configuration_of_the_readme_is_complete(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos, fine_tuned, frozen = shown("README.md")
    for texts in ([photos], [photos, fine_tuned], [frozen]):
        assert complete(with_the_papers(*texts))


def test_the_readmes_comparison_of_frozen_networks_can_be_planned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = Plan(with_the_papers(shown("README.md")[2]))
    Path("resnet18-f37072fd.pth").touch()
    check_targets(plan, ["results/frozen.csv"])
    assert [plan.network(name)["backbone"] for name in plan.frozen.networks()] == ["resnet18", "resnet18"]


def test_the_examples_of_the_settings_go_together():
    backbones, losses, controls, questions = shown("config/README.md")
    config = complete(with_the_papers(backbones, losses, controls, questions))
    assert [question["id"] for question in config["questions"]] == ["backbones"]


@pytest.mark.parametrize("file", ["README.md", "config/README.md"])
def test_blocks_of_yaml_are_found(file):
    assert len(shown(file)) >= 3
