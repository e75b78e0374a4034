"""The network of surface normals, trained on NYUv2 (PAPER §6.2.2)."""

from pathlib import Path

import torch

from tracklearn.machine.devices import own_device
from tracklearn.networks.weights import transfer
from tracklearn.normals.codebook import read_words
from tracklearn.normals.examples import NormalsBatches, read_examples
from tracklearn.normals.network import NormalsObjective, new_normals_net
from tracklearn.normals.nyuv2 import Nyuv2, chosen_split, labeled_file
from tracklearn.normals.truth import Truth
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.network import Network
from tracklearn.settings.normals import Normals
from tracklearn.settings.training import Saving, SoftmaxSchedule
from tracklearn.training.checkpoint import digest_of_arrays, digest_of_weights
from tracklearn.training.distributed import expect_one_process
from tracklearn.training.job import run_job


def train_normals(
    *,
    truth: str | Path,
    codebook: str | Path,
    settings: Block = None,
    parent: str | Path | None = None,
    frozen: bool = False,
    network: Block = None,
    schedule: Block,
    saving: Block = None,
    seed: int,
    weights: str | Path,
    log: str | Path,
    checkpoints: str | Path,
    conv1: str | Path,
    threads: int | None = None,
    report: Report = silent,
) -> dict[str, float]:
    """Train conv1 to fc7 to name the word of each cell, from scratch or from a parent's conv layers.

    Args:
        truth: file of `true_normals.write_truth`.
        codebook: file of `learned_words.write_codebook`.
        settings: `settings.normals.Normals`, of which `nyuv2`, `split`, `input_size`, `fc7_std` and
            `codebook.cells` count.
        parent: weights whose conv layers the training starts from; None starts from scratch.
        frozen: the conv layers keep the parent's weights.
        network: settings of `settings.network.Network`.
        schedule: settings of `settings.training.SoftmaxSchedule`.
        saving: settings of `settings.training.Saving`.
        seed: of the initial weights, batches and dropout.
        weights: file to write the weights to.
        log: file to write the log to, CSV; its `angular_error`, in degrees, is the mean over the cells of the training
            batches, under dropout.
        checkpoints: folder of this training's own.
        conv1: file to write a picture of conv1's filters to.
        threads: as in `loop.train`.
        report: called with each row of the log.

    Returns:
        The last row of the log.

    Raises:
        UserError: invalid settings or data, a parent of another shape, several processes, or as `loop.train`.
        SystemExit: as `loop.train`.
    """
    expect_one_process("normals")
    schedule, normals, words = SoftmaxSchedule.read(schedule), Normals.read(settings), read_words(codebook)
    cells = normals.codebook.cells
    net = new_normals_net(
        network, cells=cells, words=len(words), fc7_std=normals.fc7_std, input_size=normals.input_size, seed=seed
    )
    if parent:
        transfer(net, parent)
    if frozen:
        net.freeze()
    with Nyuv2(labeled_file(normals.nyuv2)) as nyuv2, Truth(truth) as true:
        images = chosen_split(normals, len(nyuv2)).train
        examples = read_examples(nyuv2, true, images, side=net.input_size, cells=cells)
    described = {"training": "normals", "seed": seed, "cells": cells, "words": len(words), "images": len(images)}
    return run_job(
        net,
        NormalsBatches(examples, schedule.batch, seed),
        NormalsObjective(words=torch.from_numpy(words).to(own_device()), dropout=schedule.dropout, seed=seed),
        schedule=schedule,
        saving=Saving.read(saving),
        weights=weights,
        log=log,
        checkpoints=checkpoints,
        conv1=conv1,
        identity={
            **described,
            "network": Network.read(network).complete(),
            "input_size": net.input_size,
            "fc7_std": normals.fc7_std,
            "schedule": schedule.complete(),
            "parent": digest_of_weights(parent),
            "frozen": frozen,
            "data": digest_of_arrays(words, *examples),
        },
        metadata=described,
        layer_rates={"fc7": schedule.fc7_lr},
        threads=threads,
        report=report,
    )
