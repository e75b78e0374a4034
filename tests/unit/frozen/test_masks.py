import json

import numpy as np
import pytest
import torch
from PIL import Image

from tracklearn.errors import UserError
from tracklearn.frozen.masks import (
    cells_of,
    compared,
    figures,
    mask_set_figures,
    on_cells,
    predicted_masks,
    read_masks,
    videos_of,
)
from tracklearn.frozen.overlap import region_j
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import build, save_weights
from tracklearn.settings.frozen import MaskSet, Propagation

PROPAGATION = {"layer": "conv5", "side": 96, "radius": 2, "top_k": 1}


def film(folder, name, lefts, *, size=(96, 320), binary=True):
    """A textured rectangle that moves over a dark ground, and its masks; its lower half may be a second object."""
    texture = np.random.default_rng(0).integers(60, 256, (64, 48, 3), dtype=np.uint8)
    for number, left in enumerate(lefts):
        frame, mask = np.full((*size, 3), 20, np.uint8), np.zeros(size, np.uint8)
        frame[16:80, left : left + 48] = texture
        mask[16:80, left : left + 48] = 255 if binary else 1
        mask[48:80, left : left + 48] = 255 if binary else 2
        for kind, pixels, suffix in (("JPEGImages", frame, "jpg"), ("Annotations", mask, "png")):
            path = folder / kind / "480p" / name / f"{number:05d}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path, quality=95)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("davis")
    film(folder / "data", "still", [128] * 4)
    film(folder / "data", "two", [96, 112, 128, 144], binary=False)
    save_weights(folder / "net.safetensors", CaffeNet(width=1 / 4, input_size=67, fc7=8, conv_std=0.05, fc_std=0.05))
    return folder


def evaluate(world, out, **masks):
    values = mask_set_figures(
        settings={
            "masks": {"davis": {"folder": str(world / "data"), **masks}}, "propagation": PROPAGATION, "bootstrap": 20
        },
        column="davis", weights=world / "net.safetensors", cell=out / "net.json", replicates=out / "net.npz",
    )  # fmt: skip
    return values, json.loads((out / "net.json").read_text()), dict(np.load(out / "net.npz"))


def test_the_figures_are_means_over_objects_of_means_over_frames():
    two = [[[1, 0], [1, 0.2]], [[0, 0], [0.4, 0.2]]]
    scores = [np.array([[[0.5, 0.3], [0.7, 0.5]]]), np.array(two)]  # one object, and two
    # J of the three objects: 0.6, 1, 0.2; F: 0.4, 0.1, 0.1. The second draw has the second sequence twice.
    found = figures(scores, np.array([[1, 1], [0, 2]]))
    assert list(found) == ["J&F", "J", "F"]
    np.testing.assert_allclose(list(found.values()), [[40, 35], [60, 60], [20, 10]])


def test_each_object_is_compared_in_all_frames_but_the_first_and_the_last():
    truth = np.array([[[1, 2]], [[1, 2]], [[1, 0]], [[0, 0]]], np.uint8)  # (T, 1, 2)
    scores = compared([truth[1], np.array([[2, 0]])], truth)
    assert scores.shape == (2, 2, 2)
    np.testing.assert_array_equal(scores[:, :, 0], [[1, 0], [1, 0]])


def test_what_is_still_keeps_its_mask_and_what_moves_is_followed(world, tmp_path):
    values, cell, draws = evaluate(world, tmp_path)
    assert cell["sequences"]["still"]["J"] > 95  # its edges are those of cells, whose corners are rounded
    net, (_, video) = build(world / "net.safetensors"), videos_of(MaskSet(folder=str(world / "data")), "x")
    truth = read_masks(video)
    with torch.inference_mode():
        found = list(predicted_masks(net, video, truth[0], Propagation(**PROPAGATION)))
    assert len(found) == len(truth) - 2 and found[0].shape == truth[0].shape
    moved = [np.argwhere(mask > 0).mean(0)[1] for mask in (truth[0], found[1], truth[2])]
    assert moved[1] == pytest.approx(moved[2], abs=3) and moved[2] - moved[0] == 32
    assert evaluate(world, tmp_path, sequences=["still"])[1]["sequences"].keys() == {"still"}
    assert values["J&F"] == pytest.approx((values["J"] + values["F"]) / 2)
    assert cell["value"] == values["J&F"] > cell["chance"]["J&F"] + 10  # masks that stay where they are
    assert cell["true cells"]["J"] == pytest.approx(
        values["J"]
    )  # this film moves by whole cells, and is followed exactly
    assert cell["learned_pairs"] == [None]
    references = {f"{name}.{figure}" for name in ("chance", "true cells") for figure in values}
    assert draws.keys() == {*values} | references
    assert draws["chance.J"].std() > 0 and draws["true cells.J"].mean() > draws["chance.J"].mean()
    assert [cell["sequences"]["two"][name] for name in ("objects", "frames")] == [2, 4]
    assert {len(array) for array in draws.values()} == {20}


