"""A GPU computes what a CPU computes: trainings, windows, features and neighbours. `benchmarks/gpu.sh` runs these."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from tracklearn.features.computed import ComputedFeatures
from tracklearn.machine import devices
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.initial import new_network
from tracklearn.networks.weights import load_weights, save_weights
from tracklearn.patches.writing import Pair, write_shard
from tracklearn.ranking.train import RankingObjective, train_ranking
from tracklearn.retrieval.neighbours import nearest_by_cosine, to_unit_length
from tracklearn.settings.ranking import Augment, Loss
from tracklearn.training.distributed import Parallel
from tracklearn.training.gpu import set_precision
from tracklearn.training.log import Means
from tracklearn.training.solver import Solver
from tracklearn.training.step import RecordedStep, new_step
from tracklearn.voc.annotations import Voc
from tracklearn.voc.warp import placements, warp, warp_placed_on_device

pytestmark = pytest.mark.gpu

NETWORK = {"width": 1 / 8, "input_size": 67, "ranking_fc7": 64, "conv_std": 0.03, "fc_std": 0.03,
           "ranking_fc_std": 0.06, "bias": 0.0}  # fmt: skip
NETWORKS = {"caffenet": NETWORK, "resnet18": {"backbone": "resnet18", "input_size": 67, "ranking_fc7": 64}}
SCHEDULE = {"lr": 0.003, "random_iterations": 50, "iterations": 30, "batch": 32}
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
MEAN = (108, 103, 97)
AUGMENT = Augment(crop=(0.5, 1.0), colour=0.4, grey=0.3, blur=0.3)
LOSSES = [Loss(), Loss(form="fork"), Loss(form="infonce", symmetric=True, augment=AUGMENT)]
CASES = [*(("caffenet", loss) for loss in LOSSES), ("resnet18", Loss())]
each_case = pytest.mark.parametrize(
    ("backbone", "loss"), CASES, ids=[f"{backbone}-{loss.form}" for backbone, loss in CASES]
)


def pattern(seed):
    colours = np.random.default_rng(seed).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    return colours.repeat(9, 0).repeat(9, 1)[:67, :67]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Each video has its own patterns; the tracked patch is the query in another light."""
    path = tmp_path_factory.mktemp("store") / "00000.h5"
    queries = [(video, pattern(100 * video + each)) for video in range(20) for each in range(3)]
    pairs = (
        Pair(f"v{video}", (0, 30), np.zeros((2, 4)), 1.0, query, (0.8 * query).astype(np.uint8))
        for video, query in queries
    )
    write_shard(path, pairs, size=67, quality=95)
    return path


@pytest.fixture
def on(monkeypatch):
    """Let the library use a device."""

    def use(device):
        for module in ("ranking.train", "training.loop", "features.computed", "retrieval.neighbours"):
            monkeypatch.setattr(f"tracklearn.{module}.own_device", lambda: device)

    yield use
    devices.own_device.cache_clear()


class Stopped(Exception):
    """Raised from a report, as a crash would be."""


def trained(folder: Path, store, *, stop_at=None, **changes):
    """Last row of the log and weights of a ranking training; at iteration `stop_at` it is interrupted."""
    folder.mkdir(exist_ok=True)

    def report(iteration, values):
        if iteration == stop_at:
            raise Stopped

    arguments = {
        "stores": [store], "network": NETWORK, "loss": {}, "schedule": SCHEDULE | changes,
        "saving": {"log_every": 10, "checkpoint_every": 20}, "seed": 1, "threads": 2,
        "weights": folder / "weights.safetensors", "log": folder / "log.csv", "checkpoints": folder / "checkpoints",
        "conv1": folder / "conv1.png",
    }  # fmt: skip
    if stop_at:
        with pytest.raises(Stopped):
            train_ranking(**arguments, report=report)
    return train_ranking(**arguments), load_weights(folder / "weights.safetensors")[0]


def difference(weights, others):
    """Relative difference of all weights together."""
    squares = sum(float((weights[name] - others[name]).square().sum()) for name in weights)
    return (squares / sum(float(value.square().sum()) for value in others.values())) ** 0.5


@each_case
def test_a_step_has_the_cpu_s_loss_and_gradients(backbone, loss):
    objective = RankingObjective(loss_settings=loss, random_iterations=0, seed=1)
    patches = torch.from_numpy(np.stack([[pattern(2 * i), pattern(2 * i + 1)] for i in range(16)]))
    batch = patches, torch.arange(16) // 2
    batch = (*batch, *objective.draw(None, batch, 0))
    losses, gradients = [], []
    for device in (CPU, GPU):
        net = new_network(NETWORKS[backbone], head="ranking", seed=1).to(device)
        with set_precision(device, "fp32"):
            loss, _ = objective(net, tuple(tensor.to(device) for tensor in batch), 0)
            loss.backward()
        losses.append(loss.item())
        gradients.append({name: value.grad.cpu() for name, value in net.named_parameters()})
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert difference(gradients[1], gradients[0]) < 1e-3


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_every_precision_learns_as_well_as_the_cpu(tmp_path, store, on, precision):
    """Rounding alone changes the mean of the last three losses by 0.011 (standard deviation)."""
    losses = []
    for device, how in ((CPU, "fp32"), (GPU, precision)):
        on(device)
        own, _ = trained(tmp_path / device.type, store, precision=how)
        rows = csv.DictReader((tmp_path / device.type / "log.csv").read_text().splitlines())
        losses.append(np.mean([float(row["loss"]) for row in list(rows)[-3:]]))
        assert own["negative_distance"] > 3 * own["positive_distance"]
    assert losses[1] == pytest.approx(losses[0], abs=0.06)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path, store, on, precision):
    """To rounding: cuDNN may take another convolution after the restart, so the bar is what one iteration changes."""
    on(GPU)
    short = {"random_iterations": 20, "iterations": 10, "precision": precision}
    whole_row, whole = trained(tmp_path / "whole", store, **short)
    _, shorter = trained(tmp_path / "shorter", store, **short | {"iterations": 9})
    resumed_row, resumed = trained(tmp_path / "stopped", store, stop_at=30, **short)
    assert difference(resumed, whole) < 0.3 * difference(shorter, whole)
    assert resumed_row["loss"] == pytest.approx(whole_row["loss"], abs=0.02)


