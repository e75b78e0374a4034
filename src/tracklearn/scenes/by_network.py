"""Scenes classified by the features of a network (PAPER §6.1)."""

from functools import partial
from pathlib import Path
from typing import Unpack

from tracklearn.features.whole_images import whole_image_features
from tracklearn.networks.backbone import Layer
from tracklearn.report import Report, silent
from tracklearn.scenes.accuracy import Outputs, classified
from tracklearn.scenes.classifiers import softmax_candidates
from tracklearn.settings.base import Block
from tracklearn.settings.scenes import Scenes


def network_accuracy(
    *,
    settings: Block = None,
    weights: str | Path,
    precision: str = "fp32",
    threads: int = 1,
    report: Report = silent,
    **outputs: Unpack[Outputs],
) -> dict[str, float]:
    """Classify whole photos by a network's features: a linear softmax, and the vote of the nearest photos.

    Args:
        settings: settings of `settings.scenes.Scenes`.
        weights: file of the network.
        precision, threads: as in `whole_image_features`.
        outputs: as in `classified`.

    Returns:
        The figures, in percent.

    Raises:
        UserError: as `classified` and `whole_image_features`.
    """
    scenes = Scenes.read(settings)
    layer: Layer = scenes.layer
    return classified(
        scenes,
        lambda files: whole_image_features(
            files, weights=weights, layer=layer, precision=precision, threads=threads, report=report
        ),
        partial(softmax_candidates, scenes.softmax),
        report=report,
        described_by=layer,
        **outputs,
    )
