import numpy as np
import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.experiment.code_digests import Code
from tracklearn.networks.initial import random_network
from tracklearn.networks.weights import load_weights
from tracklearn.normals.codebook import read_words
from tracklearn.normals.learned_words import write_codebook
from tracklearn.normals.network import load_normals_net
from tracklearn.normals.train import train_normals
from tracklearn.normals.true_normals import write_truth
from tracklearn.training import loop

NETWORK = {"width": 1 / 8, "input_size": 99, "conv_std": 0.05, "fc_std": 0.02, "bias": 0.0}
SCHEDULE = {"lr": 0.0003, "iterations": 6, "batch": 4, "fc7_lr": 2}
CODEBOOK = {"words": 6, "cells": 4, "sample": 100}


@pytest.fixture
def arguments(nyuv2, write_split, tmp_path):
    """Arguments of a short training on six rooms, without those that name its outputs."""
    write_split(trainNdxs=range(1, 7), testNdxs=[7, 8])
    settings = {"nyuv2": str(tmp_path), "input_size": 67, "codebook": CODEBOOK}
    write_truth(nyuv2, tmp_path / "truth.h5")
    words, picture = tmp_path / "codebook.npz", tmp_path / "codebook.png"
    counted = write_codebook(tmp_path / "truth.h5", settings=settings, out=words, picture=picture)
    assert counted == {"words": 6, "pixels": 600}
    assert picture.read_bytes().startswith(b"\x89PNG")
    return {
        "truth": tmp_path / "truth.h5",
        "codebook": words,
        "settings": settings,
        "network": NETWORK,
        "schedule": SCHEDULE,
        "seed": 1,
        "threads": 1,
    }


@pytest.fixture
def train(arguments, tmp_path):
    """A function that trains and returns the path of the weights."""

    def trained(name, **changes):
        folder = tmp_path / name
        names = {"weights": "weights.safetensors", "log": "log.csv", "checkpoints": "kept", "conv1": "conv1.png"}
        train_normals(**arguments | {key: folder / file for key, file in names.items()} | changes)
        return folder / "weights.safetensors"

    return trained


def test_training_learns_rooms_and_says_what_it_learned(train):
    weights = train("long", schedule=SCHEDULE | {"iterations": 60, "dropout": 0}, saving={"log_every": 10})
    lines = (weights.parent / "log.csv").read_text().splitlines()
    assert lines[0] == "iteration,loss,lr,angular_error,images_per_s,waiting"
    losses, errors = ([float(line.split(",")[column]) for line in lines[1:]] for column in (1, 3))
    assert losses[-1] < 0.8 * losses[0]
    assert errors[-1] < errors[0]
    _, metadata = load_weights(weights, tensors=False)
    assert {key: metadata[key] for key in ("training", "cells", "words", "images")} == {
        "training": "normals",
        "cells": 4,
        "words": 6,
        "images": 6,
    }
    net = load_normals_net(weights)
    assert (net.cells, net.words, net.input_size) == (4, 6, 67)


def test_a_stopped_training_ends_in_the_same_bits(train, monkeypatch):
    whole = train("whole")

    def stopped(state, *_):
        if state.iteration == 4:
            raise KeyboardInterrupt

    saving = {"checkpoint_every": 2, "log_every": 1}
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_report_row", stopped)
        with pytest.raises(KeyboardInterrupt):
            train("parts", saving=saving)
    assert train("parts", saving=saving).read_bytes() == whole.read_bytes()


def test_frozen_conv_layers_stay_the_parents_and_others_learn(train, tmp_path):
    parent = tmp_path / "parent.safetensors"
    random_network(network=NETWORK | {"mean_bgr": [1, 2, 3]}, seed=7, weights=parent, conv1=tmp_path / "conv1.png")
    theirs, _ = load_weights(parent)
    frozen, tuned = (load_normals_net(train(str(kept), parent=parent, frozen=kept)) for kept in (True, False))
    for layer in ("conv1", "conv3", "conv5"):
        for kind in ("weight", "bias"):
            assert torch.equal(frozen.state_dict()[f"{layer}.{kind}"], theirs[f"{layer}.{kind}"])
        assert not torch.equal(tuned.state_dict()[f"{layer}.weight"], theirs[f"{layer}.weight"])
    assert frozen.mean_bgr == (1, 2, 3)
    untrained = load_normals_net(train("short", parent=parent, frozen=True, schedule=SCHEDULE | {"lr": 1e-12}))
    for layer in ("fc6", "fc7"):
        assert not torch.equal(frozen.state_dict()[f"{layer}.weight"], untrained.state_dict()[f"{layer}.weight"])