@pytest.mark.parametrize("compiled", [False, True])
@each_case
def test_recorded_iterations_are_the_computed_ones(backbone, loss, compiled):
    """Through a switch to hard negatives, and through a change of the rate."""
    objective = RankingObjective(loss_settings=loss, random_iterations=8, seed=1)
    patches = torch.from_numpy(np.stack([[pattern(2 * i), pattern(2 * i + 1)] for i in range(16)]))
    losses = []
    with set_precision(GPU, "fp32"):
        for alone in (False, True):
            net = new_network(NETWORKS[backbone], head="ranking", seed=1).to(GPU)
            solver = Solver(net, momentum=0.9, weight_decay=5e-4)
            step = new_step(net, solver, objective, device=GPU, precision="fp32", compiled=compiled, alone=alone)
            losses.append([])
            means = Means()
            for iteration in range(24):
                batch = patches.roll(iteration, 0), torch.arange(16) // 2
                batch = (*batch, *objective.draw(net, batch, iteration))
                means.add(step(tuple(tensor.to(GPU) for tensor in batch), iteration, 1e-3 if iteration < 16 else 1e-4))
                if iteration % 3 == 2:
                    losses[-1].append(means.take(1, lambda: 0.0)["loss"])
            assert isinstance(step, RecordedStep) == alone
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert len(set(losses[1])) == 8


def test_nccl_with_one_rank_has_the_same_gradients(monkeypatch):
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29611"}.items():
        monkeypatch.setitem(os.environ, name, value)
    images = torch.randn(4, 3, 67, 67, device=GPU) * 50
    dist.init_process_group("cpu:gloo,cuda:nccl", rank=0, world_size=1)
    try:
        gradients = []
        for wrap in (lambda net: net, lambda net: Parallel(net, device_ids=[GPU])):
            net = CaffeNet(width=1 / 8, input_size=67, fc7=64, conv_std=0.03, fc_std=0.03, seed=1).to(GPU)
            wrap(net)(images).sum().backward()
            gradients.append({name: value.grad.cpu() for name, value in net.named_parameters()})
    finally:
        dist.destroy_process_group()
    assert difference(gradients[1], gradients[0]) < 1e-5


def test_windows_are_the_cpu_s_to_one_grey_level():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (375, 500, 3), dtype=np.uint8)
    corner = rng.random((500, 2)) * 300
    boxes = np.hstack([corner, corner + 10 + rng.random((500, 2)) * 180]).astype(np.float32)
    places = torch.from_numpy(placements(boxes, photo.shape, size=227)).to(GPU)
    found = warp_placed_on_device(torch.from_numpy(photo).to(GPU), places, mean=MEAN, size=227).cpu().numpy()
    assert np.abs(found.astype(int) - warp(photo, boxes, mean=MEAN)).max() <= 1


@pytest.mark.parametrize(("backbone", "layer"), [("caffenet", "fc7"), ("resnet18", "pool5")])
@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.9999), ("tf32", 0.999), ("bf16", 0.99)])
def test_features_are_the_cpu_s(tmp_path, on, devkit, backbone, layer, precision, least):
    """Cosines of the features of one window."""
    save_weights(tmp_path / "net.safetensors", new_network(NETWORKS[backbone], head="detection", seed=1))
    photos = Voc(devkit)
    ids = photos.images("trainval")[:4]
    boxes = {image: np.array([[0, 0, 30, 30], [5, 5, 40, 20], [2, 8, 20, 40]], np.float32) for image in ids}
    found = []
    for device in (CPU, GPU):
        on(device)
        source = ComputedFeatures(
            photos, boxes, weights=[tmp_path / "net.safetensors"], layer=layer,
            precision=precision if device == GPU else "fp32", batch=8,
        )  # fmt: skip
        found.append(np.concatenate([each.features for each in source.windows()]))
    a, b = (to_unit_length(values.astype(np.float32)) for values in found)
    assert np.einsum("nd,nd->n", a, b).min() > least


def test_neighbours_are_the_cpu_s(on):
    rng = np.random.default_rng(0)
    queries, block = (to_unit_length(rng.random((n, 512), np.float32)) for n in (40, 3000))
    results = []
    for device in (CPU, GPU):
        on(device)
        results.append(nearest_by_cosine(queries, [block[:1000], block[1000:]], k=5))
    np.testing.assert_allclose(results[1][1], results[0][1], atol=1e-5)
    assert (results[1][0] == results[0][0]).mean() > 0.99


@pytest.mark.parametrize("layer", ["conv5", "pool5"])
def test_cells_of_a_frame_are_the_cpu_s(layer):
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 96, 160, 3), dtype=np.uint8))
    found = []
    for device in (CPU, GPU):
        net = CaffeNet(width=1 / 8, input_size=67, conv_std=0.05, fc_std=0.05, seed=1).to(device)
        with set_precision(device, "fp32"), torch.inference_mode():
            found.append(net.cell_features(frames.to(device), layer).cpu())
    assert difference({"cells": found[1]}, {"cells": found[0]}) < 1e-5
