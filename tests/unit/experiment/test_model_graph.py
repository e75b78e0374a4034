import re
from pathlib import Path

import pytest
import yaml

from tracklearn.errors import UserError
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
        # Of the given network, whose file may not state its mean; with a parent, the mean is the parent's.
        ("mean_bgr", {"none", "given", "ranking", "imagenet", "voc", "normals"}),
    ],
)
def test_a_setting_of_the_network_concerns_these_trainings_only(config, key, depending):
    of_training = {
        config["models"][name]["train"]
        for name in config["models"]
        if key in model_graph.network_settings(config, name)
    }
    assert of_training == depending


def test_a_model_with_a_parent_does_not_depend_on_the_mean_of_the_configuration(config):
    for name, depends in (("scratch-1", True), ("unsup-5M", True), ("unsup-5M-ft", False), ("rcnn-70K-1", False)):
        assert ("mean_bgr" in model_graph.network_settings(config, name)) is depends, name


def test_a_stand_in_takes_the_place_of_an_absent_parent_and_of_a_row_s_model(config):
    config["table1"].append({"id": "direct", "models": ["imagenet-1", "imagenet-2"]})
    changed = model_graph.with_stand_ins(config, {"imagenet-1", "imagenet-2"})
    parents = {name: model.get("from") for name, model in changed["models"].items()}
    assert parents["rcnn-70K-1"] == parents["rcnn-200K"] == "released-caffenet"
    assert (parents["rcnn-70K-2"], parents["unsup-5M-ft"]) == ("imagenet-2", "unsup-5M")
    assert changed["table1"][-1]["models"] == ["released-caffenet", "imagenet-2"]
    assert model_graph.with_stand_ins(config, set())["models"] == config["models"]


@pytest.mark.parametrize("shape", [{"width": 0.25}, {"input_size": 99}])
def test_a_released_stand_in_of_another_shape_is_left_out(config, shape):
    config["network"] |= shape
    assert model_graph.with_stand_ins(config, {"imagenet-1"})["models"] == config["models"]


def test_an_unknown_stand_in_is_an_error(config):
    config["models"]["imagenet-1"]["stand_in"] = "caffenet"
    with pytest.raises(
        UserError, match=r"models\.imagenet-1: unknown stand_in caffenet; did you mean released-caffenet"
    ):
        model_graph.check_models(config)


def test_a_stand_in_that_descends_from_what_it_replaces_is_an_error(config):
    config["models"]["imagenet-1"]["stand_in"] = "rcnn-70K-1"
    with pytest.raises(UserError, match=r"a cycle of parents"):
        model_graph.with_stand_ins(config, {"imagenet-1"})


def test_the_filler_of_ranking_takes_the_place_of_the_general_one(config):
    assert "fc_std" in model_graph.network_settings(config, "unsup-5M")
    config["network"]["ranking_fc_std"] = 0.03
    assert "fc_std" not in model_graph.network_settings(config, "unsup-5M")
    assert "fc_std" in model_graph.network_settings(config, "scratch-1")


def test_a_model_s_loss_is_the_block_ranking_or_the_entry_that_it_names(config):
    config["losses"] = {"mild": {"form": "infonce"}, "wide": {"margin": 1.0}}
    config["ranking"] = {"negatives": 6}
    config["schedules"]["short"] = {"lr": 0.01, "iterations": 5, "batch": 8, "random_iterations": 0}
    config["models"]["unsup-5M"] |= {"loss": "mild", "schedule": "short"}
    config["models"]["unsup-8M"] |= {"loss": "wide"}
    whole = complete(config)
    found = [model_graph.loss_settings(whole, name) for name in ("unsup-1.5M", "unsup-5M", "unsup-8M")]
    assert [loss["form"] for loss in found] == ["paper", "infonce", "paper"]
    assert [loss.get("negatives") for loss in found] == [6, None, 4]  # an entry is whole by itself
    assert [loss["margin"] for loss in found] == [0.5, 0.5, 1.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "mld", "schedule": "short"}, "config: models.unsup-5M: unknown loss mld; did you mean mild?"),
        (
            {"loss": "mild"},
            "config: models.unsup-5M: schedules.ranking-5M.random_iterations is 150000; expected 0, since a loss "
            "of the form infonce chooses no negatives",
        ),
    ],
)
def test_a_loss_that_does_not_fit_is_named(config, changes, message):
    config["losses"] = {"mild": {"form": "infonce"}}
    config["schedules"]["short"] = {"lr": 0.01, "iterations": 5, "batch": 8, "random_iterations": 0}
    config["models"]["unsup-5M"] |= changes
    with pytest.raises(UserError) as raised:
        complete(config)
    assert str(raised.value) == message


@pytest.mark.parametrize("name", ["unsup+ft", "mine/first", "..", "two words"])
def test_a_name_that_cannot_be_a_folder_or_a_member_of_an_ensemble_is_refused(config, name):
    config["models"][name] = {"train": "none"}
    with pytest.raises(UserError, match=rf"^config: models\.{re.escape(name)}: expected a name of letters"):
        complete(config)


