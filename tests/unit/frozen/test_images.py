import json

import numpy as np
import pytest
from PIL import Image

from tracklearn.errors import UserError
from tracklearn.frozen.images import (
    _vote,
    accuracy,
    image_set_figures,
    photos_of,
    precision_by_chance,
    precision_of_nearest,
    training_photos,
)
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import save_weights
from tracklearn.settings.frozen import Frozen, Knn

COLOURS = {"leaf": (30, 180, 40), "sky": (60, 120, 240), "sand": (230, 200, 120)}
SETTINGS = {
    "train_images": 3,
    "draws": 2,
    "knn": {"k": 3},
    "precision": {"k": 3},
    "linear": {"C": [1, 100]},
    "bootstrap": 50,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Ten photos of each of three colours, and a small network."""
    folder, rng = tmp_path_factory.mktemp("frozen"), np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / "photos" / name).mkdir(parents=True)
        for index in range(10):
            pixels = np.clip(rng.normal(colour, 20, (40, 50, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{index}.png")
    save_weights(folder / "net.safetensors", CaffeNet(width=1 / 8, input_size=67, fc7=16, conv_std=0.05, fc_std=0.05))
    return folder


def evaluate(world, out, *, half="all", nets=1, **settings):
    block = SETTINGS | settings | {"sets": {"colours": {"folder": str(world / "photos"), "half": half}}}
    values = image_set_figures(
        settings=block, column="colours", weights=[world / "net.safetensors"] * nets, cell=out / "net.json",
        replicates=out / "net.npz", runs=["a"],
    )  # fmt: skip
    return values, json.loads((out / "net.json").read_text()), dict(np.load(out / "net.npz"))


def test_colours_are_told_apart_and_the_cell_says_how(world, tmp_path):
    values, cell, draws = evaluate(world, tmp_path)
    assert values == {"linear": 100, "knn": 100, "precision": pytest.approx(100, abs=5)}
    assert cell["value"] == 100 and cell["interval"] == [100, 100] and list(cell["figures"]) == [*values]
    assert {name: len(array) for name, array in draws.items()} == dict.fromkeys(values, 50)
    assert (cell["images"], cell["classes"], cell["train_images"], cell["half"]) == (30, 3, 3, "all")
    assert cell["chance"] == {"linear": 100 / 3, "knn": 100 / 3, "precision": pytest.approx(100 * 9 / 29)}
    assert len(cell["chosen"]) == 2 and cell["runs"] == ["a"]


def test_an_ensemble_of_one_network_twice_finds_the_same_nearest_photos(world, tmp_path):
    once, twice = (evaluate(world, tmp_path, nets=nets)[2] for nets in (1, 2))
    np.testing.assert_allclose(once["precision"], twice["precision"])


def test_equal_settings_give_equal_cells_and_another_half_has_other_photos(world, tmp_path):
    first = evaluate(world, tmp_path, half="choose", layer="fc7")[1:]
    again = evaluate(world, tmp_path, half="choose", layer="fc7")[1:]
    assert first[0] == again[0] and first[0]["images"] == 15
    assert all((first[1][name] == again[1][name]).all() for name in first[1])


def test_the_halves_share_no_photo_and_leave_none_out(world):
    def files(half, seed=0):
        sets = {"colours": {"folder": str(world / "photos"), "half": half}}
        classes, found, labels = photos_of(Frozen.read({"sets": sets, "seed": seed, "train_images": 3}), "colours")
        assert [path.parent.name for path in found] == [classes[label] for label in labels]
        return set(found)

    assert files("choose") | files("report") == files("all")
    assert not files("choose") & files("report")
    assert len(files("choose")) == len(files("report")) == 15
    assert files("report", seed=1) != files("report")


def test_training_photos_are_as_many_of_each_category_and_depend_on_their_own_category_alone():
    labels = np.array([0] * 6 + [1] * 9)
    chosen = training_photos(labels, 4, seed=0, draw=0)
    assert np.bincount(labels[chosen]).tolist() == [4, 4]
    assert (training_photos(labels[:6], 4, seed=0, draw=0) == chosen[:6]).all()
    others = [training_photos(labels, 4, seed=seed, draw=draw) for seed, draw in ((0, 1), (1, 0))]
    assert all((other != chosen).any() for other in others)


def test_accuracy_is_a_mean_over_categories_and_draws_of_the_photos_that_are_tested():
    labels = np.array([0, 0, 0, 1, 1])
    training = [np.array([1, 0, 0, 1, 0], bool), np.array([0, 1, 0, 0, 1], bool)]
    correct = [np.array([0, 1, 0, 0, 1], bool), np.array([0, 0, 0, 1, 0], bool)]
    # First draw: 1 of 2 and 1 of 1; second draw: 0 of 2 and 1 of 1.
    # With photo 1 twice and photo 4 left out: 2 of 3 and nothing tested; 0 of 2 and 1 of 1.
    drawn = np.array([[1, 1, 1, 1, 1], [1, 2, 1, 1, 0]])
    expected = [(75 + 50) / 2, (100 * 2 / 3 + 50) / 2]
    np.testing.assert_allclose(accuracy(correct, training, labels, drawn), expected)


def test_precision_leaves_the_photo_itself_out():
    angles = np.radians([0, 10, 25, 90, 97])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    labels = np.array([0, 0, 1, 1, 1])
    # The two nearest: of 0: 1, 2; of 1: 0, 2; of 2: 1, 0; of 3: 4, 2; of 4: 3, 2.
    given = 5 * features
    np.testing.assert_array_equal(precision_of_nearest(given, labels, 2), [0.5, 0.5, 0, 1, 1])
    np.testing.assert_array_equal(given, 5 * features)  # which stay as they are


def test_precision_of_doubles_and_of_features_that_are_all_zero():
    features = np.array([[1, 0], [2, 0], [3, 0], [0, 1], [0, 0]], np.float32)
    found = precision_of_nearest(features, np.array([0, 0, 0, 1, 1]), 1)
    np.testing.assert_array_equal(found[:3], [1, 1, 1])  # each has a double that is not itself
    assert found[4] == 0


def test_precision_by_chance_is_what_random_neighbours_have():
    labels = np.array([0, 0, 0, 1, 1])
    pairs = [(a, b) for a in range(5) for b in range(5) if a != b]
    assert precision_by_chance(labels) == pytest.approx(100 * np.mean([labels[a] == labels[b] for a, b in pairs]))


def test_votes_are_weighted_by_cosine_or_count_alike():
    angles = np.radians([0, 40, 45, 1])  # one training photo of category 0, two of category 1, and a test photo
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    labels, trains = np.array([0, 1, 1, 0]), np.array([1, 1, 1, 0], bool)
    assert _vote(features, labels, trains, Knn(k=3, temperature=0.07)).tolist() == [False, False, False, True]
    assert not _vote(features, labels, trains, Knn(k=3, temperature=None)).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_images": 10}, r"frozen\.sets\.colours\.folder: .*leaf has 10 photos \(half: all\), but frozen\.train"),
        ({"train_images": 5, "half": "report"}, r"has 5 photos \(half: report\)"),
        ({"precision": {"k": 30}}, r"frozen\.precision\.k is 30, but colours has 30 photos; lower k"),
        ({"knn": {"k": 10}}, r"frozen\.knn\.k is 10, but colours has 9 training photos; lower k"),
        ({"train_images": 1}, r"frozen\.train_images is 1; expected a whole number, at least 2"),
    ],
)
def test_too_few_photos_are_told(world, tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        evaluate(world, tmp_path, **settings)
    assert not (tmp_path / "net.json").exists()


def test_a_folder_that_is_not_there_is_told(tmp_path):
    frozen = Frozen.read({"sets": {"a": {"folder": str(tmp_path / "none")}}})
    with pytest.raises(UserError, match=r"none: no ImageFolder there; point frozen\.sets\.a\.folder at"):
        photos_of(frozen, "a")
