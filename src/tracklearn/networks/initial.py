"""New networks from the config's `network` block."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.networks.alexnet import BIAS, CONV_STD, FC8_STD, FC_STD, MEAN_BGR, CaffeNet
from tracklearn.networks.filters import draw_filters
from tracklearn.networks.weights import build, load_weights, save_weights

SMALLEST_INPUT = 67  # one value of pool5 that saw only whole windows

DEFAULTS: dict[str, Any] = {
    "width": 1.0,
    "input_size": 227,
    "ranking_fc7": 1024,
    "detection_fc7": 4096,
    "mean_bgr": MEAN_BGR,
    "conv_std": CONV_STD,
    "fc_std": FC_STD,
    "fc8_std": FC8_STD,
    "bias": BIAS,
}


def new_network(network: Mapping[str, Any], *, head: str, outputs: int | None = None, seed: int = 0) -> CaffeNet:
    """An untrained CaffeNet with the fc7 of `head`, "ranking" or "detection", and fc8 where `outputs` is given.

    `network` may hold any of `DEFAULTS`' keys.

    Raises:
        UserError: unknown key, or an input too small for the network.
    """
    values = _with_defaults(network)
    if values["input_size"] < SMALLEST_INPUT or values["width"] <= 0:
        raise UserError(
            f"network: input_size {values['input_size']} and width {values['width']}; "
            f"expected at least {SMALLEST_INPUT} pixels and a positive width"
        )
    fc7 = {kind: values.pop(f"{kind}_fc7") for kind in ("ranking", "detection")}[head]
    return CaffeNet(fc7=fc7, outputs=outputs, seed=seed, **values)


def _with_defaults(network: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(network) - set(DEFAULTS)):
        raise UserError(f"network: unknown key {unknown[0]!r}; expected some of {', '.join(DEFAULTS)}")
    return DEFAULTS | dict(network)


def random_network(
    *, network: Mapping[str, Any], seed: int, weights: str | Path, conv1: str | Path
) -> dict[str, float]:
    """Write an untrained network, for the rows that show what structure alone gives."""
    net = new_network(network, head="detection", seed=seed)
    draw_filters(conv1, net)
    save_weights(weights, net, metadata={"training": "none", "seed": seed})
    return {"parameters": float(sum(parameter.numel() for parameter in net.parameters()))}


def given_network(
    *, given: str | Path, network: Mapping[str, Any], weights: str | Path, conv1: str | Path
) -> dict[str, float]:
    """Take weights that were trained elsewhere by this package: checked, and written with their own metadata.

    Raises:
        UserError: the file cannot be read, was not written by `save_weights`, or holds another network than the
            config's `network` block tells of; its fc7 may be that of either head.
    """
    net, wanted = build(given), _with_defaults(network)
    for name, own, keys in (
        ("width", net.width, ["width"]),
        ("input_size", net.input_size, ["input_size"]),
        ("fc7", net.fc7_units, ["ranking_fc7", "detection_fc7"]),
    ):
        if own not in [wanted[key] for key in keys]:
            expected = " or ".join(f"network.{key} {wanted[key]}" for key in keys)
            raise UserError(f"{given}: {name} is {own}; expected {expected}; give other weights or change the config")
    _, metadata = load_weights(given)
    draw_filters(conv1, net)
    save_weights(weights, net, metadata=metadata)
    return {"parameters": float(sum(parameter.numel() for parameter in net.parameters()))}
