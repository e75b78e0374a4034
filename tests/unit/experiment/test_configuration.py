import copy
from pathlib import Path

import pytest
import yaml

from tracklearn.errors import UserError
from tracklearn.experiment import configuration

PAPER = Path(__file__).parents[3] / "config/config.yaml"


@pytest.fixture
def config():
    return yaml.safe_load(PAPER.read_text())


def changed(config, path, value):
    """The configuration with one value set, the blocks around it made where they are missing."""
    config = copy.deepcopy(config)
    block = config
    for key in path[:-1]:
        block = block.setdefault(key, {})
    block[path[-1]] = value
    return config


def test_the_papers_experiment_is_complete(config):
    whole = configuration.complete(config)
    assert [row["id"] for row in whole["table1"]][-1] == "rcnn-200K"
    assert len(whole["table1"]) == 12
    assert whole["mining"]["filter"]["box"] == 227  # PAPER §4
    assert whole["schedules"]["ranking-1.5M"]["momentum"] == 0.9


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("mining", "track", "fames"), 30, "config: mining.track.fames: unknown key; did you mean frames?"),
        (("minning",), {}, "config: minning: unknown key; did you mean mining?"),
        (("mining", "filter", "noise"), 25, "config: mining.filter.noise is 25; expected a number from 0 to 1"),
        (("models", "unsup-5M", "from"), "unsup-5M-ftt", "config: models.unsup-5M: unknown parent unsup-5M-ftt"),
        (("models", "unsup-5M", "subset"), "6M", "config: models.unsup-5M: unknown subset 6M"),
        (("models", "unsup-5M", "schedule"), "ranking", "config: models.unsup-5M: unknown schedule ranking"),
        (("models", "unsup-5M"), {"train": "ranking"}, "models.unsup-5M: train: ranking needs from, schedule, sub"),
        (("models", "random-1", "weights"), "x", "config: models.random-1: train: none has no use for weights"),
        (("models", "scratch-1", "frozen"), True, "config: models.scratch-1: train: voc has no use for frozen"),
        (
            ("models", "released-caffenet", "weights"),
            "caffenet",
            "config: models.released-caffenet.weights is 'caffenet'; expected a file that ends in .safetensors or",
        ),
        (("comparisons",), [["scratch", "mine"]], "config: comparisons: unknown row mine; known: "),
        (("table1",), [], "config: comparisons: unknown row unsup-ft-8M; known: none; or write `comparisons: []`"),
        (("mining", "filter", "box"), 500, "config: mining.filter.box is 500; expected at most the frame's 448 pixels"),
        (
            ("mining", "filter", "noise"),
            0.8,
            "config: mining.filter.noise is 0.8, camera 0.75; expected noise < camera",
        ),
        (
            ("schedules", "voc-200K", "random_iterations"),
            5,
            "schedules.voc-200K: random_iterations means nothing to models.scratch-1",
        ),
        (("models", "elda"), {"train": "none", "seed": 1}, "config: models.elda: elda is a method of section 6; give"),
        (("models", "gist"), {"train": "none", "seed": 1}, "config: models.gist: gist is a method of section 6; give"),
        (("scenes", "lists"), None, "config: scenes.lists is null, not MIT Indoor-67's lists; set scenes.download: f"),
        (("scenes", "lists"), ["a.txt", "b.txt"], "config: scenes.lists is a.txt and b.txt, not MIT Indoor-67's"),
        (("subsets", "5M", "share"), [0.8, 0.2], "config: subsets.5M.share is [0.8, 0.2]; expected an interval"),
    ],
)
def test_mistakes_are_named_in_one_line(config, path, value, message):
    with pytest.raises(UserError) as error:
        configuration.complete(changed(config, path, value))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_patches_of_another_size_than_the_input_are_an_error_where_a_network_takes_them(config):
    whole = configuration.complete(changed(config, ("patches", "size"), 100))
    with pytest.raises(
        UserError, match=r"^config: patches.size is 100, network.input_size 227; the network takes patc"
    ):
        configuration.check_patches(whole)


def test_a_cycle_of_parents_is_an_error(config):
    config["models"]["unsup-5M"]["from"] = "unsup-5M-ft-r1"
    with pytest.raises(UserError, match=r"a cycle of parents: .*unsup-5M"):
        configuration.complete(config)


def test_two_rows_of_one_id_are_an_error(config):
    config["table1"].append(dict(config["table1"][0]))
    with pytest.raises(UserError, match="two rows have the id scratch"):
        configuration.complete(config)


def test_a_row_of_an_unknown_model_is_an_error(config):
    config["table1"][0]["models"] = ["scrath-1"]
    with pytest.raises(UserError, match=r"row scratch: unknown model scrath-1; did you mean scratch-1\?"):
        configuration.complete(config)


def test_neither_the_order_of_keys_nor_1_for_1_0_changes_the_configuration(config):
    config["patches"] = {"min_change": 1, "quality": 90}
    config["network"] = {"bias": 1.0, "width": 1}
    other = {key: config[key] for key in reversed(config)}
    other["patches"] = {"quality": 90.0, "min_change": 1.0}
    other["network"] = {"width": 1.0, "bias": 1}
    other["models"] = dict(reversed(config["models"].items()))
    # Compared as text, as Snakemake compares parameters: order and digits count.
    assert repr(configuration.complete(config)) == repr(configuration.complete(other))


def test_a_default_that_is_written_out_changes_nothing(config):
    whole = configuration.complete(config)
    assert repr(configuration.complete(whole)) == repr(whole)
