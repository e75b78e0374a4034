import copy
from pathlib import Path

import pytest
import yaml

from tracklearn.errors import UserError
from tracklearn.experiment import configuration

REPOSITORY = Path(__file__).parents[3]
SCHEMA = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text())


@pytest.fixture
def config():
    return copy.deepcopy(yaml.safe_load((REPOSITORY / "config/config.yaml").read_text()))


def test_the_papers_experiment_is_valid(config):
    configuration.check(config, SCHEMA)
    assert [row["id"] for row in config["table1"]][-1] == "rcnn-200K"
    assert len(config["table1"]) == 12


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("mining", "track", "fames"), 30, "config: mining.track.fames: unknown key; did you mean frames?"),
        (("minning",), {}, "config: minning: unknown key; did you mean mining?"),
        (("mining", "filter", "noise"), 25, "config: mining.filter.noise: 25 is greater than the maximum of 1"),
        (("models", "unsup-5M", "from"), "unsup-5M-ftt", "config: models.unsup-5M: unknown parent unsup-5M-ftt"),
        (("models", "unsup-5M", "subset"), "6M", "config: models.unsup-5M: unknown subset 6M"),
        (("models", "unsup-5M", "schedule"), "ranking", "config: models.unsup-5M: unknown schedule ranking"),
        (("models", "unsup-5M"), {"train": "ranking"}, "models.unsup-5M: train: ranking needs from, schedule, sub"),
        (("models", "random-1", "weights"), "x", "config: models.random-1: train: none has no use for weights"),
        (("patches", "size"), 100, "config: patches.size is 100, network.input_size 227; the network takes patches as"),
        (("mining", "filter", "box"), 500, "config: mining.filter.box is 500; expected at most the frame's 448 pixels"),
        (
            ("mining", "filter", "noise"),
            0.8,
            "config: mining.filter.noise is 0.8, camera 0.75; expected noise < camera",
        ),
        (("schedules", "voc-200K", "hard_from"), 5, "schedules.voc-200K: hard_from means nothing to models.scratch-1"),
        (("subsets", "5M", "share"), [0.8, 0.2], "config: subsets.5M.share is [0.8, 0.2]; expected an interval"),
    ],
)
def test_mistakes_are_named_in_one_line(config, path, value, message):
    block = config
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = value
    with pytest.raises(UserError) as error:
        configuration.check(config, SCHEMA)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_cycle_of_parents_is_an_error(config):
    config["models"]["unsup-5M"]["from"] = "unsup-5M-ft-r1"
    with pytest.raises(UserError, match=r"a cycle of parents: .*unsup-5M"):
        configuration.check(config, SCHEMA)


def test_two_rows_of_one_id_are_an_error(config):
    config["table1"].append(dict(config["table1"][0]))
    with pytest.raises(UserError, match="two rows have the id scratch"):
        configuration.check(config, SCHEMA)


def test_a_row_of_an_unknown_model_is_an_error(config):
    config["table1"][0]["models"] = ["scrath-1"]
    with pytest.raises(UserError, match=r"row scratch: unknown model scrath-1; did you mean scratch-1\?"):
        configuration.check(config, SCHEMA)


def test_iterative_fine_tuning_is_a_chain(config):
    assert configuration.ancestors(config, "unsup-5M-ft-r1-ft") == ["unsup-5M-ft-r1", "unsup-5M-ft", "unsup-5M"]


def test_positions_are_the_van_der_corput_sequence():
    assert [configuration.position(shard) for shard in range(8)] == [0, 0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875]


def shards(count, expected=10):
    return {f"{number:05d}": expected for number in range(count)}


def test_the_papers_subsets_are_disjoint_and_inside_the_largest(config):
    taken = {
        name: set(configuration.subset_shards(subset, expected=shards(1000, 8000), packed={}))
        for name, subset in config["subsets"].items()
    }
    assert not taken["1.5M"] & taken["5M"]
    assert taken["1.5M"] | taken["5M"] < taken["8M"]
    assert {name: len(found) for name, found in taken.items()} == {"1.5M": 188, "5M": 625, "8M": 1000}


def test_an_appended_shard_changes_only_the_subsets_that_take_it():
    def taken(low, count):
        return configuration.subset_shards({"share": [low, low + 0.5]}, expected=shards(count), packed={})

    assert taken(0, 7) == [*taken(0, 6), "00006"]  # position 0.375
    assert taken(0.5, 7) == taken(0.5, 6)


def test_a_full_subset_takes_no_appended_shard():
    subset = {"share": [0, 1], "patches": 50}
    full = dict.fromkeys(shards(5), 10)
    assert configuration.subset_shards(subset, expected=shards(9), packed=full) == list(shards(5))


def test_a_poor_harvest_extends_the_plan_and_a_rich_one_does_not_shorten_it():
    subset = {"share": [0, 1], "patches": 50}
    assert configuration.subset_shards(subset, expected=shards(9), packed={"00000": 1}) == list(shards(6))
    assert configuration.subset_shards(subset, expected=shards(9), packed={"00000": 90}) == list(shards(5))


def test_seeds_copy_the_rows_with_all_their_models(config):
    config["evidence"] = {
        "seeds": 2,
        "rows": ["unsup-iterative"],
        "retrieval": {"random": ["random-1"]},
        "comparisons": [["unsup-iterative", "scratch"]],
    }
    seeded = configuration.with_seeds(config)
    added = set(seeded["models"]) - set(config["models"])
    assert added == {
        "random-1-seed2", "unsup-5M-seed2", "unsup-5M-ft-seed2", "unsup-5M-ft-r1-seed2", "unsup-5M-ft-r1-ft-seed2",
    }  # fmt: skip
    assert seeded["models"]["unsup-5M-ft-seed2"]["from"] == "unsup-5M-seed2"
    assert seeded["models"]["unsup-5M-seed2"]["seed"] != config["models"]["unsup-5M"]["seed"]
    assert configuration.all_rows(seeded)["unsup-iterative-seed2"]["models"] == ["unsup-5M-ft-r1-ft-seed2"]
    configuration.check(seeded, SCHEMA)
