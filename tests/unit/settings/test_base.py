"""How a block is read, and the line that each kind of error gives."""

from collections import UserDict
from typing import Any

import pytest

from tracklearn.errors import UserError
from tracklearn.settings.base import Settings
from tracklearn.settings.detection import Detect, Svm
from tracklearn.settings.mining import Filtering, Mining
from tracklearn.settings.network import Network
from tracklearn.settings.patches import Packing, Patches, Subset
from tracklearn.settings.ranking import Loss
from tracklearn.settings.tables import Evidence, Row
from tracklearn.settings.training import Saving, Schedule
from tracklearn.settings.videos import Download, Videos
from tracklearn.settings.voc import Proposals, Voc

WRONG_VALUES: list[tuple[type[Settings], dict[str, Any], str]] = [
    (Filtering, {"moving_px": 0}, "mining.filter.moving_px is 0; expected a number above 0"),
    (Filtering, {"every": 0}, "mining.filter.every is 0; expected a whole number, at least 1"),
    (Filtering, {"every": 1.5}, "mining.filter.every is 1.5; expected a whole number, at least 1"),
    (Filtering, {"every": True}, "mining.filter.every is True; expected a whole number, at least 1"),
    (Filtering, {"min_points": 3}, "mining.filter.min_points is 3; expected a whole number, at least 4"),
    (Filtering, {"noise": 2}, "mining.filter.noise is 2; expected a number from 0 to 1"),
    (Filtering, {"overlays": 1}, "mining.filter.overlays is 1; expected true or false"),
    (Filtering, {"surf": "sift"}, "mining.filter.surf is 'sift'; expected one of fast-hessian, mahotas, opencv"),
    (Svm, {"evict": "low"}, "detection.svm.evict is 'low'; expected a number"),
    (Svm, {"evict": float("nan")}, "detection.svm.evict is nan; expected a number"),
    (Svm, {"C": float("inf")}, "detection.svm.C is inf; expected a number above 0"),
    (Loss, {"sampling": "mine"}, "ranking.sampling is 'mine'; expected one of paper, fork, or null"),
    (Videos, {"list": None}, "videos.list is None; expected text"),
    (Mining, {"resample_fps": -1}, "mining.resample_fps is -1; expected a number above 0, or null"),
    (Packing, {"quality": 101}, "patches.quality is 101; expected a whole number from 1 to 100"),
    (Packing, {"duplicate_bits": 65}, "patches.duplicate_bits is 65; expected a whole number from 0 to 64, or null"),
    (Packing, {"min_change": -1}, "patches.min_change is -1; expected a number, at least 0, or null"),
    (Network, {"mean_bgr": 100}, "network.mean_bgr is 100; expected a list of 3 numbers"),
    (Network, {"mean_bgr": [1, 2]}, "network.mean_bgr is [1, 2]; expected a list of 3 numbers"),
    (Network, {"mean_bgr": [1, 2, "3"]}, "network.mean_bgr is [1, 2, '3']; expected a list of 3 numbers"),
    (Subset, {"share": [0, 2]}, "subsets.share is [0, 2]; expected a list of 2 numbers from 0 to 1"),
    (Proposals, {"k": []}, "voc.proposals.k is []; expected a list of one or more numbers above 0"),
    (Proposals, {"colours": ["rgb"]}, "voc.proposals.colours is ['rgb']; expected a list of one or more of hsv, lab"),
    (Voc, {"classes": "cat"}, "voc.classes is 'cat'; expected a list of one or more names, or null"),
    (
        Row,
        {"id": "a b", "label": "", "models": ["m"]},
        "table1.id is 'a b'; expected text that matches ^[A-Za-z0-9_][A-Za-z0-9._-]*$",
    ),
]


@pytest.mark.parametrize(("block", "values", "message"), WRONG_VALUES)
def test_a_wrong_value_is_named_with_what_was_expected(
    block: type[Settings], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as error:
        block.read(values)
    assert str(error.value) == message


def test_a_range_that_excludes_its_upper_end_says_so() -> None:
    with pytest.raises(UserError) as error:
        Schedule.read({"lr": 0.1, "iterations": 1, "batch": 1, "momentum": 1})
    assert str(error.value) == "schedule.momentum is 1; expected a number, at least 0 and below 1"


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", "1.0e-3"), ("1.5E3", "1.5e+3"), ("2e+05", "2.0e+5"), ("0.5", "0.5")]
)
def test_a_number_that_yaml_reads_as_text_is_spelt_as_yaml_reads_a_number(text: str, number: str) -> None:
    with pytest.raises(UserError) as error:
        Schedule.read({"lr": text, "iterations": 1, "batch": 1}, where="schedules.readapt")
    expected = (
        f"schedules.readapt.lr is '{text}'; expected a number above 0: YAML reads '{text}' as text, write {number}"
    )
    assert str(error.value) == expected


@pytest.mark.parametrize("text", ["fast", "nan"])
def test_text_that_holds_no_number_is_not_spelt_again(text: str) -> None:
    with pytest.raises(UserError) as error:
        Saving.read({"log_every": text})
    assert str(error.value) == f"saving.log_every is '{text}'; expected a whole number, at least 1"


