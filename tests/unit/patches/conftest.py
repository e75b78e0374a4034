import pytest
from worlds.pairs import SIDE, some_pairs

from tracklearn.patches.writing import write_shard


@pytest.fixture
def shard(tmp_path):
    """A shard of six pairs."""
    write_shard(tmp_path / "00000.h5", some_pairs(6), size=SIDE, quality=95)
    return tmp_path / "00000.h5"


@pytest.fixture
def shards(tmp_path):
    """Three shards of six, no and four pairs; the videos are ant and bee, none, bee and cow."""
    write_shard(tmp_path / "0.h5", some_pairs(6), size=SIDE, quality=95)
    write_shard(tmp_path / "1.h5", [], size=SIDE, quality=95)
    write_shard(tmp_path / "2.h5", some_pairs(4, videos=("bee", "cow"), start=6), size=SIDE, quality=95)
    return [tmp_path / f"{index}.h5" for index in range(3)]
