import json

import numpy as np
import pytest
import torch
from PIL import Image
from reference.figures import strongest_images
from worlds.devkit import random_boxes

from tracklearn.features.computed import ComputedFeatures
from tracklearn.figures.drawing import Outputs
from tracklearn.figures.units import OFF_OBJECTS, TopWindows, _crop, choose_units, units_figure
from tracklearn.networks.caffenet import CaffeNet, to_input
from tracklearn.networks.receptive_field import receptive_field
from tracklearn.networks.weights import save_weights
from tracklearn.voc.annotations import Voc
from tracklearn.voc.warp import warp

CLASSES = ("cat", "dog")


def some_images(count=12, units=9, seed=0):
    """Activations of 1 to 5 windows an image, many of them equal."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 6, (rng.integers(1, 6), units)).astype(np.float32) for _ in range(count)]


def collected(images, k):
    top = TopWindows(k, images[0].shape[1])
    for number, features in enumerate(images):
        top.add(number, np.arange(len(features)), features)
    return top


@pytest.mark.parametrize("k", [1, 3, 12])
def test_streaming_finds_what_sorting_everything_finds(k):
    images = some_images()
    top = collected(images, k)
    for unit, expected in enumerate(strongest_images(images, k)):
        found = zip(top.values[:, unit], top.images[:, unit], top.rows[:, unit], strict=True)
        assert [(float(value), int(image), int(window)) for value, image, window in found] == expected


def test_the_order_of_the_images_changes_no_activation():
    images = some_images(seed=1)
    assert np.array_equal(collected(images, 4).values, collected(images[::-1], 4).values)


def test_fewer_images_than_places_leave_places_empty():
    top = collected(some_images(count=2), 3)
    assert (top.values[2] == -np.inf).all()
    assert (top.images[2] == -1).all()


def test_units_are_chosen_by_hand():
    """Six units of two channels each: agreement, then the class shown least often, then the mean activation."""
    labels = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1], [0, 0, 1, OFF_OBJECTS, 1, 1]])
    values = np.array([[9, 8, 9, 9, 5, 9], [9, 8, 9, 9, 5, 9], [9, 8, 9, 9, 5, 0]], np.float32)
    # Unit 0 and unit 1 agree on class 0, unit 4 on class 1. Unit 5 agrees too, but only two windows excite it.
    alone = choose_units(values, labels, count=9, classes=2, units_of_channel=1)
    assert [tuple(unit) for unit in alone] == [(0, 0, 3), (4, 1, 3), (1, 0, 3), (2, 0, 2), (3, 0, 1)]
    of_pairs = choose_units(values, labels, count=9, classes=2, units_of_channel=2)
    assert [unit.number for unit in of_pairs] == [0, 4, 2]
    assert [unit.number for unit in choose_units(values, labels, count=2, classes=2, units_of_channel=2)] == [0, 4]
    assert choose_units(0 * values, labels, count=2, classes=2, units_of_channel=1) == []


def test_a_crop_is_what_the_unit_sees():
    net = CaffeNet(width=1 / 16, input_size=227, fc7=2)
    window = np.random.default_rng(0).integers(0, 255, (227, 227, 3), np.uint8)
    (top, bottom), (left, right) = receptive_field(net, 3), receptive_field(net, 5)
    crop = _crop(window, net, 36 * 7 + 3 * 6 + 5)  # channel 7, row 3, column 5
    assert crop.shape == (195, 131, 3)
    assert np.array_equal(crop, window[top : bottom + 1, left : right + 1])


@pytest.fixture
def figure(devkit, tmp_path):
    """A function that draws the figure of a small network on the three photos of val."""
    net = CaffeNet(width=1 / 16, input_size=67, fc7=2, conv_std=0.05)
    photos = Voc(devkit, 2012, classes=CLASSES)

    def draw(*, net=net, windows=3, units=2, proposals="objects", offset=0):
        weights = tmp_path / "weights.safetensors"
        save_weights(weights, net)
        rng = np.random.default_rng(0)
        ids = photos.images("val")
        boxes = {name: np.vstack([photos.objects(name).boxes + offset, random_boxes(rng, 5)]) for name in ids}
        source = ComputedFeatures(photos, boxes, weights=[weights], layer="pool5", ground_truth=False)
        outputs = Outputs(tmp_path / "f.png", tmp_path / "f.svg", tmp_path / "f.json")
        metrics = units_figure(
            voc=devkit, year=2012, classes=CLASSES, source=source, weights=weights, outputs=outputs, units=units,
            windows=windows, proposals=proposals, model="small",
        )  # fmt: skip
        return metrics, json.loads(outputs.description.read_text()), outputs

    return draw


def test_the_figure_states_rule_counts_and_windows(figure):
    metrics, described, outputs = figure()
    assert (metrics["units"], metrics["photos"]) == (2, 3)
    assert metrics["windows"] >= 6
    assert f"{int(metrics['excited'])} units that are excited by 3 photos" in described["caption"]
    assert "67 x 67 of 67 pixels" in described["caption"]
    assert len(described["drawn"]) == 2
    for line in described["drawn"]:
        assert {part.split(" ")[0] for part in line.split(": ")[1].split("), ")} == {"val_0", "val_1", "val_2"}
    assert Image.open(outputs.png).width == 2070


def test_the_activations_are_those_of_the_network(figure, devkit):
    """The strongest window of the first unit, computed from the photo again."""
    net = CaffeNet(width=1 / 16, input_size=67, fc7=2, conv_std=0.05).eval()
    _, described, _ = figure(net=net)
    place, windows = described["drawn"][0].split(": ")
    channel, row, column = (int(word.rstrip(",")) for word in place.split(" ")[1::2])
    image_id, shows, activation = windows.split("), ")[0].replace("(", "").replace(",", "").split(" ")
    photos = Voc(devkit, 2012, classes=CLASSES)
    boxes = photos.objects(image_id).boxes
    crops = warp(photos.image(image_id), boxes, mean=net.mean_bgr[::-1], size=67)
    with torch.inference_mode():
        pool5 = net(to_input(torch.from_numpy(crops), net.mean_bgr), "pool5").reshape(len(boxes), -1, 1, 1)
    assert (row, column) == (0, 0)
    assert pool5[:, channel, 0, 0].max().item() == pytest.approx(float(activation), rel=0.01)
    assert shows in CLASSES


def test_all_proposals_count_where_the_setting_says_so(figure):
    assert figure(proposals="all")[0]["windows"] == 3 * 7 > figure()[0]["windows"]


def test_too_few_photos_give_a_placard(figure):
    metrics, described, _ = figure(windows=6)
    assert metrics["units"] == 0
    (note,) = described["notes"]
    assert note.startswith("Figure 5: figures.windows is 6, but there are only 3 photos with a proposal on an object; ")
    assert note.endswith("lower it or evaluate more photos")


def test_a_network_without_an_excited_unit_gives_a_placard(figure):
    net = CaffeNet(width=1 / 16, input_size=67, fc7=2)
    with torch.no_grad():
        net.conv5.weight.zero_()
        net.conv5.bias.fill_(-1)
    metrics, described, _ = figure(net=net)
    assert (metrics["units"], metrics["excited"]) == (0, 0)
    assert "no unit of pool5 of small is excited by 3 photos" in described["notes"][0]
