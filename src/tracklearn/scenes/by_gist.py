"""Scenes classified by GIST (PAPER §6.1); apart from networks, whose code GIST does not depend on."""

from functools import partial
from typing import Unpack

from tracklearn.report import Report, silent
from tracklearn.scenes.accuracy import Outputs, classified
from tracklearn.scenes.classifiers import svm_candidates
from tracklearn.scenes.gist import gist_features
from tracklearn.settings.base import Block
from tracklearn.settings.scenes import Scenes


def gist_accuracy(
    *,
    settings: Block = None,
    threads: int = 1,
    report: Report = silent,
    **outputs: Unpack[Outputs],
) -> dict[str, float]:
    """Classify whole photos by GIST: an SVM, and the vote of the nearest photos, as `by_network.network_accuracy`.

    Args:
        settings: settings of `settings.scenes.Scenes`.
        threads: photos that are described at a time.
        outputs: as in `classified`.

    Returns:
        The figures, in percent.

    Raises:
        UserError: as `classified` and `gist_features`.
    """
    scenes = Scenes.read(settings)
    return classified(
        scenes,
        lambda files: gist_features(files, settings=scenes.gist, threads=threads, report=report),
        partial(svm_candidates, scenes.svm),
        report=report,
        described_by="GIST",
        **outputs,
    )
