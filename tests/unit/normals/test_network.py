import pickle

import numpy as np
import pytest
import torch
from reference.normals import loops_cells_loss
from worlds.directions import AROUND

from tracklearn.errors import UserError
from tracklearn.networks.backbone import Dropout, draw_kept
from tracklearn.networks.backbones import BACKBONES
from tracklearn.networks.caffenet import to_input
from tracklearn.networks.of_normals import NORMALS, NormalsNet
from tracklearn.networks.weights import save_weights
from tracklearn.normals.cells import unit
from tracklearn.normals.codebook import UNKNOWN, encode
from tracklearn.normals.network import NormalsObjective, cells_loss, codes_of, load_normals_net
from tracklearn.seeds import torch_generator

WORDS = torch.tensor(AROUND, dtype=torch.float32)


def net_of():
    return NormalsNet(cells=3, words=5, width=0.1, input_size=67, conv_std=0.05, fc_std=0.05)


def a_batch(count=4, seed=0):
    rng = np.random.default_rng(seed)
    normals = unit(rng.standard_normal((count, 3, 3, 3))).astype(np.float32)
    normals[0, 0] = 0
    images = rng.integers(0, 256, (count, 67, 67, 3), np.uint8)
    return torch.from_numpy(images), torch.from_numpy(normals)


def test_the_papers_network_gives_8000_scores_from_4096_units():
    with torch.device("meta"):
        net = NormalsNet(cells=20, words=20)
    assert net.fc7.weight.shape == (8000, 4096)
    assert net.fc6.weight.shape == (4096, 9216)
    assert not hasattr(net, "fc8")


def test_scores_are_fc7_without_relu_cell_by_cell():
    net, (images, _) = net_of(), a_batch()
    scores = net.scores(to_input(images))
    assert scores.shape == (4, 3, 3, 5)
    assert (scores < 0).any()
    fc6 = net(to_input(images), "fc6")
    assert torch.equal(scores[1, 2, 1], net.fc7(fc6)[1, (2 * 3 + 1) * 5 : (2 * 3 + 2) * 5])


def test_dropout_is_that_of_fc6():
    net, (images, _) = net_of(), a_batch()
    drawn = [
        net.scores(to_input(images), dropout=Dropout(0.5, draw_kept(0.5, len(images), [net.fc6.out_features], draws)))
        for draws in map(torch_generator, (1, 1, 2))
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_loss_is_that_of_loops():
    rng = np.random.default_rng(0)
    scores, codes = rng.standard_normal((3, 4, 4, 5)), rng.integers(-1, 5, (3, 4, 4))
    found = cells_loss(torch.tensor(scores), torch.tensor(codes))
    assert float(found) == pytest.approx(loops_cells_loss(scores, codes))


def test_equal_scores_cost_the_logarithm_of_the_words_in_every_cell():
    codes = torch.zeros(2, 20, 20, dtype=torch.int64)
    assert float(cells_loss(torch.zeros(2, 20, 20, 20), codes)) == pytest.approx(400 * np.log(20), rel=1e-5)
    codes[0] = UNKNOWN
    assert float(cells_loss(torch.zeros(2, 20, 20, 20), codes)) == pytest.approx(200 * np.log(20), rel=1e-5)


def test_cells_without_truth_have_no_gradient():
    scores = torch.randn(2, 3, 3, 5, requires_grad=True)
    codes = torch.full((2, 3, 3), UNKNOWN)
    codes[1, 2, 0] = 4
    cells_loss(scores, codes).backward()
    assert scores.grad[1, 2, 0].abs().sum() > 0
    scores.grad[1, 2, 0] = 0
    assert not scores.grad.any()


def test_a_batch_without_truth_costs_nothing():
    assert float(cells_loss(torch.randn(2, 3, 3, 5), torch.full((2, 3, 3), UNKNOWN))) == 0


def test_tensors_are_encoded_like_arrays():
    _, normals = a_batch()
    assert np.array_equal(codes_of(normals, WORDS), encode(normals.numpy(), WORDS.numpy()))


def test_the_objective_counts_known_cells_and_gives_the_same_at_every_call():
    net, batch = net_of(), a_batch()
    objective = NormalsObjective(words=WORDS, dropout=0.5, seed=1)
    loss, measurements = objective(net, batch, 3)
    assert loss.item() == objective(net, batch, 3)[0].item()
    assert loss.item() != objective(net, batch, 4)[0].item()
    assert 0 < measurements["angular_error"].item() < 180
    nothing = batch[0], torch.zeros_like(batch[1])
    loss, measurements = objective(net, nothing, 3)
    assert (loss.item(), measurements["angular_error"].item()) == (0, 0)


def test_a_few_steps_learn_a_batch_by_heart():
    net, (images, normals) = net_of(), a_batch()
    objective = NormalsObjective(words=WORDS, dropout=0, seed=0)
    losses = []
    for iteration in range(30):
        loss, _ = objective(net, (images, normals), iteration)
        for parameter, gradient in zip(net.parameters(), torch.autograd.grad(loss, net.parameters()), strict=True):
            parameter.data -= 0.01 * gradient
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_a_loaded_network_is_the_saved_one(tmp_path):
    net, (images, _) = NormalsNet(cells=3, words=5, width=0.1, input_size=67, mean_bgr=(1, 2, 3)), a_batch()
    save_weights(tmp_path / "net.safetensors", net, metadata={"training": "normals", "cells": 3, "words": 5})
    loaded = load_normals_net(tmp_path / "net.safetensors")
    assert (loaded.mean_bgr, loaded.input_size, loaded.training) == ((1, 2, 3), 67, False)
    assert torch.equal(loaded.scores(to_input(images, (1, 2, 3))), net.scores(to_input(images, (1, 2, 3))))


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"training": "ranking"}, "a network trained by ranking; expected one of surface normals"),
        ({}, "a network trained by unknown means; expected one of surface normals"),
        ({"training": "normals", "cells": 2, "words": 5}, r"fc7.weight has shape \(45, 410\), expected \(20, 410\)"),
    ],
)
def test_another_network_is_refused(tmp_path, metadata, message):
    save_weights(tmp_path / "net.safetensors", net_of(), metadata=metadata)
    with pytest.raises(UserError, match=message):
        load_normals_net(tmp_path / "net.safetensors")


def test_every_backbone_has_a_network_of_normals_that_pickles(tmp_path):
    assert set(NORMALS) == set(BACKBONES)
    for backbone, kind in NORMALS.items():
        assert issubclass(kind, BACKBONES[backbone]) and pickle.loads(pickle.dumps(kind)) is kind
    net, images = NORMALS["caffenet"](cells=2, words=3, width=1 / 16, input_size=67), a_batch()[0]
    again = pickle.loads(pickle.dumps(net))
    assert torch.equal(again.scores(again.to_input(images)), net.scores(net.to_input(images)))