def test_masks_of_davis_2016_and_2017(world, tmp_path):
    still, two = videos_of(MaskSet(folder=str(world / "data")), "x")
    assert np.unique(read_masks(still)).tolist() == [0, 1]
    assert np.unique(read_masks(two)).tolist() == [0, 1, 2]
    film(tmp_path, "void", [0] * 3, binary=False)
    path = tmp_path / "Annotations/480p/void/00001.png"
    mask = np.array(Image.open(path))
    mask[:10] = 255
    Image.fromarray(mask).save(path)
    (void,) = videos_of(MaskSet(folder=str(tmp_path)), "x")
    assert np.unique(read_masks(void)).tolist() == [0, 1, 2]  # void is background


def test_gaps_between_the_numbers_of_objects_are_no_objects_and_later_ones_are_background(world, tmp_path):
    film(tmp_path, "gaps", [0] * 3, binary=False)
    (video,) = videos_of(MaskSet(folder=str(tmp_path)), "x")
    counted = read_masks(video)
    for path in video.masks:
        mask = np.array(Image.open(path))
        Image.fromarray(np.array([0, 7, 128], np.uint8)[mask]).save(path)
    mask = np.array(Image.open(video.masks[1]))
    mask[:10] = 9  # is not in the first frame
    Image.fromarray(mask).save(video.masks[1])
    counted[1, :10] = 0
    np.testing.assert_array_equal(read_masks(video), counted)
    assert compared(counted[1:-1], counted).shape == (2, 1, 2)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: None, r"a: .*JPEGImages/720p: no such folder; expected the layout of DAVIS"),
        (
            lambda folder: folder.joinpath("Annotations/480p/v/00001.png").unlink(),
            r"no mask 00001\.png \(1 of 3 frames",
        ),
        (lambda folder: folder.joinpath("JPEGImages/480p/v/00001.jpg").unlink(), r"v: 2 frames; expected at least 3"),
    ],
)
def test_what_is_missing_is_told(tmp_path, harm, message):
    film(tmp_path, "v", [0] * 3)
    harm(tmp_path)
    with pytest.raises(UserError, match=message):
        videos_of(MaskSet(folder=str(tmp_path), resolution="720p" if "720p" in message else "480p"), "a")


@pytest.mark.parametrize(
    ("number", "mask", "message"),
    [
        (0, np.zeros((96, 320), np.uint8), "no object in the first frame"),
        (1, np.zeros((96, 320, 3), np.uint8), "mode RGB; expected one value a pixel"),
        (2, np.zeros((9, 9), np.uint8), "another size than the first mask of v"),
    ],
)
def test_masks_that_are_none_are_told(tmp_path, number, mask, message):
    film(tmp_path, "v", [0] * 3)
    Image.fromarray(mask).save(tmp_path / f"Annotations/480p/v/{number:05d}.png")
    (video,) = videos_of(MaskSet(folder=str(tmp_path)), "a")
    with pytest.raises(UserError, match=message):
        read_masks(video)


def test_images_are_resized_to_whole_cells():
    net = CaffeNet(width=1 / 8, input_size=67, fc7=8)
    assert cells_of((240, 428), net, Propagation(side=480, layer="conv5")) == (30, 54)  # 428 pixels are 53.5 cells
    assert cells_of((428, 240), net, Propagation(side=480, layer="pool5")) == (27, 15)
    assert cells_of((100, 1000), net, Propagation(side=64, layer="pool5")) == (2, 20)


def test_true_cells_give_the_true_mask_as_far_as_cells_can_show_it():
    net, settings = (
        CaffeNet(width=1 / 8, input_size=67, fc7=8),
        Propagation(side=96, layer="conv5"),
    )  # cells of 16 pixels
    whole, part = np.zeros((2, 96, 160), np.uint8)
    whole[32:64, 48:112] = 1  # whole cells
    part[32:64, 48:53] = 1  # a third of two cells
    found = list(on_cells([whole, part], net, settings))
    assert [mask.shape for mask in found] == [(96, 160)] * 2
    assert 0.9 < region_j(found[0] == 1, whole == 1) < 1  # the corners are rounded
    assert not found[1].any()
