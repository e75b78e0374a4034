import json

import numpy as np
import pytest
import torch
from PIL import Image

from tracklearn.errors import UserError
from tracklearn.frozen import masks as module
from tracklearn.frozen.masks import mask_set_figures, predicted_masks, read_masks, videos_of
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


def test_the_figures_are_means_over_objects_and_frames_between_the_first_and_the_last(world, tmp_path, monkeypatch):
    two = [[[1, 0], [1, 0.2]], [[0, 0], [0.4, 0.2]]]
    scores = {"still": np.array([[[0.5, 0.3], [0.7, 0.5]]]), "two": np.array(two)}
    monkeypatch.setattr(module, "scores_of", lambda net, video, settings: scores[video.name])
    values, cell, draws = evaluate(world, tmp_path)
    # J of the three objects: 0.6, 1, 0.2; F: 0.4, 0.1, 0.1
    assert values == {"J&F": pytest.approx(40), "J": pytest.approx(60), "F": pytest.approx(20)}
    assert cell["value"] == pytest.approx(40) and list(cell["figures"]) == ["J&F", "J", "F"]
    assert cell["sequences"]["two"] == {"objects": 2, "frames": 4, "J": pytest.approx(60), "F": pytest.approx(10)}
    # A draw of two sequences takes one of them twice, or both.
    assert {round(float(j), 6) for j in draws["J"]} <= {60.0}
    assert {round(float(f), 6) for f in draws["F"]} == {10.0, 20.0, 40.0}


def test_what_is_still_keeps_its_mask_and_what_moves_is_followed(world, tmp_path):
    values, cell, _ = evaluate(world, tmp_path)
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
