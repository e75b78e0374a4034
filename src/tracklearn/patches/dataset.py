"""Pairs as a dataset of PyTorch."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tracklearn.errors import UserError
from tracklearn.patches.subset import Subset


class Pairs(Dataset[tuple[Tensor, Tensor, int]]):
    """All pairs of a folder of patch shards.

    Pair i is row i of the index `pairs.parquet`. Without an index, the pairs are those of all shards by their names.

    Item i is (query, tracked, video_index): two patches, uint8 RGB (3, S, S), and the index of their video in
    `video_ids`, so that pairs of one video can be told from those of others.

    Args:
        folder: the folder of the shards, results/patches of a run of `snakemake pairs`.

    Attributes:
        subset: the pairs as a ranking training reads them.
        video_ids: ids of the videos, by index.

    Raises:
        UserError: there is no shard or no pair, the index is unreadable or does not belong to the shards, or a shard is
            cut short or no patch shard.
    """

    def __init__(self, folder: str | Path) -> None:
        index = Path(folder, "pairs.parquet")
        if has_index := index.exists():  # shards of an earlier list of videos may lie in the folder too
            shard_of_pair = _read_shard_of_pair(index)
            shards = [Path(folder, f"{shard}.h5") for shard in shard_of_pair.unique().to_pylist()]
        elif not (shards := sorted(Path(folder).glob("[!.]*.h5"))):
            raise UserError(
                f"{Path(folder).absolute()}: no patch shard (*.h5) there; `snakemake --cores 8 pairs` mines some"
            )
        self.subset = Subset(shards)
        if has_index and len(shard_of_pair) != len(self):
            raise UserError(
                f"{index}: {len(shard_of_pair)} pairs, but its shards hold {len(self)}; "
                "run `snakemake --cores 8 pairs` again"
            )
        if not len(self):
            raise UserError(f"{folder}: no pair in its shards; {Path(folder) / 'pairs.html'} tells why")
        self.video_ids = self.subset.video_ids

    def __len__(self) -> int:
        return len(self.subset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        patches = torch.from_numpy(self.subset.pairs([index])[0]).permute(0, 3, 1, 2)  # (2, 3, S, S)
        return patches[0], patches[1], int(self.subset.video_of_pair[index])


def _read_shard_of_pair(index: Path) -> pa.ChunkedArray:
    """The name of each pair's shard, in the order of the index."""
    try:
        return pq.read_table(index, columns=["shard"], read_dictionary=["shard"])["shard"]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise UserError(
            f"{index}: not a readable index of pairs; delete it and run `snakemake --cores 8 pairs` again"
        ) from error
