"""Models whose weights were trained elsewhere: by this package or in Caffe, by the user or by others."""

from pathlib import Path
from typing import Any

from tracklearn.download import download
from tracklearn.errors import UserError
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.backbones import BACKBONES
from tracklearn.networks.caffe.caffemodel import read_caffemodel
from tracklearn.networks.caffe.released import RELEASED
from tracklearn.networks.filters import draw_filters
from tracklearn.networks.torchvision_weights import is_torchvisions, read_torchvision
from tracklearn.networks.weights import build, load_weights, save_weights
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.network import Network

FOLDER = Path("data/released")  # released networks are downloaded here, and remain


def given_network(
    *, given: str | Path, network: Block, weights: str | Path, conv1: str | Path, report: Report = silent
) -> dict[str, float]:
    """Check given weights and write them with their own metadata.

    Args:
        given: a .safetensors file of this package, a .caffemodel, weights of torchvision's own format (.safetensors or
            .pth) for a backbone of torchvision, or the name of a released network, which is downloaded to `FOLDER`
            unless it is there. Where a .caffemodel does not say its input size or mean, the
            configuration's hold.
        network: its backbone, width and input size are checked; fc7 may have any number of units.

    Raises:
        UserError: the download failed, the file is not readable, was written by another program, or holds a network of
            another backbone, width or input size than `network`.
    """
    wanted = Network.read(network)
    if released := RELEASED.get(str(given)):
        given = download(released, FOLDER, report=report)
    net, metadata = _read(given, wanted)
    if net.backbone != wanted.backbone:
        raise UserError(
            f"{given}: its backbone is {net.backbone}, but that of the model is {wanted.backbone}; give other weights, "
            f"or write backbone: {net.backbone}"
        )
    for name in (name for name in net.shape if name in ("width", "input_size")):
        own, expected = getattr(net, name), getattr(wanted, name)
        if own != expected:
            raise UserError(
                f"{given}: {name} is {own}; expected network.{name} {expected}; "
                "give other weights or change the configuration"
            )
    draw_filters(conv1, net)
    save_weights(weights, net, metadata=metadata)
    return {"parameters": float(sum(parameter.numel() for parameter in net.parameters()))}


def _read(path: str | Path, wanted: Network) -> tuple[Backbone, dict[str, Any]]:
    """The network of a file of any format, and the metadata of its own weights."""
    kind = BACKBONES[wanted.backbone]
    if Path(path).suffix == ".caffemodel":
        return _from_caffe(path, wanted)
    if not is_torchvisions(path):
        return build(path), load_weights(path)[1]
    if kind.names:
        metadata = {"training": "torchvision", "source": Path(path).name}
        return read_torchvision(path, kind, input_size=wanted.input_size), metadata
    theirs = "weights of torchvision" if Path(path).suffix == ".pth" else "not weights of this package"
    raise UserError(
        f"{path}: {theirs}, but the backbone is {wanted.backbone}; for a model of torchvision, set `backbone` to its "
        f"architecture: {', '.join(name for name, each in BACKBONES.items() if each.names)}"
    )


def _from_caffe(path: str | Path, wanted: Network) -> tuple[Backbone, dict[str, Any]]:
    model = read_caffemodel(path)
    net = model.network(
        width=wanted.width,
        input_size=model.input_size or wanted.input_size,
        assumed_mean=wanted.mean_bgr,
    )
    return net, {"training": "caffemodel", "source": Path(path).name}
