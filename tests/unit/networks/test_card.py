import json
import re

import pytest
import yaml

from tracklearn.errors import UserError
from tracklearn.networks.backbones import BACKBONES
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.card import write_cards
from tracklearn.networks.weights import save_weights


@pytest.fixture
def card(tmp_path):
    """A function that writes the card of one network and returns its front matter and its text."""

    def write(entry, *, ancestors=(), data=None, metadata=None, measures=(), width=0.0625, net=None, **more):
        outputs = len(metadata["classes"]) if "classes" in (metadata or {}) else None
        net = net or CaffeNet(width=width, input_size=67, fc7=8, outputs=outputs, mean_bgr=(1, 2.5, 3))
        described = {"training": entry["train"], "seed": 7, **(metadata or {})}
        save_weights(tmp_path / "mine/weights.safetensors", net, metadata=described)
        model = {
            "name": "mine",
            "entry": {"schedule": "short", **entry},
            "ancestors": [{"name": name, "train": way} for name, way in ancestors],
            "schedule": {"lr": 0.001, "iterations": 20},
            "data": data or {},
            "measures": list(measures),
            **more,
        }
        path = tmp_path / "mine/card.md"
        assert write_cards(models=[model], weights=[tmp_path / "mine/weights.safetensors"], cards=[path]) == {
            "cards": 1
        }
        _, front, text = path.read_text().split("---\n", 2)
        return yaml.safe_load(front), text

    return write


@pytest.fixture
def measure(tmp_path):
    """A function that writes a cell and returns what a card needs to know of it."""

    def add(figure, value, interval, *, models=("mine",), label="row", table="Table 1"):
        cell = tmp_path / f"{len(list(tmp_path.glob('*.json')))}.json"
        cell.write_text(json.dumps({"value": value, "interval": interval}))
        named = {"table": table, "figure": figure, "label": label, "models": list(models), "images": "VOC, val"}
        return named | {"cell": str(cell)}

    return add


RANKING = {"train": "ranking", "from": "random", "subset": "8M"}
PAIRS = {"source": "data/videos.tsv", "videos": 1200, "patches_wanted": 8_000_000}


def test_a_ranking_network_states_its_data_its_schedule_and_how_to_use_it(card):
    front, text = card(RANKING, data=PAIRS, metadata={"pairs": 3456})
    assert front["library_name"] == "tracklearn" and front["pipeline_tag"] == "image-feature-extraction"
    assert (front["license"], front["license_name"], front["license_link"]) == ("other", "see-card", "README.md")
    assert "model-index" not in front
    assert (
        "# mine\n\nA CaffeNet (width 0.0625, input 67 x 67 pixels, fc7 of 8 units) that learned from unlabelled" in text
    )
    assert "3,456 pairs of patches (subset `8M`, 8,000,000 patches at most)" in text
    assert "the 1,200 videos of the subset's shards, of the list `data/videos.tsv`" in text
    assert "- **Start**: random weights." in text and "- **Seed**: 7\n" in text
    assert "| lr | 0.001 |\n| iterations | 20 |\n" in text
    assert "No table has a figure of this network yet." in text
    assert "subtracts the mean (1, 2.5, 3)." in text
    assert "The videos from which this network learned belong to\ntheir owners" in text
    assert "(width 0.0625), so its figures cannot be compared with the paper's" in text


def test_a_control_says_where_its_pairs_come_from(card):
    _, text = card(RANKING | {"pairs": "still"}, data=PAIRS, metadata={"pairs": 3456})
    assert "two patches at one place of a video, some frames apart, are to be nearer to each other than" in text
    assert "other videos. It is a control of the method. It was trained by" in text
    assert (
        "3,456 pairs of patches (subset `8M`, 8,000,000 patches at most, `pairs: still`), taken from the 1,200" in text
    )
    _, text = card(RANKING, data=PAIRS, metadata={"pairs": 3456})
    assert "two patches which a tracker connects are to be nearer" in text
    assert "control" not in text and "patches at most), tracked in the 1,200 videos" in text


def test_a_network_with_a_loss_of_its_own_states_it(card):
    loss = {"form": "infonce", "margin": 0.5, "temperature": 0.1, "augment": {"crop": [0.5, 1.0]}}
    _, text = card(RANKING | {"loss": "mild"}, data=PAIRS, metadata={"pairs": 1}, loss=loss)
    line = "- **Loss**: `mild`: form infonce, margin 0.5, temperature 0.1, augment {'crop': [0.5, 1.0]}"
    assert f"- **Seed**: 7\n{line}\n- **Schedule**: `short`\n" in text
    assert "**Loss**" not in card(RANKING, data=PAIRS, metadata={"pairs": 1})[1]


def test_the_python_of_a_card_runs(card, tmp_path, monkeypatch):
    from PIL import Image  # noqa: PLC0415

    _, text = card(RANKING, data=PAIRS, metadata={"pairs": 1})
    monkeypatch.chdir(tmp_path / "mine")
    Image.new("RGB", (90, 80)).save("photo.jpg")
    names = {}
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], names)
    assert names["features"].shape == (1, 16)


