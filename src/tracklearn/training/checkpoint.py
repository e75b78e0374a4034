"""The state of a training on disk: net, velocities, iteration and log position in one file, and the file before it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tracklearn.files import atomic

NEWEST, PREVIOUS = "newest.safetensors", "previous.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by group and name ({"net": {"conv1.weight": ...}, ...}), and plain numbers by name."""

    tensors: Mapping[str, Mapping[str, Tensor]]
    numbers: Mapping[str, int]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the newest checkpoint whole; the one before it stays until the next.

    Killed between the two renames, the folder holds the previous one alone, which `load_checkpoint` then takes.
    """
    flat = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
    }
    with atomic(folder / NEWEST) as temporary:
        save_file(flat, temporary, {"numbers": json.dumps(dict(checkpoint.numbers))})
        if (folder / NEWEST).exists():
            (folder / NEWEST).replace(folder / PREVIOUS)


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read, or None.

    A truncated file does not match the lengths in its own header and is passed over.
    """
    for path in (folder / NEWEST, folder / PREVIOUS):
        if not path.exists():
            continue
        try:
            return _read(path)
        except SafetensorError:
            continue
    return None


def _read(path: Path) -> Checkpoint:
    tensors: dict[str, dict[str, Tensor]] = {}
    with safe_open(path, framework="pt") as stored:
        for key in stored.keys():  # noqa: SIM118 (not a dict)
            group, name = key.split("/")
            tensors.setdefault(group, {})[name] = stored.get_tensor(key)
        return Checkpoint(tensors, json.loads(stored.metadata()["numbers"]))
