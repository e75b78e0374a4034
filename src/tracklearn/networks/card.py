"""Model cards: Markdown beside the weights that says what a network is, as Hugging Face's hub shows it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

import tracklearn
from tracklearn.networks.weights import backbone_of, load_weights, shape_of
from tracklearn.pages.rendering import render
from tracklearn.tables.cells import read_cell

DETECTION, FEATURES = "object-detection", "image-feature-extraction"
FIGURES = {  # the hub's name of the task and of the metric, and the unit, by the first word of the figure
    "mAP": (DETECTION, "mean_average_precision", "%"),
    "precision": (FEATURES, "precision", "%"),
    "accuracy": ("image-classification", "accuracy", "%"),
    "mean": ("surface-normal-estimation", "mean_angular_error", "°"),
}
PIPELINES = {"ranking": FEATURES, "imagenet": "image-classification", "voc": DETECTION}  # the hub has none for normals
NO_LICENCE_OF_WEIGHTS = "other"  # the licence of the code is not one of the weights


def write_cards(
    *, models: Sequence[Mapping[str, Any]], weights: Sequence[str | Path], cards: Sequence[str | Path]
) -> dict[str, float]:
    """Write the card of each model.

    Args:
        models: what the configuration says of each model: `name`; `entry` (of `models:`); `ancestors`, parent first,
            with their `name` and `train`; `schedule`; `loss`, if the entry names one; `data`; and `measures`, the cells
            of tables that the model or a descendant made, each with `table`, `figure`, `label`, `models`, `images` and
            `cell`. Measures without a value are left out.
        weights: the weights file of each model.
        cards: the Markdown file to write for each model.

    Returns:
        The number of `cards`.

    Raises:
        UserError: a weights file is unreadable, or the disk is full.
    """
    for model, path, card in zip(models, weights, cards, strict=True):
        _, metadata = load_weights(path, tensors=False)
        kind = backbone_of(metadata)
        with torch.device("meta"):
            net = kind(**shape_of(metadata))
        measured = [(measure, read_cell(measure["cell"])) for measure in model["measures"]]
        measured = [(measure, cell) for measure, cell in measured if cell["value"] is not None]
        render(
            "card.md.jinja",
            card,
            model=model,
            metadata=metadata,
            backbone=kind,
            other_layers=[layer for layer in net.layer_widths() if layer != "pool5"],
            front_matter=_front_matter(model, kind.backbone, measured),
            measured=measured,
            units={measure["figure"]: _hub_names(measure["figure"])[2] for measure, _ in measured},
            sources=_sources([model["entry"]["train"], *(each["train"] for each in model["ancestors"])]),
            version=tracklearn.__version__,
        )
    return {"cards": float(len(cards))}


def _front_matter(
    model: Mapping[str, Any], backbone: str, measured: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> str:
    """The YAML block that the hub reads; its results are those of the network alone."""
    way = model["entry"]["train"]
    described: dict[str, Any] = {
        "license": NO_LICENCE_OF_WEIGHTS,
        "license_name": "see-card",
        "license_link": "README.md",
        "library_name": "tracklearn",
        **({"pipeline_tag": PIPELINES[way]} if way in PIPELINES else {}),
        "tags": ["computer-vision", backbone, *(["self-supervised", "video"] if way == "ranking" else [])],
    }
    results = [_result(*each) for each in measured if each[0]["models"] == [model["name"]]]
    if results:
        described["model-index"] = [{"name": model["name"], "results": results}]
    return yaml.safe_dump(described, sort_keys=False, allow_unicode=True).rstrip()


def _result(measure: Mapping[str, Any], cell: Mapping[str, Any]) -> dict[str, Any]:
    task, metric, _ = _hub_names(measure["figure"])
    value = {"type": metric, "value": round(cell["value"], 1), "name": f"{measure['figure']}, {measure['table']}"}
    return {"task": {"type": task}, "dataset": {"type": "images", "name": measure["images"]}, "metrics": [value]}


def _hub_names(figure: str) -> tuple[str, str, str]:
    return FIGURES[figure.split(maxsplit=1)[0]]


def _sources(ways: Sequence[str]) -> str:
    """What a network and its ancestors learned from, in words."""
    learned = {"ranking": "videos", "imagenet": "images", "voc": "photos", "normals": "photos"}
    return " and ".join(dict.fromkeys(learned[way] for way in ways if way in learned))
