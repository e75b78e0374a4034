"""Several processes train what one does: by Gloo on the CPU, started as the workflow starts them."""

import csv
import os
import signal

import numpy as np
import pytest
import torch

from tracklearn.detection.finetune import finetune_voc
from tracklearn.errors import UserError
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import load_weights
from tracklearn.ranking.train import PairBatches, RankingObjective
from tracklearn.settings.ranking import Loss
from tracklearn.settings.training import RankingSchedule, Saving
from tracklearn.supervised.train import train_imagenet
from tracklearn.training.checkpoint import load_checkpoint
from tracklearn.training.distributed import World, this_world
from tracklearn.training.job import run_job
from tracklearn.training.launch import launch


class Pairs:
    """Fourteen pairs of seven videos, as a `Subset` gives them."""

    video_of_pair = np.arange(14) // 2
    size = 67
    seen: list[int]

    def __init__(self):
        self.seen = []

    def __len__(self):
        return 14

    def pairs(self, indices, *, out):
        self.seen.extend(indices)
        for index, pair in zip(indices, out, strict=True):
            pair[:] = np.random.default_rng(int(index)).integers(0, 255, pair.shape, np.uint8)
        return out


def train(folder, *, form, options=None, precision="fp32", interrupt=None, spoil=None, threads, report):
    """A ranking training of a tiny net; process 1 is sent a signal, or has a broken shard, at an iteration."""
    schedule = RankingSchedule(lr=0.01, random_iterations=4, iterations=4, batch=14, precision=precision)
    world = this_world()
    objective = RankingObjective(
        loss_settings=Loss.read({"form": form, **(options or {})}), random_iterations=4, seed=1, world=world
    )
    batches = PairBatches(Pairs(), 7, 1, world)

    def make_batch(iteration):
        if world.rank == 1 and iteration == interrupt:
            os.kill(os.getpid(), signal.SIGTERM)
        if world.rank == 1 and iteration == spoil:
            raise UserError("00007.h5: no such file")
        return batches(iteration)

    return run_job(
        CaffeNet(width=1 / 16, input_size=67, fc7=32, conv_std=0.05, fc_std=0.05, bias=0.0, seed=1),
        make_batch,
        objective,
        schedule=schedule,
        saving=Saving(log_every=2),
        weights=folder / "weights.safetensors",
        log=folder / "log.csv",
        checkpoints=folder / "checkpoints",
        identity={"form": form},
        conv1=folder / "conv1.png",
        metadata={},
        threads=threads,
        report=report,
    )


def run(folder, processes, **changes):
    reported = []
    arguments = {"threads": processes, "report": lambda step, values: reported.append(step), "form": "paper"}
    metrics = launch(train, processes=processes, folder=folder, **arguments | changes)
    return metrics, reported


def rows(folder):
    with (folder / "log.csv").open() as file:
        return [
            [float(row[name]) for name in ("iteration", "loss", "violated", "spread")] for row in csv.DictReader(file)
        ]


def assert_close(folder, other):
    weights, expected = (load_weights(each / "weights.safetensors")[0] for each in (folder, other))
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(rows(folder), rows(other), rtol=1e-4, atol=1e-6)


LOSSES = {
    "paper": {"form": "paper"},
    "fork": {"form": "fork"},
    "infonce": {"form": "infonce"},
    "symmetric": {
        "form": "infonce",
        "options": {"symmetric": True, "augment": {"crop": [0.5, 1], "colour": 0.4, "grey": 0.3, "blur": 0.5}},
    },
}


def train_by_each_loss(folder, *, threads, report):
    """One training after the other, as processes take seconds to start; gives the loss of each."""
    return {
        name: train(
            folder / name,
            **loss,
            threads=threads,
            report=lambda step, values, name=name: report(step, values | {"loss of": name}),
        )["loss"]
        for name, loss in LOSSES.items()
    }


def test_the_weights_are_those_of_one_process(tmp_path):
    """Seven pairs a batch, so that the parts of three processes differ in length."""
    alone, together, reported = tmp_path / "alone", tmp_path / "together", []
    train_by_each_loss(alone, threads=1, report=lambda step, values: None)
    losses = launch(
        train_by_each_loss,
        processes=3,
        threads=3,
        folder=together,
        report=lambda step, values: reported.append((values["loss of"], step)),
    )
    assert reported == [(name, step) for name in LOSSES for step in (2, 4, 6, 8)]  # by one of the processes
    for name in LOSSES:
        assert_close(together / name, alone / name)
        assert losses[name] == rows(together / name)[-1][1]
        files = sorted(path.name for path in (together / name).iterdir())
        assert files == ["conv1.png", "log.csv", "weights.safetensors"]


def test_a_signal_to_one_or_an_error_of_one_ends_all_and_loses_nothing(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"):
        run(tmp_path, 2, interrupt=5)
    assert 1 <= (iteration := load_checkpoint(tmp_path / "checkpoints", {"form": "paper"}).numbers["iteration"]) < 8
    assert not (tmp_path / "weights.safetensors").exists()
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(UserError, match=r"^00007.h5: no such file$"):
        run(tmp_path, 2, spoil=7)
    assert (
        load_checkpoint(tmp_path / "checkpoints", {"form": "paper"}).numbers["iteration"] == 7 > iteration
    )  # the last whole one
    with pytest.raises(UserError, match='the checkpoint was made with form "paper", and this training has "fork"'):
        run(tmp_path, 2, form="fork")
    run(tmp_path, 1)  # with another number of processes
    run(tmp_path / "alone", 1)
    assert_close(tmp_path, tmp_path / "alone")


def test_the_parts_make_up_the_batch_and_each_pair_is_decoded_once():
    whole = PairBatches(Pairs(), 7, 1)
    for iteration in (0, 3):
        patches, videos = whole(iteration)
        subsets = [Pairs() for _ in range(3)]
        parts = [PairBatches(subset, 7, 1, World(rank, 3))(iteration) for rank, subset in enumerate(subsets)]
        assert torch.equal(torch.cat([part[0] for part in parts]), patches)
        assert all(torch.equal(part[1], videos) for part in parts)
        assert [len(subset.seen) for subset in subsets] == [2, 2, 3]


def test_more_processes_than_pairs_are_refused():
    with pytest.raises(UserError, match="training: 2 examples a batch for 3 processes; expected at least one each"):
        World(0, 3).part(2)


def test_trainings_that_do_not_share_their_batches_refuse_several_processes(tmp_path, monkeypatch):
    nowhere = {"weights": "w", "log": "l", "checkpoints": "c", "conv1": "p", "network": {}, "schedule": {}, "seed": 1}
    monkeypatch.setenv("WORLD_SIZE", "4")
    reason = "started in 4 processes; expected one, since only the ranking training shares its batches out"
    with pytest.raises(UserError, match=f"^imagenet: {reason}; start it without torchrun$"):
        train_imagenet(folder=tmp_path, **nowhere)
    with pytest.raises(UserError, match=f"^fine-tuning: {reason}; start it without torchrun$"):
        finetune_voc(voc=tmp_path, image_set="train", proposals=[], **nowhere)
