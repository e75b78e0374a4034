"""New networks from the config's `network` block."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError
from tracklearn.networks.caffenet import BIAS, CONV_STD, FC8_STD, FC_STD, MEAN_BGR, CaffeNet
from tracklearn.networks.filters import draw_filters
from tracklearn.networks.weights import save_weights

SMALLEST_INPUT = 67  # one value of pool5 that saw only whole windows

DEFAULTS: dict[str, Any] = {
    "width": 1.0,
    "input_size": 227,
    "ranking_fc7": 1024,
    "detection_fc7": 4096,
    "mean_bgr": MEAN_BGR,
    "conv_std": CONV_STD,
    "fc_std": FC_STD,
    "ranking_fc_std": None,
    "fc8_std": FC8_STD,
    "bias": BIAS,
}


def new_network(network: Mapping[str, Any], *, head: str, outputs: int | None = None, seed: int = 0) -> CaffeNet:
    """An untrained CaffeNet with the fc7 of `head`, "ranking" or "detection", and fc8 where `outputs` is given.

    `network` may hold any of `DEFAULTS`' keys; `ranking_fc_std` takes the place of `fc_std` under the head "ranking".

    Raises:
        UserError: unknown key, or an input too small for the network.
    """
    values = with_defaults(network)
    if values["input_size"] < SMALLEST_INPUT or values["width"] <= 0:
        raise UserError(
            f"network: input_size {values['input_size']} and width {values['width']}; "
            f"expected at least {SMALLEST_INPUT} pixels and a positive width"
        )
    fc7 = {kind: values.pop(f"{kind}_fc7") for kind in ("ranking", "detection")}[head]
    ranking_std = values.pop("ranking_fc_std")
    if head == "ranking" and ranking_std is not None:
        values["fc_std"] = ranking_std
    return CaffeNet(fc7=fc7, outputs=outputs, seed=seed, **values)


def with_defaults(network: Mapping[str, Any]) -> dict[str, Any]:
    """The `network` block with `DEFAULTS` where it says nothing.

    Raises:
        UserError: unknown key.
    """
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
