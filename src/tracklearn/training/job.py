"""From a network to the outputs of a training job."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracklearn.files import atomic
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.filters import draw_filters
from tracklearn.networks.weights import save_weights
from tracklearn.report import Report, silent
from tracklearn.settings.training import Saving, Schedule
from tracklearn.training.checkpoint import remove_training_folder
from tracklearn.training.distributed import this_world
from tracklearn.training.loop import MakeBatch, train
from tracklearn.training.step import Objective


def run_job(
    net: Backbone,
    make_batch: MakeBatch,
    objective: Objective,
    *,
    schedule: Schedule,
    saving: Saving,
    weights: str | Path,
    log: str | Path,
    checkpoints: str | Path,
    identity: Mapping[str, Any],
    conv1: str | Path,
    metadata: Mapping[str, object],
    layer_rates: Mapping[str, float] | None = None,
    threads: int | None = None,
    report: Report = silent,
) -> dict[str, float]:
    """Train, write weights (with `metadata`), log (CSV) and a picture of conv1, and remove the checkpoints.

    Returns:
        The last row of the log.

    Raises:
        UserError, SystemExit: as `train`.
    """
    metrics = train(
        net,
        make_batch,
        objective,
        schedule=schedule,
        saving=saving,
        checkpoints=checkpoints,
        identity=identity,
        layer_rates=layer_rates,
        threads=threads,
        report=report,
    )
    if not this_world().is_first:
        return metrics
    save_weights(weights, net, metadata=metadata)
    draw_filters(conv1, net)
    with atomic(log) as temporary:
        shutil.copyfile(Path(checkpoints) / "log.csv", temporary)
    remove_training_folder(Path(checkpoints))
    return metrics
