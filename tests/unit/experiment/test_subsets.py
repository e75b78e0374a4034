from pathlib import Path

import pytest
import yaml

from tracklearn.experiment.configuration import complete
from tracklearn.experiment.subsets import inner_subsets, outermost_subsets, position, shards_needed, subset_shards

PAPER = Path(__file__).parents[3] / "config/config.yaml"


@pytest.fixture
def subsets():
    return complete(yaml.safe_load(PAPER.read_text()))["subsets"]


def test_positions_are_the_van_der_corput_sequence():
    assert [position(shard) for shard in range(8)] == [0, 0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875]


def shards(count, expected=10):
    return {f"{number:05d}": expected for number in range(count)}


def test_the_papers_subsets_are_disjoint_and_inside_the_largest(subsets):
    taken = {
        name: set(subset_shards(subset, expected_patches=shards(1000, 8000), packed_patches={}))
        for name, subset in subsets.items()
    }
    assert not taken["1.5M"] & taken["5M"]
    assert taken["1.5M"] | taken["5M"] < taken["8M"]
    assert {name: len(found) for name, found in taken.items()} == {"1.5M": 188, "5M": 625, "8M": 1000}


def test_an_appended_shard_changes_only_the_subsets_that_take_it():
    def taken(low, count):
        return subset_shards(
            {"share": [low, low + 0.5], "patches": None}, expected_patches=shards(count), packed_patches={}
        )

    assert taken(0, 7) == [*taken(0, 6), "00006"]  # position 0.375
    assert taken(0.5, 7) == taken(0.5, 6)


@pytest.mark.parametrize(("share", "needed"), [([0, 0.1], 1), ([0.1875, 0.8125], 2), ([0.7, 0.8], 4), ([0.1, 0.2], 5)])
def test_so_many_shards_are_needed_for_one_to_lie_in_a_share(share, needed):
    places = [position(number) for number in range(needed)]
    assert share[0] <= places[-1] < share[1]
    assert not any(share[0] <= place < share[1] for place in places[:-1])
    assert shards_needed(share) == needed


def test_the_outermost_subsets_are_counted_once(subsets):
    assert outermost_subsets(subsets) == ["8M"]
    assert sorted(outermost_subsets({name: subsets[name] for name in ("1.5M", "5M")})) == ["1.5M", "5M"]
    twins = {"few": {"share": [0, 1], "patches": 10}, "all": {"share": [0, 1], "patches": None}}
    assert outermost_subsets(twins) == ["all"]


def test_a_full_subset_takes_no_appended_shard():
    subset = {"share": [0, 1], "patches": 50}
    full = dict.fromkeys(shards(5), 10)
    assert subset_shards(subset, expected_patches=shards(9), packed_patches=full) == list(shards(5))


def test_a_poor_harvest_extends_the_plan_and_a_rich_one_does_not_shorten_it():
    subset = {"share": [0, 1], "patches": 50}
    assert subset_shards(subset, expected_patches=shards(9), packed_patches={"00000": 1}) == list(shards(6))
    assert subset_shards(subset, expected_patches=shards(9), packed_patches={"00000": 90}) == list(shards(5))


def test_smaller_subsets_lie_inside_the_largest(subsets):
    assert inner_subsets(subsets, "8M") == ["1.5M", "5M"]
    assert inner_subsets(subsets, "5M") == []
    everything = {name: subset | {"patches": None} for name, subset in subsets.items()}
    assert inner_subsets(everything, "8M") == ["1.5M", "5M"]


@pytest.mark.parametrize(
    ("name", "inner"), [("few", []), ("part", []), ("more", ["part", "few"]), ("all", ["part", "few", "more"])]
)
def test_an_inner_subset_wants_fewer_patches_and_the_smallest_comes_first(name, inner):
    subsets = {
        "all": {"share": [0, 1], "patches": None},
        "more": {"share": [0, 1], "patches": 2000},
        "few": {"share": [0, 1], "patches": 1000},
        "part": {"share": [0, 0.5], "patches": 1500},
    }
    assert inner_subsets(subsets, name) == inner
    assert inner_subsets(subsets | {"twin": subsets[name]}, name) == inner
    assert outermost_subsets(subsets | {"twin": subsets["all"]}) == ["twin"]
