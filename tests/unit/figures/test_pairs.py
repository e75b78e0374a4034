import json

import cv2
import numpy as np
import pytest
from PIL import Image
from worlds.pairs import SIDE, some_pairs

from tracklearn.figures.drawing import Outputs
from tracklearn.figures.pairs import pairs_figure
from tracklearn.patches.store import PatchStore
from tracklearn.patches.writing import write_shard


@pytest.fixture
def stores(tmp_path):
    """Shards of six, no and four pairs of three videos: ant and bee, none, bee and cow."""
    parts = (some_pairs(6), [], some_pairs(4, videos=("bee", "cow"), start=6))
    for number, pairs in enumerate(parts):
        write_shard(tmp_path / f"{number:05d}.h5", pairs, size=SIDE, quality=95)
    return sorted(tmp_path.glob("*.h5"))


@pytest.fixture
def figure(stores, tmp_path):
    def draw(count=20, seed=0, paths=stores):
        outputs = Outputs(tmp_path / "f.png", tmp_path / "f.svg", tmp_path / "f.json")
        metrics = pairs_figure(stores=paths, count=count, seed=seed, outputs=outputs)
        return metrics, json.loads(outputs.description.read_text()), Image.open(outputs.png).convert("RGB")

    return draw


def test_pairs_are_drawn_by_the_seed_and_each_from_another_video_first(figure):
    metrics, described, _ = figure(count=3)
    assert metrics == {"pairs": 3, "videos": 3, "available": 10}
    assert {line.split(",")[0] for line in described["drawn"]} == {"ant", "bee", "cow"}
    assert figure(count=3)[1] == described
    assert len({tuple(figure(count=3, seed=seed)[1]["drawn"]) for seed in (1, 2)}) == 2


def test_fewer_pairs_than_wanted_are_all_shown(figure):
    metrics, described, _ = figure(count=20)
    assert metrics["pairs"] == 10
    assert len(set(described["drawn"])) == 10


def test_the_first_pair_stands_in_the_upper_left_corner(figure, stores):
    """As the description names it: the query on the left, the tracked patch on the right."""
    _, described, image = figure(count=4)
    name, shard = described["drawn"][0].split(" (pair ")
    index, shard = shard.rstrip(")").split(" of shard ")
    store = PatchStore(stores[int(shard)])
    first, last = store.frames[int(index)]
    assert name == f"{store.video_ids[store.video_of_pair[int(index)]]}, frames {first} and {last}"
    side = (6.9 - 3 * 0.1) / 8 - 0.01
    for half, patch in enumerate(store.pair(int(index))):
        left, top, right, bottom = (
            round(300 * at) for at in (half * (side + 0.02), 0.18, half * (side + 0.02) + side, 0.18 + side)
        )
        seen = np.asarray(image)[top:bottom, left:right].astype(int)
        assert np.abs(seen - cv2.resize(patch, seen.shape[1::-1], interpolation=cv2.INTER_NEAREST)).mean() < 12


def test_shards_without_a_pair_give_a_placard(figure, stores):
    metrics, described, _ = figure(paths=stores[1:2])
    assert metrics["pairs"] == 0
    assert described["notes"] == ["Figure 3: no pair in 1 shards; add videos or relax mining.filter"]
