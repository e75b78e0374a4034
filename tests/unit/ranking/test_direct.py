"""`tracklearn.train_ranking`: the workflow's network from a call that needs pairs and a schedule alone."""

import re
import textwrap

import numpy as np
import pytest
import torch
import torchvision

import tracklearn
from tracklearn.errors import UserError
from tracklearn.networks.weights import build, load_weights
from tracklearn.patches.writing import Pair, write_shard
from tracklearn.ranking import direct
from tracklearn.ranking.train import train_ranking
from tracklearn.settings.training import RankingSchedule

NETWORK = {"width": 1 / 16, "ranking_fc7": 16, "conv_std": 0.05, "fc_std": 0.05, "bias": 0.0}
SCHEDULE = {"lr": 0.003, "random_iterations": 2, "iterations": 2, "batch": 12}
INFONCE = {"form": "infonce", "temperature": 0.2}


@pytest.fixture
def shard(tmp_path):
    rng = np.random.default_rng(1)
    pairs = [
        Pair(f"v{video}", (0, 30), np.zeros((2, 4)), 1.0, *rng.integers(0, 255, (2, 67, 67, 3)).astype(np.uint8))
        for video in range(8)
    ]
    path = tmp_path / "results" / "patches" / "00000.h5"
    write_shard(path, pairs, size=67, quality=95)
    return path


def trained(pairs, **changes):
    return tracklearn.train_ranking(
        pairs, **{"network": NETWORK, "schedule": SCHEDULE, "seed": 3, "threads": 1, **changes}
    )


def same(net, other):
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_it_returns_the_workflow_s_network_and_writes_nothing(tmp_path, shard, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    rows = []
    net = trained(
        tracklearn.pairs(shard.parent),
        report=lambda step, row: rows.append((step, row["loss"])),
        saving={"log_every": 2},
    )
    assert files(tmp_path) == ["results/patches/00000.h5"]
    assert not net.training
    assert [step for step, _ in rows] == [2, 4]
    outputs = {name: tmp_path / name for name in ("weights", "log", "conv1", "checkpoints")}
    network = NETWORK | {"input_size": 67}  # which the call takes from the patches
    train_ranking(stores=[shard], network=network, schedule=SCHEDULE, seed=3, threads=1, **outputs)
    assert same(net, build(outputs["weights"]))


def test_pairs_may_be_a_shard_or_several(shard):
    net = trained(shard)
    assert same(trained([shard]), net)
    assert same(trained(str(shard)), net)


def test_loss_and_augmentation_change_what_is_learned(shard):
    schedule = SCHEDULE | {"random_iterations": 0}
    paper, plain = trained(shard, schedule=schedule), trained(shard, schedule=schedule, loss=INFONCE)
    own = trained(shard, schedule=schedule, loss=INFONCE, augment={"colour": 0.5})
    within = trained(shard, schedule=schedule, loss=INFONCE | {"augment": {"colour": 0.5}})
    assert not same(paper, plain)
    assert not same(plain, own)
    assert same(own, within)
    assert same(trained(shard, schedule=schedule, loss=INFONCE | {"augment": {"colour": 0.5}}, augment={}), plain)


def test_with_a_folder_a_stopped_training_is_resumed_and_a_finished_one_is_returned(tmp_path, shard):
    def stop(step, row):
        if step == 3:
            raise KeyboardInterrupt

    saving, folder = {"log_every": 1, "checkpoint_every": 2}, tmp_path / "mine"
    with pytest.raises(KeyboardInterrupt):
        trained(shard, folder=folder, saving=saving, report=stop)
    steps = []
    net = trained(shard, folder=folder, saving=saving, report=lambda step, row: steps.append(step))
    assert steps == [3, 4]
    assert same(net, trained(shard))
    assert {"log.csv", "newest.safetensors", "weights.safetensors"} < set(files(folder))
    loaded, _ = tracklearn.load(folder / "weights.safetensors")
    assert same(net, loaded)
    assert load_weights(folder / "weights.safetensors")[1]["pairs"] == 8
    assert same(trained(shard, folder=folder, report=lambda step, row: steps.append(step)), net)
    assert steps == [3, 4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 4}, "seed 3, and this training has 4; set seed back to 3"),
        ({"augment": {"grey": 0.5}}, "ranking.augment.grey absent, and this training has 0.5; take ranking.au"),
        ({"schedule": SCHEDULE | {"lr": 0.01}}, "schedule.lr 0.003, and this training has 0.01"),
    ],
)
def test_a_folder_of_other_settings_is_refused(tmp_path, shard, changes, message):
    folder = tmp_path / "mine"
    trained(shard, folder=folder)
    before = (folder / "weights.safetensors").read_bytes()
    with pytest.raises(UserError) as raised:
        trained(shard, folder=folder, **changes)
    assert str(raised.value).startswith(f"{folder}: the checkpoint was made with {message}")
    assert (folder / "weights.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": {"crp": 1}}, "augment.crp: unknown key; did you mean crop?"),
        (
            {"loss": {"form": "infonce"}},
            "schedule.random_iterations is 2; expected 0, since a loss of the form infonce",
        ),
        ({"schedule": {"lr": 0.1}}, "schedule.iterations is missing; it has no default"),
        ({"schedule": "ranking-5M"}, "schedule"),
        ({"network": "resnet18"}, "network"),
        ({"schedule": {"lr": 0.1, "iterations": 2, "batch": 12, "stages": "two"}}, "schedule: stages says how hard"),
        ({"network": {"input_size": 99}}, "ranking: the patches are 67 px and network.input_size is 99"),
        (
            {"schedule": SCHEDULE | {"lr": 1e30}},
            "training: the loss is nan within the",
        ),
    ],
)
def test_a_mistake_is_one_line(shard, changes, message):
    with pytest.raises(UserError) as raised:
        trained(shard, **changes)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("loss", "schedule", "random_iterations", "stages"),
    [
        (None, {}, 3, "one"),
        (INFONCE, {}, 0, "two"),
        (None, {"random_iterations": 2}, 2, "two"),
        (None, {"random_iterations": 2, "stages": "one"}, 2, "one"),
    ],
)
def test_without_random_iterations_all_are_random(shard, monkeypatch, loss, schedule, random_iterations, stages):
    given = {}
    monkeypatch.setattr(direct, "train", lambda net, *_, **arguments: given.update(arguments))
    trained(shard, loss=loss, schedule={"lr": 0.003, "iterations": 3, "batch": 12, **schedule})
    assert [given["schedule"].random_iterations, given["schedule"].stages] == [random_iterations, stages]
    assert given["schedule"].total == (5 if (random_iterations, stages) == (2, "two") else 3)


