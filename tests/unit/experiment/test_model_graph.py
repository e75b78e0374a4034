from pathlib import Path

import pytest
import yaml

from tracklearn.experiment import model_graph
from tracklearn.experiment.configuration import complete

PAPER = Path(__file__).parents[3] / "config/config.yaml"


@pytest.fixture
def config():
    return complete(yaml.safe_load(PAPER.read_text()))


def test_iterative_fine_tuning_is_a_chain(config):
    assert model_graph.ancestors(config, "unsup-5M-ft-r1-ft") == ["unsup-5M-ft-r1", "unsup-5M-ft", "unsup-5M"]


def test_seeds_copy_the_rows_with_all_their_models(config):
    config["evidence"] = {
        "seeds": 2,
        "rows": ["unsup-iterative"],
        "retrieval": {"random": ["random-1"]},
        "comparisons": [["unsup-iterative", "scratch"]],
    }
    seeded = model_graph.with_seeds(config)
    added = set(seeded["models"]) - set(config["models"])
    assert added == {
        "random-1-seed2", "unsup-5M-seed2", "unsup-5M-ft-seed2", "unsup-5M-ft-r1-seed2", "unsup-5M-ft-r1-ft-seed2",
    }  # fmt: skip
    assert seeded["models"]["unsup-5M-ft-seed2"]["from"] == "unsup-5M-seed2"
    assert seeded["models"]["unsup-5M-seed2"]["seed"] != config["models"]["unsup-5M"]["seed"]
    assert model_graph.rows_by_id(seeded)["unsup-iterative-seed2"]["models"] == ["unsup-5M-ft-r1-ft-seed2"]
    complete(seeded)


def test_a_model_that_saw_the_protocols_images_depends_on_it(config):
    dependent = {name for name in config["models"] if model_graph.depends_on_protocol(config, name)}
    assert {"scratch-1", "unsup-5M-ft", "unsup-5M-ft-r1", "rcnn-70K-1"} < dependent
    assert dependent.isdisjoint({"random-1", "unsup-5M", "imagenet-1"})


def test_object_crops_in_the_place_of_imagenet_depend_on_the_protocol(config):
    config["imagenet"]["folder"] = None
    assert model_graph.depends_on_protocol(config, "imagenet-1")


@pytest.mark.parametrize(
    ("key", "depending"),
    [
        ("ranking_fc7", {"ranking"}),
        ("ranking_fc_std", {"ranking"}),
        ("detection_fc7", {"none", "imagenet", "voc"}),
        ("fc8_std", {"imagenet", "voc"}),
        ("mean_bgr", {"none", "ranking", "imagenet", "voc"}),
    ],
)
def test_a_setting_of_the_network_concerns_these_trainings_only(config, key, depending):
    of_training = {
        config["models"][name]["train"]
        for name in config["models"]
        if key in model_graph.network_settings(config, name)
    }
    assert of_training == depending


def test_the_filler_of_ranking_takes_the_place_of_the_general_one(config):
    assert "fc_std" in model_graph.network_settings(config, "unsup-5M")
    config["network"]["ranking_fc_std"] = 0.03
    assert "fc_std" not in model_graph.network_settings(config, "unsup-5M")
    assert "fc_std" in model_graph.network_settings(config, "scratch-1")