def test_a_resnet_answers_in_every_cell_and_keeps_its_statistics_where_it_is_frozen(train, tmp_path):
    network, parent = {"backbone": "resnet18"}, tmp_path / "parent.safetensors"
    random_network(network=network | {"input_size": 67}, seed=7, weights=parent, conv1=tmp_path / "conv1.png")
    short = {"network": network, "parent": parent, "schedule": SCHEDULE | {"iterations": 2}}
    frozen, tuned = (load_normals_net(train(f"resnet-{kept}", frozen=kept, **short)) for kept in (True, False))
    theirs, _ = load_weights(parent)
    assert all(torch.equal(frozen.state_dict()[name], values) for name, values in theirs.items())
    assert tuned.bn1.num_batches_tracked == 2 and not torch.equal(tuned.conv1.weight, theirs["conv1.weight"])
    assert tuned.fc7.weight.shape == (6, 512)
    with torch.inference_mode():
        scores = tuned.scores(tuned.to_input(torch.randint(0, 256, (2, 67, 67, 3), dtype=torch.uint8)))
    assert scores.shape == (2, 4, 4, 6) and len(scores[0].flatten(0, 1).unique(dim=0)) > 1


def test_the_factor_on_fc7_is_its_alone(train):
    slow, fast = (
        load_normals_net(train(str(factor), schedule=SCHEDULE | {"iterations": 1, "lr": 1e-4, "fc7_lr": factor}))
        for factor in (1, 100)
    )
    assert torch.equal(slow.conv3.weight, fast.conv3.weight)
    assert torch.equal(slow.fc6.weight, fast.fc6.weight)
    assert not torch.equal(slow.fc7.weight, fast.fc7.weight)


def test_fc7_starts_from_its_own_standard_deviation(train, arguments):
    untrained = {"schedule": SCHEDULE | {"iterations": 1, "lr": 1e-12}}
    nets = [
        load_normals_net(train(str(std), settings=arguments["settings"] | {"fc7_std": std}, **untrained))
        for std in (0.001, 0.1)
    ]
    assert [float(net.fc7.weight.detach().std()) for net in nets] == pytest.approx([0.001, 0.1], rel=0.1)
    assert torch.allclose(nets[0].fc6.weight, nets[1].fc6.weight, atol=1e-6)


def test_a_checkpoint_of_another_truth_is_refused(train, arguments, monkeypatch):
    def stopped(state, *_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_report_row", stopped)
        with pytest.raises(KeyboardInterrupt):
            train("parts", saving={"checkpoint_every": 1, "log_every": 2})
    words = read_words(arguments["codebook"])
    np.savez(arguments["codebook"], words=words[::-1])
    with pytest.raises(UserError, match="data"):
        train("parts")


def test_what_is_no_codebook_is_named(tmp_path):
    (tmp_path / "codebook.npz").write_bytes(b"")
    with pytest.raises(UserError, match=r"codebook.npz: cannot be read .*; delete it and run again"):
        read_words(tmp_path / "codebook.npz")


def test_an_edit_of_what_makes_the_truth_draws_or_decodes_trains_nothing_anew(repository):
    reached = {path.stem for path in Code().reachable(repository / "workflow/scripts/models/models_normals.py")}
    assert reached >= {"truth", "codebook", "nyuv2"}
    others = {"true_normals", "plane_fits", "axes", "given", "learned_words", "codebook_picture", "colours", "decoding"}
    assert not reached & (others | {"nyuv2_writing", "nyuv2_pictures", "download"})