def test_figures_stand_with_their_intervals_and_the_hub_gets_those_of_the_network_alone(card, measure):
    measures = [
        measure("mAP", 71.96, [68.9, 76.46], label="unsup + ft"),
        measure("mAP", 79.6, None, label="ensemble", models=("mine", "other")),
        measure("precision at 20", 80.5, [78.1, 82.9], table="Section 6"),
        measure("mean angular error", 33.4, [31.6, 35.2], table="Table 2", models=("normals-mine",)),
        measure("accuracy", None, None, table="Section 6"),
    ]
    front, text = card(RANKING, data=PAIRS, metadata={"pairs": 1}, measures=measures)
    assert [line for line in text.splitlines() if line.startswith(("| Table", "| Section"))] == [
        "| Table 1 | unsup + ft | mine | VOC, val | mAP, % | 72.0 | [68.9, 76.5] |",
        "| Table 1 | ensemble | mine, other | VOC, val | mAP, % | 79.6 |  |",
        "| Section 6 | row | mine | VOC, val | precision at 20, % | 80.5 | [78.1, 82.9] |",
        "| Table 2 | row | normals-mine | VOC, val | mean angular error, ° | 33.4 | [31.6, 35.2] |",
    ]
    (index,) = front["model-index"]
    assert index["name"] == "mine"
    assert [result["metrics"] for result in index["results"]] == [
        [{"type": "mean_average_precision", "value": 72.0, "name": "mAP, Table 1"}],
        [{"type": "precision", "value": 80.5, "name": "precision at 20, Section 6"}],
    ]
    for result in index["results"]:
        assert result["task"]["type"] and result["dataset"] == {"type": "images", "name": "VOC, val"}


def test_a_fine_tuned_network_names_its_parents_its_classes_and_whose_the_sources_are(card):
    ancestors = [("net", "ranking"), ("released", "given")]
    entry = {"train": "voc", "from": "net", "transfer": "fc7"}
    data = {"source": "PASCAL VOC 2012 train", "photos": 5717}
    front, text = card(entry, ancestors=ancestors, data=data, metadata={"classes": ["background", "cat"]}, width=1)
    assert front["pipeline_tag"] == "object-detection"
    assert "the weights of `net` (layers up to fc7)." in text
    assert "It comes from: `net` (`train: ranking`), `released` (`train: given`)." in text
    assert "5,717 labelled photos (PASCAL VOC 2012 train) of\n  1 classes" in text
    assert "The units of fc8 are, in this order: background, cat." in text
    assert "The photos and videos from which this network or one that it comes from learned belong to" in text
    assert "given weights, `released`, which have terms of their own" in text
    assert "narrower" not in text


@pytest.mark.parametrize(
    ("source", "words"), [("data/imagenet", "`data/imagenet`"), (None, "crops of the objects in the detection")]
)
def test_a_classifier_says_which_images_it_learned_from(card, source, words):
    metadata = {"images": 1_200_000, "classes": [f"c{number}" for number in range(101)]}
    _, text = card({"train": "imagenet", "from": "random"}, data={"source": source}, metadata=metadata)
    assert "1,200,000 images of 101 classes,\n" in text and words in text
    assert "units of fc8 are" not in text  # too many to list


def test_a_network_of_normals_is_loaded_and_exported_as_one(card):
    metadata = {"images": 795, "words": 20, "cells": 20}
    entry = {"train": "normals", "from": "net", "frozen": True}
    front, text = card(entry, ancestors=[("net", "ranking")], data={"source": "data/nyuv2"}, metadata=metadata)
    assert "pipeline_tag" not in front
    assert "795 images with true normals (`data/nyuv2`); 20 words of normals" in text
    assert "conv1 to conv5 kept the weights" in text
    assert "load_normals_net(" in text and "--layer fc7" in text
    assert "networks.caffe" not in text  # Caffe's file would have a ReLU after fc7


def test_a_network_of_another_backbone_says_which(card):
    net = BACKBONES["resnet18"](input_size=67, outputs=3)
    entry, metadata = {"train": "voc", "from": "random"}, {"classes": ["background", "a", "b"]}
    front, text = card(entry, data={"source": "VOC", "photos": 3}, metadata=metadata, net=net)
    assert "resnet18" in front["tags"] and "caffenet" not in front["tags"]
    assert "# mine\n\nA ResNet-18 (input 67 x 67 pixels, fc8 of 3) that was fine-tuned" in text
    assert '"pool5")  # or "fc8"\n```' in text and "the features (pool5) of boxes" in text
    prepared = (
        "subtracts the\nmean (123.675, 116.28, 103.53) and divides by the standard deviation\n"
        "(58.395, 57.12, 57.375) of torchvision's weights, both in the order of RGB.\n\n```python"
    )
    assert prepared in text
    assert "networks.onnx" in text and "networks.caffe" not in text


def test_the_card_cites_what_the_citation_file_cites(card, repository):
    _, text = card(RANKING, data=PAIRS, metadata={"pairs": 1})
    citation = yaml.safe_load((repository / "CITATION.cff").read_text())
    (paper,) = citation["references"]
    assert f"title = {{{paper['title']}}}" in text and f"doi = {{{paper['doi']}}}" in text
    assert f"pages = {{{paper['start']}--{paper['end']}}}" in text and f"year = {{{paper['year']}}}" in text
    assert f"under the {citation['license']} licence" in text


def test_unreadable_weights_are_named(tmp_path):
    model = {"name": "mine", "measures": []}
    with pytest.raises(UserError, match=r"w\.safetensors: not a readable weights file"):
        write_cards(models=[model], weights=[tmp_path / "w.safetensors"], cards=[tmp_path / "card.md"])