def test_only_ranking_has_a_loss(config):
    config["losses"] = {"mild": {}}
    config["models"]["scratch-1"]["loss"] = "mild"
    with pytest.raises(UserError, match=r"^config: models.scratch-1: train: voc has no use for loss; take it out$"):
        complete(config)


@pytest.fixture
def controls(config):
    """The configuration with a copy of unsup-5M for each kind of pairs, whose losses augment."""
    config["ranking"] = {"augment": {"crop": [0.5, 1]}}
    for kind in ("tracked", "still", "random-box", "any-frame", "one-patch"):
        config["models"][kind] = config["models"]["unsup-5M"] | {"pairs": kind}
    return config


def test_pairs_are_tracked_unless_the_entry_names_a_control(controls):
    whole = complete(controls)
    kinds = ("still", "random-box", "any-frame", "one-patch")
    assert [model_graph.kind_of_pairs(whole, kind) for kind in kinds] == [*kinds]
    assert model_graph.kind_of_pairs(whole, "unsup-5M") == "tracked"
    assert whole["models"]["tracked"] == whole["models"]["unsup-5M"]  # so that writing it out trains nothing again
    assert model_graph.with_seeds(whole)["models"]["still"]["pairs"] == "still"


def test_a_parent_may_have_the_name_of_a_kind_of_pairs(controls):
    controls["models"]["again"] = controls["models"]["unsup-5M"] | {"from": "tracked"}
    assert complete(controls)["models"]["again"]["from"] == "tracked"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"models": {"one-patch": {"pairs": "patch"}}},
            "config: models.one-patch.pairs is 'patch'; expected one of tracked, still, random-box, any-frame, "
            "one-patch",
        ),
        (
            {"models": {"scratch-1": {"pairs": "still"}}},
            "config: models.scratch-1: train: voc has no use for pairs; take it out",
        ),
        (
            {"ranking": {"augment": {"flip": 1.0}}},
            "config: models.one-patch.pairs is one-patch, but the loss does not augment its patches, and equal patches "
            "teach nothing; set its `augment`, for example `augment: {crop: [0.5, 1]}`",
        ),
        (
            {"patches": {"import": {"folder": "shared", "list": "pairs.txt", "pairs_per_shard": 2}}},
            "config: models.any-frame.pairs is any-frame, which is mined from videos, and patches.import brings pairs "
            "without videos; take patches.import out, or write pairs: tracked",
        ),
    ],
)
def test_pairs_that_no_training_can_have_are_named(controls, changes, message):
    for name, change in changes.pop("models", {}).items():
        controls["models"][name] = controls["models"][name] | change
    with pytest.raises(UserError) as raised:
        complete(controls | changes)
    assert str(raised.value) == message


def small(models=None, **blocks):
    """A configuration of a few models of several backbones."""
    entries = {
        "ours": {"train": "ranking", "from": "random", "subset": "all", "schedule": "rank"},
        "ours-ft": {"train": "voc", "from": "ours", "schedule": "labels"},
        "deep": {"train": "ranking", "backbone": "resnet18", "from": "random", "subset": "all", "schedule": "rank"},
        "deep-ft": {"train": "voc", "from": "deep", "schedule": "labels"},
        "theirs": {"train": "given", "backbone": "alexnet", "weights": "alexnet.pth"},
    }
    for name, changes in (models or {}).items():
        entries[name] = {**entries.get(name, {}), **changes}
    schedule = {"lr": 0.1, "iterations": 4, "batch": 4}
    schedules = {"rank": {**schedule, "random_iterations": 2}, "labels": schedule}
    return {"subsets": {"all": {"share": [0, 1]}}, "schedules": schedules, "models": entries, **blocks}


def test_models_of_several_backbones_stand_side_by_side():
    config = complete(small(network={"width": 0.5, "ranking_fc7": 64}))
    assert {name: model_graph.backbone_of(config, name) for name in config["models"]} == {
        "deep": "resnet18", "deep-ft": "resnet18", "ours": "caffenet", "ours-ft": "caffenet", "theirs": "alexnet",
    }  # fmt: skip
    assert model_graph.network_settings(config, "deep") == {
        "backbone": "resnet18", "input_size": 227, "ranking_fc7": 64,
    }  # fmt: skip
    assert model_graph.network_settings(config, "deep-ft") == {"backbone": "resnet18", "input_size": 227}
    assert model_graph.network_settings(config, "theirs") == {"backbone": "alexnet", "input_size": 227}
    ours = model_graph.network_settings(config, "ours")
    assert "backbone" not in ours and ours["width"] == 0.5  # the record that it had before there were others
    others = complete(small(network={"backbone": "resnet50"}))
    assert model_graph.backbone_of(others, "ours-ft") == "resnet50"


def of_clips(*models, figure="recall"):
    """A question about the column `clips`."""
    lines = {model: [model] for model in models}
    return {"id": "q", "question": "q", "data": "d", "seeds": 1, "lines": lines, "figures": [f"clips.{figure}"]}


