"""The benchmark of what ranking learns: held-out clips, categories of the small world, one training from end to end."""

import importlib
import sys

import numpy as np
import pytest
import yaml

from tracklearn.errors import UserError
from tracklearn.patches.store import PatchStore
from tracklearn.patches.writing import Pair, write_shard

CONFIG = {
    "network": {"width": 0.125, "input_size": 67, "ranking_fc7": 64, "conv_std": 0.03, "fc_std": 0.03, "bias": 0.0},
    "schedules": {
        "ranking-1.5M": {"lr": 0.003, "random_iterations": 60, "iterations": 60, "batch": 32, "stages": "one"}
    },
}


@pytest.fixture(scope="module")
def learning(repository):
    sys.path.insert(0, str(repository))
    try:
        yield importlib.import_module("benchmarks.learning")
    finally:
        sys.path.remove(str(repository))


def patch(seed):
    colours = np.random.default_rng(seed).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    return colours.repeat(9, 0).repeat(9, 1)[:67, :67]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An experiment with two shards of 16 clips each, two pairs a clip; a tracked patch is the query, darker."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "config").mkdir()
    (folder / "config/config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "results/patches").mkdir(parents=True)
    for shard in (0, 1):
        pairs = []
        for number in range(32 * shard, 32 * shard + 32):
            query = patch(number)
            tracked = (0.6 * query).astype(np.uint8)
            boxes = np.full((2, 4), number, np.float32)
            pairs.append(Pair(f"clip{number // 2:04d}", (number, number + 30), boxes, 0.5, query, tracked))
        write_shard(folder / f"results/patches/{shard:05d}.h5", pairs, size=67, quality=95)
    return folder


def test_each_clip_is_held_out_by_one_of_three_seeds(learning):
    names = [f"clip{number:04d}" for number in range(11)]
    parts = [learning.held_out(names, seed) for seed in (1, 2, 3)]
    assert sorted(name for part in parts for name in part) == names
    assert learning.held_out(names[::-1], 1) == {"clip0001", "clip0004", "clip0007", "clip0010"}


def test_a_split_keeps_every_pair_as_it_was_and_no_clip_on_both_sides(learning, folder, tmp_path):
    shards = sorted((folder / "results/patches").glob("*.h5"))
    learning.write_split(shards, 2, tmp_path / "train.h5", tmp_path / "test.h5")
    train, test = PatchStore(tmp_path / "train.h5"), PatchStore(tmp_path / "test.h5")
    assert train.verify() + test.verify() == 64
    assert set(test.video_ids) == {f"clip{number:04d}" for number in range(2, 32, 3)}
    assert not set(test.video_ids) & set(train.video_ids)
    given, where = PatchStore(shards[1]), test.frames[:, 0].tolist().index(34)  # the first pair of clip 17
    assert test.video_ids[test.video_of_pair[where]] == "clip0017"
    assert (test.boxes[where] == given.boxes[2]).all()
    assert test.jpeg(2 * where + 1).tobytes() == given.jpeg(5).tobytes()


def test_categories_are_those_that_the_generator_paints(learning):
    clips = importlib.import_module("world_generator.clips")
    settings = clips.ClipSettings(frames=2)
    things = {clips.clip_name(i): clips.draw_clip(i, seed=0, settings=settings).thing for i in range(160)}
    assert {name: learning.shown_category(name) for name in things} == {
        name: -1 if thing is None else thing.category for name, thing in things.items()
    }


def test_a_training_is_looked_at_on_the_held_out_clips(learning, folder):
    world = learning.World("tiny", folder, "make tiny", category=lambda name: int(name.removeprefix("clip")) % 2)
    before = learning.untrained(world, 1)
    after = learning.trained(world, learning.VARIANTS[0], 1)
    assert set(after) - set(before) == {"loss"}
    assert before["fc7 right"] < 60
    assert after["fc7 right"] > 80
    assert after["pool5 recall"] > 5 * before["pool5 recall"] > 0
    text = learning.tables({"random net": [before, before], "trained": [after, after]})
    assert f"| trained | {after['loss']:.2f} ± 0.00 | {after['fc7 right']:.1f} ± 0.0 |" in text
    assert f"| random net | {before['fc7 right']:.1f} {before['fc7 right']:.1f} |" in text


def test_blocks_of_two_configs_are_merged(learning):
    merged = learning.merged({"a": {"x": 1, "y": 2}, "b": 3}, {"a": {"y": 4}, "c": None})
    assert merged == {"a": {"x": 1, "y": 4}, "b": 3, "c": None}


def test_without_patches_it_says_what_to_run(learning, tmp_path, capsys):
    with pytest.raises(UserError, match="run `make demo` or `make real` first"):
        learning.report([learning.World("tiny", tmp_path, "make tiny")], learning.VARIANTS, [1])
    assert capsys.readouterr().err == f"{tmp_path}/results/patches: no shards; `make tiny` makes them\n"
