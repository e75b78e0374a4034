"""Learning visual features from unlabelled video by tracking (Wang & Gupta, ICCV 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tracklearn.networks.caffenet import CaffeNet
    from tracklearn.networks.loading import Preprocessing
    from tracklearn.patches.dataset import Pairs

__version__ = "0.1.0"
__all__ = ["load", "pairs"]


def load(model: str | Path) -> tuple[CaffeNet, Preprocessing]:
    """A trained network in evaluation mode, and the function that turns RGB images into its input.

        net, prepare = tracklearn.load("unsup-8M")
        features = net(prepare(Image.open("photo.jpg")), "pool5")  # (1, 9216)

    Args:
        model: path of a .safetensors or .caffemodel file, or the name of a model in results/models.

    Raises:
        UserError: the file or model does not exist, or the file does not hold a CaffeNet.
    """
    from tracklearn.networks import loading  # noqa: PLC0415 (importing torch takes seconds, `import tracklearn` should not)

    return loading.load(model)


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
