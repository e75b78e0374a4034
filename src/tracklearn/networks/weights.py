"""Networks on disk: safetensors files with the network's shape and the preparation of its input."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.files import atomic, damage_explained
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.backbones import BACKBONES

MOST = 1e6  # of the numbers that describe a network
FORMAT = "tracklearn-caffenet-1"  # of every backbone; only the metadata of a CaffeNet do not name it
USUAL = "caffenet"

Net = TypeVar("Net", bound=Backbone)


def save_weights(path: str | Path, net: Backbone, *, metadata: Mapping[str, object] | None = None) -> None:
    """Write all layers as `conv1.weight`, `conv1.bias`, ... with the network's shape, its preprocessing and `metadata`.

    Raises:
        UserError: the disk is full.
    """
    shape = net.described() if net.backbone == USUAL else {"backbone": net.backbone, **net.described()}
    preprocessing = {
        "channels": net.channels,
        "values": net.values,
        "mean_bgr": list(net.mean_bgr),
        **({} if net.std_bgr is None else {"std_bgr": list(net.std_bgr)}),
        "input_size": net.input_size,
    }
    described = {"network": shape, "preprocessing": preprocessing, **(metadata or {})}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    with atomic(path) as temporary:
        # One key, since safetensors writes several keys in a random order: equal networks give equal files.
        # Not by safetensors' save_file, whose files only their owner may read.
        temporary.write_bytes(save(tensors, {FORMAT: json.dumps(described)}))


def load_weights(path: str | Path, *, tensors: bool = True) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_weights` wrote: tensors by name (none without `tensors`), and the metadata.

    Raises:
        UserError: the file does not exist, is not safetensors, is cut short, lacks the metadata of `save_weights`, or
            holds NaN or numbers that are infinite in single precision.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            text = (stored.metadata() or {}).get(FORMAT)
            names = stored.keys() if tensors else ()
            state = {name: stored.get_tensor(name) for name in names}
    except MemoryError:
        raise
    except Exception as error:  # safetensors raises errors of every kind
        raise UserError(f"{path}: not a readable weights file ({error}); train the model again") from error
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
            raise UserError(f"{path}: {name} holds NaN or infinite numbers; train the model again")
    if text is None:
        raise UserError(f"{path}: not weights of this network; expected metadata {FORMAT!r}, as this package writes it")
    return state, _metadata(path, text)


def _metadata(path: str | Path, text: str) -> dict[str, Any]:
    """The metadata, checked for what `build` needs, since other programs can write them."""
    try:
        metadata = json.loads(text)
        kind, mean = backbone_of(metadata), metadata["preprocessing"]["mean_bgr"]
        shape = shape_of(metadata)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path}: metadata {FORMAT!r}: {type(error).__name__} {error}; expected JSON with network "
            f"({', '.join(BACKBONES[USUAL].shape)}) and preprocessing (mean_bgr), as this package writes it"
        ) from error
    width = shape.pop("width", 1)
    counts = [value for key, value in shape.items() if value is not None or key not in kind.may_lack]
    if not (_is_number(width) and 0 < width <= MOST and all(type(n) is int and 0 < n <= MOST for n in counts)):
        raise UserError(f"{path}: its metadata describe a network {shape_of(metadata)}; expected numbers above 0")
    if not (isinstance(mean, list) and len(mean) == 3 and all(map(_is_number, mean))):
        raise UserError(f"{path}: its metadata have mean_bgr {mean!r}; expected three numbers")
    return dict(metadata)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST  # NaN is not


def backbone_of(metadata: Mapping[str, Any]) -> type[Backbone]:
    """The class of the network that metadata describe.

    Raises:
        KeyError, TypeError: the metadata are not those of `save_weights`.
    """
    return BACKBONES[metadata["network"].get("backbone", USUAL)]


def shape_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the network of these metadata is built from; errors as those of `backbone_of`."""
    return {key: metadata["network"][key] for key in backbone_of(metadata).shape}


def build(path: str | Path) -> Backbone:
    """The network whose weights are in the file `path`, in evaluation mode.

    Raises:
        UserError: as `load_weights`, or the tensors are not those of the network that the metadata describe.
    """

    def network(metadata: Mapping[str, Any]) -> Backbone:
        return backbone_of(metadata)(**shape_of(metadata), mean_bgr=metadata["preprocessing"]["mean_bgr"])

    return restore(path, network)


def restore(path: str | Path, network: Callable[[Mapping[str, Any]], Net]) -> Net:
    """The network that `network` makes from the metadata of the file `path`, with the file's weights; see `build`."""
    state, metadata = load_weights(path)
    # The device "meta" takes no memory and draws no numbers: the weights are in the file.
    with damage_explained(path, "train or convert the model again"), torch.device("meta"):
        net = network(metadata)
    own = net.state_dict()
    for name in {**own, **state}:
        if problem := difference(name, state.get(name), own.get(name)):
            raise UserError(
                f"{path}: {problem}, by its metadata {shape_of(metadata)}; train or convert the model again"
            )
    net.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in state.items()}, assign=True)
    return net.to(memory_format=torch.channels_last).eval()


def difference(name: str, given: Tensor | None, wanted: Tensor | None) -> str | None:
    """How the tensor `name` of a file differs from the network's, in words; None if shape and kind of numbers agree.

    Floating-point numbers of another precision count as the same: other programs store halves.
    """
    if wanted is None:
        return f"{name} is not a tensor of the network"
    if given is None:
        return f"{name} is missing, expected shape {tuple(wanted.shape)}"
    if given.shape != wanted.shape:
        return f"{name} has shape {tuple(given.shape)}, expected {tuple(wanted.shape)}"
    if given.dtype != wanted.dtype and not (given.is_floating_point() and wanted.is_floating_point()):
        return f"{name} holds {given.dtype}, expected {wanted.dtype}"
    return None


def transfer(net: Backbone, parent: str | Path, part: str = "conv") -> None:
    """Copy layers from the weights file `parent` into `net`, with the parent's mean; nothing else changes.

    Running means and variances of batch normalisation are copied with their layer.

    The mean travels with the layers, since these layers learned on images from which it was subtracted. The mean of a
    network trained elsewhere may be 15 grey levels away from the one in `network`.

    Args:
        part: which layers, a key of `Backbone.transferable`.

    Raises:
        UserError: the parent has another backbone, or a layer is missing in the file or has another shape or kind of
            numbers.
    """
    state, metadata = load_weights(parent)
    if (kind := backbone_of(metadata).backbone) != net.backbone:
        raise UserError(
            f"{parent}: its backbone is {kind}, but that of its child is {net.backbone}; give both one backbone"
        )
    own = net.state_dict()
    for name in (name for name in own if name.split(".")[0] in net.transferable[part]):
        if problem := difference(name, state.get(name), own[name]):
            raise UserError(f"{parent}: {problem}; a model and its parent need the same network width and input_size")
        with torch.no_grad():
            own[name].copy_(state[name])
    net.mean_bgr = tuple(metadata["preprocessing"]["mean_bgr"])
