"""Pairs as a dataset of PyTorch."""

from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from tracklearn.errors import UserError
from tracklearn.patches.subset import Subset


class Pairs(Dataset[tuple[Tensor, Tensor, int]]):
    """All pairs of a folder of patch shards; pair i is row i of the index `pairs.parquet`.

    Item i is (query, tracked, video_index): two patches, uint8 RGB (3, S, S), and the index of their video in
    `video_ids`, so that pairs of one video can be told from those of others.

    Args:
        folder: the folder of the shards, results/patches of a run of `snakemake pairs`.

    Attributes:
        video_ids: ids of the videos, by index.

    Raises:
        UserError: there is no shard or no pair, or a file is cut short or not a patch shard.
    """

    def __init__(self, folder: str | Path) -> None:
        shards = sorted(Path(folder).glob("[!.]*.h5"))
        if not shards:
            raise UserError(
                f"{Path(folder).absolute()}: no patch shard (*.h5) there; `snakemake --cores 8 pairs` mines some"
            )
        self._subset = Subset(shards)
        if not len(self):
            raise UserError(f"{folder}: no pair in {len(shards)} shards; {Path(folder) / 'pairs.html'} tells why")
        self.video_ids = self._subset.video_ids

    def __len__(self) -> int:
        return len(self._subset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        patches = torch.from_numpy(self._subset.pairs([index])[0]).permute(0, 3, 1, 2)  # (2, 3, S, S)
        return patches[0], patches[1], int(self._subset.video_of_pair[index])
