"""Learning visual features from unlabelled video by tracking (Wang & Gupta, ICCV 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tracklearn.networks.backbone import Backbone
    from tracklearn.networks.loading import Preprocessing
    from tracklearn.patches.dataset import Pairs
    from tracklearn.report import Report
    from tracklearn.settings.base import Block

__version__ = "0.1.0"
__all__ = ["load", "pairs", "train_ranking"]


def load(model: str | Path, *, backbone: str | None = None) -> tuple[Backbone, Preprocessing]:
    """A trained network in evaluation mode, and the function that turns RGB images into its input.

        net, prepare = tracklearn.load("unsup-8M")
        features = net(prepare(Image.open("photo.jpg")), "pool5")  # (1, 9216)

    Args:
        model: path of a .safetensors, .caffemodel or .pth file, or the name of a model in results/models.
        backbone: of weights in torchvision's own format (.pth or .safetensors), which do not say what they are of:
            alexnet, resnet18 or resnet50; their input has 224 pixels.

    Raises:
        UserError: the file or model does not exist, or the file does not hold a network, or not one of the backbone.
    """
    from tracklearn.networks import loading  # noqa: PLC0415 (importing torch takes seconds, `import tracklearn` should not)

    return loading.load(model, backbone=backbone)


def pairs(folder: str | Path = "results/patches") -> Pairs:
    """The pairs of a folder of patch shards as a dataset of PyTorch.

        loader = DataLoader(tracklearn.pairs("results/patches"), batch_size=64, shuffle=True, num_workers=4)
        for query, tracked, video in loader:  # uint8 RGB (64, 3, 227, 227) twice, int64 (64,)

    Args:
        folder: results/patches of a run of `snakemake pairs`.

    Raises:
        UserError: there is no shard or no pair, the index does not belong to the shards, or a file is cut short or not
            a patch shard.
    """
    from tracklearn.patches import dataset  # noqa: PLC0415 (as above)

    return dataset.Pairs(folder)


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
    report: Report | None = None,
) -> Backbone:
    """Train a network to rank pairs of patches (section 5) and return it in evaluation mode, on the CPU.

        net = tracklearn.train_ranking(
            tracklearn.pairs("results/patches"),
            loss={"form": "infonce"},
            augment={"crop": [0.5, 1], "colour": 0.4},
            schedule={"lr": 0.001, "warmup": 200, "iterations": 2000, "batch": 100},
        )

    Nothing is written unless a folder is given. A training with a folder that was stopped is resumed by the same call,
    and a finished one returns its network at once.

    Args:
        pairs: what `tracklearn.pairs` returns, or the path or paths of patch shards.
        schedule: settings of `settings.training.RankingSchedule`; `lr`, `iterations` and `batch` have no default.
            Without `random_iterations`, all iterations have random negatives; with it, hard negatives follow, for
            `iterations` more as in the paper, or until `iterations` with `stages: one`. InfoNCE has no such choice.
        network: settings of `settings.network.Network`, such as `{"backbone": "resnet18"}`; `input_size` is by default
            that of the patches.
        loss: settings of `settings.ranking.Loss`.
        augment: settings of `settings.ranking.Augment`, in the place of those in `loss`.
        parent: path of the weights whose conv layers the training starts from, of this package or, for a backbone of
            torchvision, in torchvision's own format; None starts from scratch.
        seed: of the initial weights, batches, negatives and augmentation.
        folder: a folder that only this training uses, for checkpoints, `log.csv`, pictures of conv1's filters and, at
            the end, `weights.safetensors`, which `tracklearn.load` reads.
        saving: settings of `settings.training.Saving`.
        threads: how many threads torch uses; on a GPU, also how many threads make batches.
        report: is called with the number of iterations and the measurements of each row of the log.

    Raises:
        UserError: invalid settings, pairs from which ranking cannot learn, a folder that holds a checkpoint of other
            settings or pairs, a loss that is not finite, or a full disk.
        SystemExit: after SIGTERM or SIGINT, with a checkpoint written if there is a folder.
    """
    from tracklearn.ranking import direct  # noqa: PLC0415 (as above)
    from tracklearn.report import silent  # noqa: PLC0415 (as above)

    return direct.train_ranking(
        pairs,
        schedule=schedule,
        network=network,
        loss=loss,
        augment=augment,
        parent=parent,
        seed=seed,
        folder=folder,
        saving=saving,
        threads=threads,
        report=report or silent,
    )