def of_masks(model, layer):
    rows = [{"id": "a", "label": "a", "models": [model]}]
    return {"masks": {"davis": {"folder": "davis"}}, "rows": rows, "propagation": {"layer": layer}}


@pytest.mark.parametrize(
    ("models", "blocks", "message"),
    [
        (
            {"deep-ft": {"backbone": "alexnet"}},
            {},
            "models.deep-ft: its backbone is alexnet, but that of its parent deep is resnet18; give both one, or take",
        ),
        (
            {"shown": {"train": "imagenet", "from": "random", "schedule": "labels", "stand_in": "theirs"}},
            {},
            "models.shown: its backbone is caffenet, but that of its stand_in theirs is alexnet; give both one",
        ),
        (
            {"theirs": {"weights": "bvlc_reference_caffenet"}},
            {},
            "models.theirs: its backbone is alexnet, but bvlc_reference_caffenet is a caffenet; write backbone: caff",
        ),
        (
            {"deep-ft": {"transfer": "fc7"}, "deep": {"train": "given", "weights": "a.pth"}},
            {},
            "models.deep: train: given has no use for from, schedule, subset; take it out",
        ),
        (
            {"mine": {"train": "given", "weights": "a.pth"}},
            {},
            "models.mine: its backbone is caffenet, but a.pth is of torchvision; write one of alexnet, resnet18, "
            "resnet50",
        ),
        (
            {"mine": {"train": "given", "weights": "a.caffemodel", "backbone": "resnet50"}},
            {},
            "models.mine: its backbone is resnet50, but a.caffemodel is a caffenet; write backbone: caffenet",
        ),
        (
            {},
            {"frozen": of_masks("ours", "conv3")},
            "frozen.propagation.layer: models.ours (caffenet) has no cells in conv3; choose one of conv5, pool5",
        ),
        (
            {},
            {"frozen": of_masks("deep", "pool5")},
            "frozen.propagation.layer: models.deep (resnet18) has no cells in pool5; choose one of conv3, conv4, conv5",
        ),
        (
            {},
            {"frozen": {**of_masks("deep", "conv3"), "sets": {"mine": {"folder": "photos"}}, "layer": "fc8"}},
            "frozen.layer: models.deep (resnet18, train: ranking) has no fc8; choose one of pool5, fc7",
        ),
        (
            {},
            {"frozen": {"layer": "fc6", "pairs": {"clips": {"folder": "h"}}}, "questions": [of_clips("deep")]},
            "frozen.layer: models.deep (resnet18, train: ranking) has no fc6; choose one of pool5, fc7",
        ),
        (
            {},
            {"frozen": {"pairs": {"clips": {"folder": "h", "layer": "fc6"}}}, "questions": [of_clips("ours", "deep")]},
            "frozen.pairs.clips.layer: models.deep (resnet18, train: ranking) has no fc6; choose one of pool5, fc7",
        ),
        (
            {},
            {
                "frozen": {"masks": {"clips": {"folder": "h"}}, "propagation": {"layer": "pool5"}},
                "questions": [of_clips("deep", figure="J")],
            },
            "frozen.propagation.layer: models.deep (resnet18) has no cells in pool5; choose one of conv3, conv4, conv5",
        ),
        ({"deep": {"backbone": "resnet"}}, {}, "models.deep.backbone is 'resnet'; expected one of caffenet, alexnet"),
        (
            {"even": {"train": "scaled", "backbone": "resnet18", "subset": "all"}},
            {},
            "models.even: train: scaled, but batch normalisation scales the layers of its backbone resnet18; write",
        ),
        (
            {},
            {"gpus_per_training": 2},
            "models.deep: its backbone resnet18 normalises by the statistics of a batch, which several processes do",
        ),
        ({}, {"network": {"backbone": "alexnet", "width": 0.5}}, "network.width is 0.5, but alexnet has one width"),
        (
            {},
            {"table1": [{"id": "a", "label": "a", "models": ["deep-ft"]}]},
            "table1 row a: models.deep-ft (resnet18, train: voc) has no fc7; choose one of pool5, fc8",
        ),
        (
            {},
            {
                "retrieval": {"layer": "fc6"},
                "section6": {"retrieval": [{"id": "a", "label": "a", "models": ["ours", "deep"]}]},
            },
            "retrieval.layer: models.deep (resnet18, train: ranking) has no fc6; choose one of pool5, fc7",
        ),
    ],
)
def test_what_a_backbone_cannot_be_is_refused(models, blocks, message):
    with pytest.raises(UserError) as raised:
        complete(small(models, **{"comparisons": [], **blocks}))
    assert str(raised.value).startswith(f"config: {message}")


def test_fc7_is_not_taken_from_a_resnet():
    models = {
        "seen": {"train": "given", "backbone": "resnet18", "weights": "a.pth"},
        "seen-ft": {"train": "voc", "from": "seen", "schedule": "labels", "transfer": "fc7"},
    }
    with pytest.raises(
        UserError, match="seen-ft: transfer: fc7, but its backbone resnet18 has no fc7 to take; write tr"
    ):
        complete(small(models))
