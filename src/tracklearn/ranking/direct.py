"""Ranking pretraining called directly: it returns the network and writes files only into a folder that is given."""

from collections.abc import Sequence
from pathlib import Path

from tracklearn.networks.backbone import Backbone
from tracklearn.networks.weights import save_weights
from tracklearn.patches.dataset import Pairs
from tracklearn.patches.subset import Subset
from tracklearn.ranking.train import RankingTraining
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block, Settings
from tracklearn.settings.ranking import Augment, Loss
from tracklearn.settings.training import RankingSchedule, Saving
from tracklearn.training.distributed import this_world
from tracklearn.training.loop import train


def train_ranking(
    pairs: Pairs | str | Path | Sequence[str | Path],
    *,
    schedule: Block,
    network: Block = None,
    loss: Block = None,
    augment: Block = None,
    parent: str | Path | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    saving: Block = None,
    threads: int | None = None,
    report: Report = silent,
) -> Backbone:
    """See `tracklearn.train_ranking`."""
    subset = pairs.subset if isinstance(pairs, Pairs) else Subset([pairs] if isinstance(pairs, str | Path) else pairs)
    loss_settings = Loss.read(loss)
    if augment is not None:
        loss_settings = loss_settings.model_copy(update={"augment": Augment.read(augment, where="augment")})
    if not isinstance(network, Settings):
        network = {"input_size": subset.size, **(network or {})}
    training = RankingTraining(
        subset, parent=parent, network=network, loss=loss_settings, schedule=RankingSchedule.read(schedule), seed=seed
    )
    train(
        training.net,
        training.batches,
        training.objective,
        schedule=training.schedule,
        saving=Saving.read(saving),
        checkpoints=folder,
        identity=training.identity,
        threads=threads,
        report=training.watched(report),
    )
    if folder and this_world().is_first:
        save_weights(Path(folder, "weights.safetensors"), training.net, metadata=training.metadata)
    return training.net