def test_a_settings_object_is_read_as_its_keys_are(shard, monkeypatch):
    given = {}
    monkeypatch.setattr(direct, "train", lambda net, *_, **arguments: given.update(arguments))
    trained(shard, schedule=RankingSchedule(lr=0.003, iterations=3, batch=12))
    assert given["schedule"].random_iterations == given["schedule"].total == 3


def test_a_parent_may_be_weights_of_torchvision_and_its_training_is_resumed(tmp_path, shard):
    theirs = torchvision.models.resnet18(num_classes=3)
    for name in ("resnet18.pth", "renamed.pth"):
        torch.save(theirs.state_dict(), tmp_path / name)

    def ranked(parent, **changes):
        network = {"backbone": "resnet18", "ranking_fc7": 8}
        schedule = {"lr": 1e-9, "iterations": 2, "batch": 12}
        return trained(shard, network=network, schedule=schedule, parent=tmp_path / parent, **changes)

    def stop(step, row):
        raise KeyboardInterrupt

    net = ranked("resnet18.pth")
    torch.testing.assert_close(net.state_dict()["conv1.weight"], theirs.conv1.weight)
    with pytest.raises(KeyboardInterrupt):
        ranked("resnet18.pth", folder=tmp_path / "mine", saving={"log_every": 1, "checkpoint_every": 1}, report=stop)
    assert same(ranked("renamed.pth", folder=tmp_path / "mine"), net)
    with pytest.raises(UserError, match=r"resnet18\.pth: .*expected torchvision's alexnet"):
        trained(shard, network={"backbone": "alexnet"}, parent=tmp_path / "resnet18.pth")


def test_a_setting_that_the_backbone_has_no_use_for_is_refused(shard):
    network = {"backbone": "resnet18", "bias": 0, "mean_bgr": [1, 2, 3]}
    with pytest.raises(UserError, match=r"^network: resnet18 has no use for bias, mean_bgr; take it out$"):
        trained(shard, network=network)


def test_the_example_of_its_documentation_trains(shard, monkeypatch):
    """With a stand-in for the loop, which would take minutes."""
    (example,) = re.findall(r"\n\n( +net = .*?\n +\)\n)", tracklearn.train_ranking.__doc__, re.DOTALL)
    given = {}
    monkeypatch.chdir(shard.parents[2])
    monkeypatch.setattr(direct, "train", lambda net, *_, **arguments: given.update(arguments))
    names = {"tracklearn": tracklearn}
    exec(textwrap.dedent(example), names)
    assert names["net"].input_size == 67
    assert given["schedule"].total == 2000
    assert given["identity"]["ranking"]["augment"] == {"crop": [0.5, 1.0], "colour": 0.4}
