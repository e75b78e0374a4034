"""Networks on disk: safetensors with what is needed to rebuild them and to prepare their input."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.networks.alexnet import CaffeNet

FORMAT = "tracklearn-caffenet-1"


def preprocessing(net: CaffeNet) -> dict[str, object]:
    """What a reader of the weights must do to its images."""
    return {
        "channels": "BGR",
        "values": "0..255 minus mean_bgr",
        "mean_bgr": list(net.mean_bgr),
        "input_size": net.input_size,
    }


def save_weights(path: str | Path, net: CaffeNet, *, metadata: Mapping[str, object] | None = None) -> None:
    """Write all layers as `conv1.weight`, `conv1.bias`, ... with the network's shape, its preprocessing and `metadata`.

    Raises:
        UserError: the disk is full.
    """
    shape = {"width": net.width, "input_size": net.input_size, "fc7": net.fc7_units, "outputs": net.outputs}
    described = {"network": shape, "preprocessing": preprocessing(net), **(metadata or {})}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    with atomic(path) as temporary:
        # One key, since safetensors writes several in a random order: equal networks are equal files.
        # As bytes, since safetensors' own files can be read by their owner alone.
        temporary.write_bytes(save(tensors, {FORMAT: json.dumps(described)}))


def load_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Read what `save_weights` wrote: tensors by name, and the metadata.

    Raises:
        UserError: no such file, not safetensors, cut short, or not written by `save_weights`.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            text = (stored.metadata() or {}).get(FORMAT)
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not a readable weights file ({error}); train the model again") from error
    if text is None:
        raise UserError(f"{path}: not weights of this network; expected metadata {FORMAT!r}, as this package writes it")
    return state, json.loads(text)


def build(path: str | Path) -> CaffeNet:
    """The network whose weights lie at `path`, in evaluation mode.

    Raises:
        UserError: as `load_weights`.
    """
    state, metadata = load_weights(path)
    net = CaffeNet(**metadata["network"], mean_bgr=metadata["preprocessing"]["mean_bgr"])  # type: ignore[index, arg-type]
    net.load_state_dict(state)
    return net.eval()


def transfer(net: CaffeNet, parent: str | Path, layers: Iterable[str]) -> None:
    """Copy the named layers of the network at `parent` into `net`; the others stay as they are.

    Raises:
        UserError: a layer is missing in the parent or has another shape.
    """
    state, _ = load_weights(parent)
    own = net.state_dict()
    for name in (f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")):
        given = tuple(state[name].shape) if name in state else None
        if given != tuple(own[name].shape):
            raise UserError(
                f"{parent}: {name} has shape {given}, expected {tuple(own[name].shape)}; "
                "a model and its parent need the same network width and input_size"
            )
        with torch.no_grad():
            own[name].copy_(state[name])
