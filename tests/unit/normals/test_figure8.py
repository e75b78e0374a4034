import base64
import io
import json
import re

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from tracklearn.errors import UserError
from tracklearn.figures.drawing import Outputs
from tracklearn.networks.of_normals import NormalsNet
from tracklearn.networks.weights import save_weights
from tracklearn.normals.figure8 import normals_figure
from tracklearn.normals.truth import SCALE

WORDS = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0.6, 0.8]])


@pytest.fixture
def made(nyuv2, write_split, tmp_path):
    """Draws the figure of two networks that answer with one word each, where the left half of the truth faces right."""
    with h5py.File(tmp_path / "truth.h5", "w") as file:
        normals = np.zeros((8, 48, 64, 3), np.int16)
        normals[:, :, :32, 0] = SCALE
        file["normals"] = normals
        file["normals"].attrs.update(source="made by hand", mask="the left half")
    np.savez(tmp_path / "codebook.npz", words=WORDS)
    write_split(trainNdxs=[1, 2], testNdxs=[3, 4, 5, 6, 7, 8])
    weights = []
    for model, word in (("normals-scratch", 1), ("normals-unsup", 0)):
        net = NormalsNet(cells=3, words=4, width=0.1, input_size=67)
        with torch.no_grad():
            net.fc7.weight.zero_()
            net.fc7.bias.copy_(1e3 * torch.eye(4)[word].repeat(9))
        weights.append(tmp_path / model / "weights.safetensors")
        weights[-1].parent.mkdir()
        save_weights(weights[-1], net, metadata={"training": "normals", "cells": 3, "words": 4})

    def draw(name="figure8", **changes):
        outputs = Outputs(*(tmp_path / f"{name}.{suffix}" for suffix in ("png", "svg", "json")))
        arguments = {"labels": ["scratch", "unsup <8M>"], "weights": weights, "count": 2, "seed": 0} | changes
        metrics = normals_figure(
            settings={"nyuv2": str(nyuv2.parent)}, truth=tmp_path / "truth.h5", codebook=tmp_path / "codebook.npz",
            protocol="val", outputs=outputs, page=tmp_path / f"{name}.html", **arguments,
        )  # fmt: skip
        return metrics, outputs, (tmp_path / f"{name}.html").read_text()

    return draw


def pictures(page):
    """The pictures of a page, float (H, W, 3)."""
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(float) for data in found]


def test_true_and_predicted_normals_have_the_papers_colours(made, photos):
    metrics, outputs, page = made()
    first, second = pictures(page)[:4], pictures(page)[4:]
    assert len(second) == 4
    drawn = [int(re.match(r"image (\d+)", line)[1]) for line in json.loads(outputs.description.read_text())["drawn"]]
    assert np.abs(first[0] - photos[drawn[0] - 1]).mean() < 10
    assert np.abs(first[1][:, :24] - [128, 128, 255]).max() < 4  # to the right is blue
    assert first[1][:, 40:].max() < 4  # no truth
    assert np.abs(first[2] - [128, 128, 255]).max() < 4
    assert np.abs(second[3] - [255, 128, 128]).max() < 4  # towards the camera is red
    assert metrics == {"images": 2, "mean/normals-scratch": 0, "mean/normals-unsup": 90}


def test_the_description_names_images_models_and_errors(made):
    _, outputs, page = made(notes=["ImageNet + ft: left out; no images"])
    described = json.loads(outputs.description.read_text())
    for line in described["drawn"]:
        assert re.fullmatch(
            r"image [3-8]; scratch \(normals-scratch\): mean 0\.0°, median 0\.0°; "
            r"unsup <8M> \(normals-unsup\): mean 90\.0°, median 90\.0°",
            line,
        )
    assert len({*described["drawn"]}) == 2
    assert "2 of 6 test images, drawn at random with seed 0" in described["caption"]
    assert "(made by hand), scratch, unsup <8M>." in described["caption"]
    assert described["notes"] == ["ImageNet + ft: left out; no images"]
    assert "ImageNet + ft: left out; no images." in page
    assert "<b>unsup &lt;8M&gt;</b>" in page
    assert page.count("<figcaption>mean 90.0°, median 90.0°</figcaption>") == 2
    assert 'href="../../tables/val/table2.html"' in page


def test_the_figure_is_of_print_quality(made):
    _, outputs, _ = made()
    with Image.open(outputs.png) as image:
        assert image.width == pytest.approx(6.9 * 300, abs=1)
    assert outputs.svg.read_text().count("<image") == 8


def test_the_seed_decides_which_images_are_drawn(made):
    def drawn(name, **changes):
        outputs = made(name, **changes)[1]
        return json.loads(outputs.description.read_text())["drawn"], outputs.svg.read_bytes()

    first = drawn("a", seed=1)
    assert drawn("b", seed=1) == first
    assert drawn("c", seed=2)[0] != first[0]
    assert made("d", count=99)[0]["images"] == 6  # all


def test_without_networks_photos_and_truth_remain(made):
    metrics, _, page = made(labels=[], weights=[])
    assert metrics == {"images": 2}
    assert len(pictures(page)) == 4


def test_a_network_of_other_words_is_refused(made, tmp_path):
    np.savez(tmp_path / "codebook.npz", words=WORDS[:3])
    with pytest.raises(UserError, match=r"weights.safetensors: answers in 4 words, but the codebook has 3; train it"):
        made()
