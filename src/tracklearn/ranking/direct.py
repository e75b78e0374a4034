"""Ranking pretraining called directly: it returns the network and writes files only into a folder that is given."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tracklearn.errors import UserError
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.backbones import BACKBONES
from tracklearn.networks.torchvision_weights import is_torchvisions, read_torchvision
from tracklearn.networks.weights import save_weights
from tracklearn.patches.dataset import Pairs
from tracklearn.patches.subset import Subset
from tracklearn.ranking.train import RankingTraining
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block, Settings
from tracklearn.settings.network import CAFFENET, USELESS, Network
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
    network_settings = Network.read(_with_size(network, subset.size))
    with _of_this_package(parent, network_settings) as own_parent:
        training = RankingTraining(
            subset,
            parent=own_parent,
            network=network_settings,
            loss=loss_settings,
            schedule=RankingSchedule.read(_with_switch(schedule, loss_settings)),
            seed=seed,
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


def _with_size(network: Block, size: int) -> Block:
    """Settings of a network whose input has the size of the patches, if they do not say so.

    Raises:
        UserError: a setting that the backbone has no use for.
    """
    if not isinstance(network, Mapping | None):
        return network
    given = dict(network or {})
    backbone = given.get("backbone", CAFFENET)
    if useless := sorted(given.keys() & USELESS.get(backbone, frozenset())):
        raise UserError(f"network: {backbone} has no use for {', '.join(useless)}; take it out")
    return {"input_size": size, **given}


def _with_switch(schedule: Block, loss: Loss) -> Block:
    """A schedule without hard negatives, if it does not say after how many iterations they follow.

    Raises:
        UserError: it says in which way they follow alone.
    """
    given = schedule.model_dump(exclude_unset=True) if isinstance(schedule, Settings) else schedule
    if not isinstance(given, Mapping) or "random_iterations" in given:
        return schedule
    if not loss.chooses_negatives:
        return {**given, "random_iterations": 0}
    if "stages" in given:
        raise UserError(
            "schedule: stages says how hard negatives follow random ones; say after how many random_iterations, or "
            "take it out"
        )
    return {**given, "stages": "one", "random_iterations": given.get("iterations", 0)}


@contextmanager
def _of_this_package(parent: str | Path | None, network: Network) -> Iterator[str | Path | None]:
    """The file of a parent, which is converted from torchvision's format for a while."""
    if parent is None or not is_torchvisions(parent) or not BACKBONES[network.backbone].names:
        yield parent
        return
    with TemporaryDirectory() as folder:
        weights = Path(folder, "weights.safetensors")
        net = read_torchvision(parent, BACKBONES[network.backbone], input_size=network.input_size)
        save_weights(weights, net)
        yield weights
