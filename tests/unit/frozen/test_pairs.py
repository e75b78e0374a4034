import json

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.frozen.pairs import _recall, pair_set_figures
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.initial import new_network
from tracklearn.networks.weights import save_weights
from tracklearn.patches.writing import Pair, write_shard

SIDE = 67


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two clips of two pairs; the tracked patch of a query is the query itself, but for one pair, which is swapped."""
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    queries = rng.integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)
    tracked = [queries[0], queries[1], queries[2], queries[0]]
    pairs = [
        Pair(f"clip{index // 2}", (0, 30), np.zeros((2, 4)), 0.0, queries[index], tracked[index]) for index in range(4)
    ]
    write_shard(folder / "00000.h5", pairs, size=SIDE, quality=95)
    write_shard(folder / "one.h5", pairs[:2], size=SIDE, quality=95)
    net = CaffeNet(width=1 / 8, input_size=SIDE, fc7=16, conv_std=0.05, fc_std=0.05)
    save_weights(folder / "net.safetensors", net, metadata={"pairs": 7})
    save_weights(folder / "large.safetensors", CaffeNet(width=1 / 8, input_size=99, fc7=16))
    return folder


def evaluate(folder, out, *, store="00000.h5", net="net.safetensors", **settings):
    block = {"pairs": {"clips": {"folder": str(folder)}}, "bootstrap": 50} | settings
    return pair_set_figures(
        settings=block, column="clips", stores=[folder / store] if store else [], weights=folder / net,
        cell=out / "net.json", replicates=out / "net.npz", runs=["a"],
    )  # fmt: skip


def test_a_query_is_right_if_its_tracked_patch_is_nearest(folder, tmp_path):
    values = evaluate(folder, tmp_path)
    # Query 0 is wrong among all: the tracked patch of pair 3, of another clip, equals it as well.
    assert values == {"recall": 50, "recall_other_clips": 50}
    cell, draws = json.loads((tmp_path / "net.json").read_text()), np.load(tmp_path / "net.npz")
    assert (cell["pairs"], cell["clips"], cell["learned_pairs"], cell["runs"]) == (4, 2, [7], ["a"])
    assert cell["chance"] == {"recall": pytest.approx(100 / 7), "recall_other_clips": 20}
    assert len(draws["recall"]) == 50 and set(draws["recall"]) == {50}  # each clip has one right query of two


def test_the_layer_is_that_of_the_pairs_or_else_that_of_all_evaluations(folder, tmp_path):
    evaluate(folder, tmp_path)
    assert json.loads((tmp_path / "net.json").read_text())["features"] == "pool5"
    evaluate(folder, tmp_path, pairs={"clips": {"folder": str(folder), "layer": "fc7"}})
    assert json.loads((tmp_path / "net.json").read_text())["features"] == "fc7"


def test_a_layer_that_the_network_lacks_is_refused(folder, tmp_path):
    net = new_network({"backbone": "resnet18", "input_size": SIDE, "ranking_fc7": 8}, head="ranking")
    save_weights(tmp_path / "resnet.safetensors", net)
    with pytest.raises(UserError, match=r"\(resnet18\) has no layer fc6; choose one of pool5, fc7"):
        evaluate(folder, tmp_path, net=tmp_path / "resnet.safetensors", layer="fc6")


def test_clips_are_drawn_and_not_pairs():
    """Clip 0 has 1 right of 3 queries, clip 1 has 1 of 1."""
    right, clips = np.array([1, 0, 0, 1], bool), np.array([0, 0, 0, 1])
    np.testing.assert_allclose(_recall(right, clips, np.array([[1, 1], [2, 0], [0, 2]])), [50, 100 / 3, 100])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"store": None}, "pairs of fewer than two clips there; mine pairs of some clips into it"),
        ({"store": "one.h5"}, "pairs of fewer than two clips there"),
        ({"net": "large.safetensors"}, "the patches have 67 pixels, but the input of .*large.safetensors has 99"),
        (
            {"layer": "fc8"},
            "the patches of pairs.clips have no labels, so give it a layer of its own: pool5, fc6 or fc7",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(folder, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        evaluate(folder, tmp_path, **changes)
    assert not (tmp_path / "net.json").exists()
