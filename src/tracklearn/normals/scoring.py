"""Rows of Table 2: predicted normals of the test images against the true ones (PAPER §6.2.2)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NotRequired, TypedDict, Unpack

import numpy as np
import torch

from tracklearn.errors import UserError
from tracklearn.machine.devices import own_device
from tracklearn.normals.angular_errors import evaluate
from tracklearn.normals.baselines import CAMERA_AXIS, mean_cells, words_of_cells
from tracklearn.normals.codebook import read_words
from tracklearn.normals.decoding import predict
from tracklearn.normals.examples import check_same_images, network_photo
from tracklearn.normals.network import load_normals_net
from tracklearn.normals.nyuv2 import Nyuv2, chosen_split, is_official, labeled_file
from tracklearn.normals.rows import write_row
from tracklearn.normals.truth import Truth
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.normals import Normals
from tracklearn.settings.tables import NormalsMethod
from tracklearn.training.gpu import set_precision

Predict = Callable[[int], np.ndarray]
"""Normals of the cells of an image, (cells, cells, 3), or of (1, 1, 3) for the whole image."""


class Outputs(TypedDict):
    """Where a row goes, as in `tables.cells.write_figures`, and the ids of the runs that made it."""

    cell: str | Path
    replicates: str | Path
    runs: NotRequired[Sequence[str]]


def network_row(
    *,
    truth: str | Path,
    codebook: str | Path,
    weights: str | Path,
    settings: Block = None,
    precision: str = "fp32",
    report: Report = silent,
    **outputs: Unpack[Outputs],
) -> dict[str, float]:
    """Score a network's predictions.

    Args:
        truth: file of `true_normals.write_truth`.
        codebook: file of `learned_words.write_codebook`.
        weights: file of a network with `train: normals`.
        settings: `settings.normals.Normals`, of which `nyuv2`, `split`, `codebook.decoding` and `bootstrap` count.
        precision: how the network computes, as in a schedule.
        outputs: where the row goes.

    Returns:
        The figures, as in `angular_errors.ErrorSums.values`.

    Raises:
        UserError: damaged files, files of different images, or a test image without a true normal.
    """
    normals = Normals.read(settings)
    with Nyuv2(labeled_file(normals.nyuv2)) as nyuv2, Truth(truth) as true:
        check_same_images(nyuv2, true)
        with predictions(nyuv2, weights, read_words(codebook), normals, precision=precision) as predicted:
            return _scored(predicted, true, normals, report, outputs)


def baseline_row(
    *,
    method: NormalsMethod,
    truth: str | Path,
    codebook: str | Path | None = None,
    settings: Block = None,
    report: Report = silent,
    **outputs: Unpack[Outputs],
) -> dict[str, float]:
    """Score what needs no network; see `settings.tables.NormalsRow` for the methods.

    Args:
        truth, outputs: as in `network_row`.
        codebook: file of `learned_words.write_codebook`, for the method `words`.
        settings: `settings.normals.Normals`, of which `nyuv2`, `split`, `bootstrap` and, but for `camera_axis`,
            `codebook.cells` count.
    """
    normals = Normals.read(settings)
    cells = normals.codebook.cells
    with Truth(truth) as true:
        if codebook:
            words = read_words(codebook)
            return _scored(lambda image: words_of_cells(true[image], words, cells), true, normals, report, outputs)
        trained = chosen_split(normals, len(true)).train
        constant = mean_cells(true, trained, cells) if method == "mean_cells" else CAMERA_AXIS
        return _scored(lambda _: constant, true, normals, report, outputs)


@contextmanager
def predictions(
    nyuv2: Nyuv2, weights: str | Path, words: np.ndarray, settings: Normals, *, precision: str = "fp32"
) -> Iterator[Predict]:
    """A function that predicts the normals of an image's cells by a network.

    Raises:
        UserError: the file holds another kind of network, or the network has another number of words.
    """
    net, device = load_normals_net(weights), own_device()
    if net.words != len(words):
        raise UserError(f"{weights}: answers in {net.words} words, but the codebook has {len(words)}; train it again")
    net.to(device)

    def predicted(image: int) -> np.ndarray:
        photo = torch.tensor(network_photo(nyuv2.photo(image), net.input_size)[None]).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            return predict(net, photo, words, settings.codebook.decoding)[0]

    with set_precision(device, precision):
        yield predicted


def _scored(predicted: Predict, truth: Truth, settings: Normals, report: Report, outputs: Outputs) -> dict[str, float]:
    images = chosen_split(settings, len(truth)).test
    return write_row(
        evaluate(predicted, truth, images, report=report),
        truth,
        draws=settings.bootstrap,
        papers_images=settings.split == "official" and is_official(settings.nyuv2),
        **outputs,
    )
