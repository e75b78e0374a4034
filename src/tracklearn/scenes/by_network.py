"""Scenes classified by the features of a network (PAPER §6.1)."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tracklearn.features.whole_images import whole_image_features
from tracklearn.networks.caffenet import Layer
from tracklearn.report import Report, silent
from tracklearn.scenes.accuracy import classified
from tracklearn.scenes.classifiers import softmax_candidates
from tracklearn.settings.base import Block
from tracklearn.settings.scenes import Scenes


def network_accuracy(
    *,
    settings: Block = None,
    weights: str | Path,
    out: str | Path,
    replicates: str | Path,
    confusion: str | Path,
    precision: str = "fp32",
    runs: Sequence[str] = (),
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Classify whole photos by a network's features: a linear softmax, and the vote of the nearest photos.

    Args:
        settings: settings of `settings.scenes.Scenes`.
        weights: file of the network.
        out, replicates: cell and bootstrap replicates to write, see `tables.cells.write_figures`.
        confusion: picture to write of which categories are taken for which.
        precision, threads: as in `whole_image_features`.
        runs: ids of the runs that made the inputs, written to the cell.

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
        out=out,
        replicates=replicates,
        confusion=confusion,
        report=report,
        features=layer,
        runs=list(runs),
    )
