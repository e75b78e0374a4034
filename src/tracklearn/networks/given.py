"""Models whose weights were trained elsewhere: by this package or in Caffe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.networks.caffe.caffemodel import read_caffemodel
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.filters import draw_filters
from tracklearn.networks.initial import with_defaults
from tracklearn.networks.weights import build, load_weights, save_weights


def given_network(
    *, given: str | Path, network: Mapping[str, Any], weights: str | Path, conv1: str | Path
) -> dict[str, float]:
    """Take given weights: checked, and written with their own metadata.

    Args:
        given: a safetensors file of this package, or a .caffemodel, whose input size and mean are the config's where
            it does not say.

    Raises:
        UserError: the file cannot be read, was written by another program, or holds another network than the
            config's `network` block tells of; its fc7 may be that of either head.
    """
    wanted = with_defaults(network)
    net, metadata = _from_caffe(given, wanted) if Path(given).suffix == ".caffemodel" else _own(given)
    for name, own, keys in (
        ("width", net.width, ["width"]),
        ("input_size", net.input_size, ["input_size"]),
        ("fc7", net.fc7_units, ["ranking_fc7", "detection_fc7"]),
    ):
        if own not in [wanted[key] for key in keys]:
            expected = " or ".join(f"network.{key} {wanted[key]}" for key in keys)
            raise UserError(f"{given}: {name} is {own}; expected {expected}; give other weights or change the config")
    draw_filters(conv1, net)
    save_weights(weights, net, metadata=metadata)
    return {"parameters": float(sum(parameter.numel() for parameter in net.parameters()))}


def _own(path: str | Path) -> tuple[CaffeNet, dict[str, Any]]:
    return build(path), load_weights(path)[1]


def _from_caffe(path: str | Path, wanted: Mapping[str, Any]) -> tuple[CaffeNet, dict[str, Any]]:
    model = read_caffemodel(path)
    net = model.network(
        width=wanted["width"],
        input_size=model.input_size or wanted["input_size"],
        mean_bgr=model.mean_bgr or wanted["mean_bgr"],
    )
    return net, {"training": "caffemodel", "source": Path(path).name}
