"""The whole configuration: its defaults are the paper's, its schedules are of the kind that their models need."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from tracklearn.errors import UserError
from tracklearn.settings.base import Settings, is_block, key_of
from tracklearn.settings.experiment import Configuration
from tracklearn.settings.models import WAYS, Model
from tracklearn.settings.network import Network
from tracklearn.settings.training import RankingSchedule, SoftmaxSchedule

SCHEDULE = {"lr": 0.001, "iterations": 10, "batch": 4}


def message(config: Any) -> str:
    with pytest.raises(UserError) as error:
        Configuration.read(config)
    return str(error.value)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("mining.frame.height", 448),  # §4
        ("mining.frame.width", 600),  # §4
        ("mining.filter.moving_px", 0.5),  # §4
        ("mining.filter.noise", 0.25),  # §4
        ("mining.filter.camera", 0.75),  # §4
        ("mining.filter.box", 227),  # §4
        ("mining.track.frames", 30),  # §4
        ("mining.track.tracker", "hog"),  # §4: KCF, which was published with HOG
        ("patches.size", 227),  # §4
        ("patches.per_video", 80),  # §4: 8M patches of 100K videos
        ("network.ranking_fc7", 1024),  # §5.1
        ("ranking.margin", 0.5),  # §5.6
        ("ranking.negatives", 4),  # §5.6
        ("retrieval.k", 20),  # §6.1
        ("retrieval.layer", "pool5"),  # §6.1
        ("detection.svm.C", 0.001),  # R-CNN's rcnn_train
        ("detection.svm.negative_iou", 0.3),  # R-CNN's rcnn_train
        ("detection.svm.target_norm", 20),  # R-CNN's rcnn_feature_stats
        ("detection.svm.norm_of", "whole"),
        ("detection.detect.boxes_per_image", 40),  # R-CNN's rcnn_test
        ("detection.detect.nms", 0.3),  # R-CNN
        ("voc.proposals.k", [50, 100]),  # R-CNN's fast mode
    ],
)
def test_the_defaults_are_those_of_the_paper(place: str, value: Any) -> None:
    block: Any = Configuration().complete()
    for key in place.split("."):
        block = block[key]
    assert block == value


def test_random_negatives_come_first_for_150_thousand_iterations() -> None:
    assert RankingSchedule.read(SCHEDULE).random_iterations == 150_000  # §5.6


def blocks(settings: type[Settings], path: str = "") -> Iterator[tuple[str, type[Settings]]]:
    for name, field in settings.model_fields.items():
        place = f"{path}.{key_of(name, field)}" if path else key_of(name, field)
        for kind in (field.annotation, *get_args(field.annotation)):
            if is_block(kind):
                yield place, kind
                yield from blocks(kind, place)


@pytest.mark.parametrize(("place", "block"), list(blocks(Configuration)))
def test_each_class_knows_its_place(place: str, block: type[Settings]) -> None:
    assert block.where == place.replace("losses", "ranking")  # the entries of `losses` are further such blocks


def test_what_is_complete_is_read_again_unchanged() -> None:
    config = {
        "subsets": {"all": {"share": [0, 1]}},
        "schedules": {"a": SCHEDULE, "b": SCHEDULE},
        "models": {
            "net": {"train": "ranking", "from": "random", "subset": "all", "schedule": "a"},
            "tuned": {"train": "voc", "from": "net", "schedule": "b", "seed": 2},
        },
        "table1": [{"id": "row", "label": "a row", "models": ["tuned"]}],
        "evidence": {"seeds": 2, "rows": ["row"], "retrieval": {"net": ["net"]}, "comparisons": [["row", "row"]]},
    }
    complete = Configuration.read(config).complete()
    assert Configuration.read(complete).complete() == complete
    assert complete["schedules"]["a"]["random_iterations"] == 150_000
    assert complete["schedules"]["b"]["dropout"] == 0.5
    assert complete["table1"] == [
        {"id": "row", "label": "a row", "external": "", "models": ["tuned"], "layer": "fc7"},
    ]


def test_the_order_of_keys_and_the_spelling_of_numbers_make_no_difference() -> None:
    some = {
        "network": {"width": 1, "mean_bgr": [100, 101, 102]},
        "subsets": {"b": {"share": [0, 1], "patches": 4}, "a": {"share": [0, 0.5]}},
        "schedules": {"y": {"lr": 1, "iterations": 5, "batch": 2}, "x": {"lr": 1, "iterations": 5, "batch": 2}},
        "models": {"n": {"train": "none", "seed": 1}, "m": {"train": "none", "seed": 2}},
        "videos": {"timeout": 900, "list": "v.tsv"},
    }
    same = {
        "videos": {"list": "v.tsv", "timeout": 900.0},
        "models": {"m": {"seed": 2, "train": "none"}, "n": {"seed": 1, "train": "none"}},
        "schedules": {"x": {"batch": 2, "iterations": 5.0, "lr": 1.0}, "y": {"batch": 2, "iterations": 5, "lr": 1.0}},
        "subsets": {"a": {"share": [0.0, 0.5]}, "b": {"patches": 4.0, "share": [0.0, 1.0]}},
        "network": {"mean_bgr": [100.0, 101.0, 102.0], "width": 1.0},
    }
    first, second = (json.dumps(Configuration.read(config).complete()) for config in (some, same))
    assert first == second


def test_a_default_that_is_written_out_makes_no_difference() -> None:
    written = Configuration.read({"saving": {"checkpoint_minutes": 10}, "retrieval": {"k": 20}})
    assert json.dumps(written.complete()) == json.dumps(Configuration().complete())


def test_the_order_of_retrieval_lines_is_kept_since_the_first_is_the_reference() -> None:
    evidence = {"seeds": 1, "rows": ["r"], "retrieval": {"z": ["m"], "a": ["m"]}, "comparisons": [["r", "r"]]}
    assert list(Configuration.read({"evidence": evidence}).complete()["evidence"]["retrieval"]) == ["z", "a"]


def test_a_model_holds_only_the_keys_that_were_given() -> None:
    config = Configuration.read({"models": {"net": {"from": "random", "train": "voc"}}})
    assert config.models["net"].parent == "random"
    assert config.complete()["models"] == {"net": {"train": "voc", "from": "random"}}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"video": {}}, "config: video: unknown key; did you mean videos?"),
        (
            {"subsets": {"5M": {"share": [0, 1], "patches": 3}}},
            "config: subsets.5M.patches is 3; expected a whole number, at least 2 and a multiple of 2, or null",
        ),
        (
            {
                "schedules": {"r": {"lr": 0.1, "iterations": 5, "batch": 3}},
                "models": {"m": {"train": "ranking", "from": "random", "schedule": "r"}},
            },
            "config: schedules.r.batch is 3; expected an even number of patches, at least 4: "
            "pairs are ranked against pairs",
        ),
        (
            {"models": {"m": {"train": "none", "seed": -1}}},
            "config: models.m.seed is -1; expected a whole number, at least 0, or null",
        ),
        ({"gpus_per_training": 0}, "config: gpus_per_training is 0; expected a whole number, at least 1"),
        (
            {"voc": {"proposals": {"min_side": -1}}},
            "config: voc.proposals.min_side is -1; expected a whole number, at least 0",
        ),
        (
            {"subsets": {"5M": {"share": [1, 0]}}},
            "config: subsets.5M.share is [1.0, 0.0]; expected an interval from low to high",
        ),
        ({"subsets": {5: {"share": [0, 1]}}}, "config: subsets.5: the name is 5; expected text: put it in quotes"),
        ({"models": {"net": {"form": 1, "train": "voc"}}}, "config: models.net.form: unknown key; did you mean from?"),
        ({"models": {"net": {}}}, "config: models.net.train is missing; it has no default"),
        ({"table1": [{"id": "a", "label": 3, "models": ["m"]}]}, "config: table1[0].label is 3; expected text"),
        (
            {"table1": {"a": 1}},
            "config: table1 is {'a': 1}; expected a list of blocks with the keys id, label, external, models, layer",
        ),
        ({"schedules": 3}, "config: schedules is 3; expected a block that maps names to blocks"),
        ({"schedules": {"a": {"lr": 1, "batch": 1}}}, "config: schedules.a.iterations is missing; it has no default"),
    ],
)
def test_an_error_names_its_place_in_the_configuration(config: dict[str, Any], expected: str) -> None:
    assert message(config) == expected


def test_a_configuration_that_is_no_block_is_refused() -> None:
    assert message([]).startswith("config: top level is []; expected a block with the keys threads, gpus_per_training,")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("detection.protocol", "voc.protocol"),
        ("detection.images_per_shard", "voc.images_per_part"),
        ("detection.proposals", "voc.proposals"),
        ("detection.keep_features", "features.keep"),
        ("retrieval.models", "section6.retrieval"),
    ],
)
def test_a_key_that_moved_names_its_new_place(old: str, new: str) -> None:
    block, key = old.split(".")
    assert message({block: {key: None}}) == f"config: {old}: moved to {new}"


def test_a_schedule_is_of_the_kind_that_its_models_need() -> None:
    config = Configuration.read(
        {
            "schedules": dict.fromkeys(("ranks", "finetunes", "pretrains", "spare"), SCHEDULE)
            | {"spare-ranking": SCHEDULE | {"stages": "one"}},
            "models": {
                "a": {"train": "ranking", "schedule": "ranks"},
                "b": {"train": "voc", "schedule": "finetunes"},
                "c": {"train": "imagenet", "schedule": "pretrains"},
            },
        }
    )
    assert {name: type(schedule) for name, schedule in config.schedules.items()} == {
        "ranks": RankingSchedule,
        "finetunes": SoftmaxSchedule,
        "pretrains": SoftmaxSchedule,
        "spare": SoftmaxSchedule,
        "spare-ranking": RankingSchedule,
    }


@pytest.mark.parametrize(
    ("train", "key"), [("ranking", "dropout"), ("ranking", "fc8_lr"), ("voc", "random_iterations")]
)
def test_a_key_that_means_nothing_to_the_model_is_refused(train: str, key: str) -> None:
    config = {"schedules": {"s": {**SCHEDULE, key: 0}}, "models": {"net": {"train": train, "schedule": "s"}}}
    assert message(config) == f"config: schedules.s: {key} means nothing to models.net; take it out"


def test_a_schedule_serves_one_kind_of_training() -> None:
    models = {"a": {"train": "voc", "schedule": "s"}, "b": {"train": "ranking", "schedule": "s"}}
    expected = "config: schedules.s: models.b trains by ranking, models.a on labels; give each a schedule of its own"
    assert message({"schedules": {"s": SCHEDULE}, "models": models}) == expected


def test_every_way_of_training_has_its_record() -> None:
    assert set(WAYS) == set(get_args(Model.model_fields["train"].annotation))
    assert set().union(*(way.network for way in WAYS.values())) == set(Network.model_fields)
