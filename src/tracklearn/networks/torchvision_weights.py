"""Weights in torchvision's own format: a state dict in a .safetensors file, or in a .pth file of torch."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.weights import FORMAT, difference


def is_torchvisions(path: str | Path) -> bool:
    """Whether a file may hold weights of torchvision: a .pth, or a .safetensors without this package's metadata."""
    if Path(path).suffix == ".pth":
        return True
    try:
        with safe_open(path, framework="pt") as stored:
            return FORMAT not in (stored.metadata() or {})
    except (OSError, SafetensorError):  # which the file's reader reports
        return False


def read_torchvision(path: str | Path, kind: type[Backbone], *, input_size: int) -> Backbone:
    """The network of a file, in evaluation mode; its last layer is fc8, and a file without one gives none.

    Args:
        path: a file of a whole state dict, with the names of torchvision's model; files of before 2018 lack the numbers
            of batches that batch normalisation has seen.
        kind: the backbone, one with `names`.
        input_size: side of the input, which the file does not say.

    Raises:
        UserError: the file is unreadable or holds other things than dense tensors, numbers that are not finite, or a
            tensor that does not fit the backbone; names the first one.
    """
    return from_state(_state(path), kind, input_size=input_size, name=path)


def from_state(state: dict[str, Tensor], kind: type[Backbone], *, input_size: int, name: object) -> Backbone:
    """The network of torchvision's state dict; see `read_torchvision`. Errors begin with `name`."""
    theirs = {ours: name for name, ours in kind.names.items()}
    units = {head: _units(state, theirs.get(layer)) for head, layer in (("fc7", "fc7"), ("outputs", "fc8"))}
    net = kind(input_size=input_size, **{head: count for head, count in units.items() if count})
    wanted = net.state_dict()
    expected = {_renamed(key, theirs): tensor for key, tensor in wanted.items()}
    counts = {key: torch.zeros_like(own) for key, own in expected.items() if key.endswith("num_batches_tracked")}
    state = {**counts, **state}
    for key in {**expected, **state}:
        if problem := difference(key, state.get(key), expected.get(key)):
            raise UserError(
                f"{name}: {problem}; expected torchvision's {kind.backbone}: give its weights, or set `backbone` to "
                "their architecture"
            )
    net.load_state_dict({key: state[_renamed(key, theirs)].to(own.dtype) for key, own in wanted.items()})
    return net.eval()


def _state(path: str | Path) -> dict[str, Tensor]:
    try:
        if Path(path).suffix == ".pth":
            found = torch.load(path, map_location="cpu", weights_only=True)
        else:
            found = load_file(path)
    except MemoryError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path}: the file does not exist; give the path of weights, or download them") from error
    except Exception as error:  # torch and safetensors raise errors of every kind
        # torch's own words have codes for the terminal, and advise to run what the file says.
        known = isinstance(error, OSError) and error.strerror
        reason = known or "damaged, or it holds other objects than the tensors of a state dict"
        raise UserError(f"{path}: not readable weights ({reason}); download or save them again") from error
    if not isinstance(found, Mapping) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise UserError(
            f"{path}: expected a state dict, tensors by name, as torchvision's models have; save that alone"
        )
    for name, tensor in found.items():
        if tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized or tensor.is_meta:
            raise UserError(
                f"{path}: {name} is sparse, nested, quantized or without values; expected a dense tensor; save the "
                "model's state dict again"
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
            raise UserError(f"{path}: {name} holds NaN or infinite numbers; expected finite weights")
    return dict(found)


def _units(state: Mapping[str, Tensor], layer: str | None) -> int | None:
    """Units of a layer of a file; None if the file lacks it."""
    weight = state.get(f"{layer}.weight")
    return None if weight is None or not weight.ndim else len(weight)


def _renamed(name: str, theirs: Mapping[str, str]) -> str:
    """The name that torchvision has for a tensor of ours."""
    layer, _, rest = name.partition(".")
    return f"{theirs[layer]}.{rest}"
