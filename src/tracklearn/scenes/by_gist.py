"""Scenes classified by GIST (PAPER §6.1); apart from networks, whose code GIST does not depend on."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tracklearn.report import Report, silent
from tracklearn.scenes.accuracy import classified
from tracklearn.scenes.classifiers import svm_candidates
from tracklearn.scenes.gist import gist_features
from tracklearn.settings.base import Block
from tracklearn.settings.scenes import Scenes


def gist_accuracy(
    *,
    settings: Block = None,
    out: str | Path,
    replicates: str | Path,
    confusion: str | Path,
    runs: Sequence[str] = (),
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Classify whole photos by GIST: an SVM, and the vote of the nearest photos, as `by_network.network_accuracy`.

    Args:
        settings: settings of `settings.scenes.Scenes`.
        out, replicates: cell and bootstrap replicates to write, see `tables.cells.write_figures`.
        confusion: picture to write of which categories are taken for which.
        runs: ids of the runs that made the inputs, written to the cell.
        threads: photos that are described at a time.

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
        out=out,
        replicates=replicates,
        confusion=confusion,
        report=report,
        features="GIST",
        runs=list(runs),
    )