def test_an_unknown_key_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(UserError, match=r"^mining\.filter\.evry: unknown key; did you mean every\?$"):
        Filtering.read({"evry": 10})


def test_an_unknown_key_that_resembles_none_is_named_with_all_known_ones() -> None:
    with pytest.raises(UserError, match=r"^detection\.detect\.17: unknown key; known here: top, boxes_per_image, nms$"):
        Detect.read({17: 1})  # type: ignore[dict-item]


def test_an_unknown_key_is_reported_before_the_required_one_that_it_may_stand_for() -> None:
    with pytest.raises(UserError, match=r"^subsets\.shar: unknown key; did you mean share\?$"):
        Subset.read({"shar": [0, 1]})


def test_a_missing_key_is_named() -> None:
    with pytest.raises(UserError, match=r"^schedule\.batch is missing; it has no default$"):
        Schedule.read({"lr": 0.1, "iterations": 5})


@pytest.mark.parametrize(
    ("block", "values", "message"),
    [
        (Mining, {"filter": {"every": 0}}, "mining.filter.every is 0; expected a whole number, at least 1"),
        (Mining, {"filter": {"evry": 1}}, "mining.filter.evry: unknown key; did you mean every?"),
        (Mining, {"frame": 3}, "mining.frame is 3; expected a block with the keys height, width"),
        (Patches, {"import": {"folder": "f"}}, "patches.import.list is missing; it has no default"),
        (
            Patches,
            {"import": 3},
            "patches.import is 3; expected a block with the keys folder, list, pairs_per_shard, or null",
        ),
        (Mining, {"filter": {"noise": 0.8}}, "mining.filter.noise is 0.8, camera 0.75; expected noise < camera"),
    ],
)
def test_nested_blocks_report_their_whole_path(block: type[Settings], values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        block.read(values)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"retrieval": {}}, "evidence.retrieval is {}; expected a block that maps names to lists of one or more names"),
        ({"retrieval": {"random": 3}}, "evidence.retrieval.random is 3; expected a list of one or more names"),
        ({"comparisons": [["a"]]}, "evidence.comparisons is [['a']]; expected a list of one or more lists of 2 names"),
    ],
)
def test_lists_within_blocks_are_described(change: dict[str, Any], message: str) -> None:
    values = {"seeds": 2, "rows": ["a"], "retrieval": {"random": ["m"]}, "comparisons": [["a", "b"]]}
    with pytest.raises(UserError) as error:
        Evidence.read(values | change)
    assert str(error.value) == message


@pytest.mark.parametrize("share", [[0.5, 0.5], [0.7, 0.2]])
def test_an_interval_runs_from_low_to_high(share: list[float]) -> None:
    with pytest.raises(UserError) as error:
        Subset.read({"share": share}, where="subsets.5M")
    assert str(error.value) == f"subsets.5M.share is {share}; expected an interval from low to high"


def test_what_is_no_block_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"^detection\.detect is 3; expected a block with the keys top, boxes_per_image, nms$"
    ):
        Detect.read(3)  # type: ignore[arg-type]


def test_a_message_stays_one_short_line() -> None:
    with pytest.raises(UserError) as error:
        Detect.read({"top": "a\n" * 500})
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("values", [None, {}])
def test_nothing_gives_the_defaults(values: dict[str, Any] | None) -> None:
    assert Filtering.read(values) == Filtering()


def test_settings_that_were_read_are_returned_as_they_are() -> None:
    settings = Videos.read({"timeout": 10})
    assert Videos.read(settings) is settings
    assert Download.read(settings) is settings


def test_whole_numbers_and_numbers_are_taken_for_each_other_where_no_digit_is_lost() -> None:
    settings = Filtering.read({"every": 3.0, "moving_px": 1})
    assert (settings.every, type(settings.every)) == (3, int)
    assert (settings.moving_px, type(settings.moving_px)) == (1.0, float)
    bits = Packing.read({"duplicate_bits": 4.0}).duplicate_bits
    assert (bits, type(bits)) == (4, int)


def test_lists_are_taken_for_tuples_and_any_mapping_for_a_block() -> None:
    assert Network.read({"mean_bgr": [1, 2, 3]}).mean_bgr == (1.0, 2.0, 3.0)
    nested = Mining.read(UserDict({"filter": UserDict({"every": 7})}))
    assert nested.filter.every == 7


def test_defaults_have_the_type_of_values_that_are_read() -> None:
    assert type(Filtering().surf_threshold) is float
    assert Svm.read({"bias": 10}).complete() == Svm().complete()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Filtering().every = 3


def test_complete_holds_types_of_yaml_under_its_keys() -> None:
    patches = Patches.read({"import": {"folder": "f", "list": "l", "pairs_per_shard": 2}}).complete()
    assert patches["import"] == {"folder": "f", "list": "l", "pairs_per_shard": 2}
    assert Network().complete()["mean_bgr"] == [96.64, 102.75, 107.99]
