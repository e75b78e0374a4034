"""Ranking pretraining called directly: it returns the network and writes files only into a folder that is given."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tracklearn.errors import UserError
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.given import given_network
from tracklearn.networks.torchvision_weights import is_torchvisions
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
    if not isinstance(network, Settings):
        network = _with_size(network, subset.size)
    if not isinstance(schedule, Settings):
        schedule = _with_switch(schedule, loss_settings)
    with _of_this_package(parent, network) as own_parent:
        training = RankingTraining(
            subset,
            parent=own_parent,
            network=network,
            loss=loss_settings,
            schedule=RankingSchedule.read(schedule),
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
    given = dict(network or {})
    backbone = given.get("backbone", CAFFENET)
    if useless := sorted(given.keys() & USELESS.get(backbone, frozenset())):
        raise UserError(f"network: {backbone} has no use for {', '.join(useless)}; take it out")
    return {"input_size": size, **given}


def _with_switch(schedule: Block, loss: Loss) -> Block:
    """A schedule with all of its iterations before the switch to hard negatives, if it does not say where it is."""
    given = dict(schedule or {})
    if "random_iterations" in given:
        return given
    if loss.form == "infonce":
        return {**given, "random_iterations": 0}
    return {"stages": "one", "random_iterations": given.get("iterations", 0), **given}


@contextmanager
def _of_this_package(parent: str | Path | None, network: Block) -> Iterator[str | Path | None]:
    """The file of a parent, which is converted from torchvision's format for a while."""
    if parent is None or not is_torchvisions(parent):
        yield parent
        return
    with TemporaryDirectory() as folder:
        weights = Path(folder, "weights.safetensors")
        given_network(given=parent, network=Network.read(network), weights=weights, conv1=Path(folder, "conv1.png"))
        yield weights
