"""The state of a training on disk: net, velocities, iteration and log position in one file, and the file before it."""

import json
import logging
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tracklearn.files import atomic

NEWEST, PREVIOUS = "newest.safetensors", "previous.safetensors"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by group and name ({"net": {"conv1.weight": ...}, ...}), and plain numbers by name."""

    tensors: Mapping[str, Mapping[str, Tensor]]
    numbers: Mapping[str, int]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the newest checkpoint whole; the one before it stays until the next.

    Killed between the two renames, the folder holds the previous one alone, which `load_checkpoint` then takes.

    Raises:
        UserError: the disk is full; both checkpoints are as they were.
    """
    flat = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
    }
    numbers = json.dumps(dict(checkpoint.numbers))
    with atomic(folder / NEWEST) as temporary:
        save_file(flat, temporary, {"numbers": numbers, "crc32": _checksum(flat, numbers)})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # before the older files move: a full disk may show only here
        if (folder / NEWEST).exists():
            (folder / NEWEST).replace(folder / PREVIOUS)


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read, or None.

    A truncated file does not match the lengths in its own header, a damaged one its checksum; it is passed over with a
    warning in the log, and removed, since the next to be saved would put it in the place of the one before.
    """
    found = [path for path in (folder / NEWEST, folder / PREVIOUS) if path.exists()]
    for path in found:
        try:
            return _read(path)
        except (SafetensorError, TypeError, KeyError, ValueError) as error:  # cut short, or not a checkpoint
            then = "the training starts afresh" if path == found[-1] else "the one before it is taken"
            log.warning("%s: the checkpoint cannot be read (%s); %s", path, error, then)
            path.unlink()
    return None


def drop_checkpoints(folder: Path) -> None:
    """Remove the folder; killed meanwhile, it holds no checkpoint whose log is gone."""
    for name in (PREVIOUS, NEWEST):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _read(path: Path) -> Checkpoint:
    with safe_open(path, framework="pt") as stored:
        flat = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 (not a dict)
        numbers, expected = (stored.metadata()[key] for key in ("numbers", "crc32"))
    if (checksum := _checksum(flat, numbers)) != expected:
        raise ValueError(f"checksum {checksum}, expected {expected}")
    tensors: dict[str, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        group, name = key.split("/")
        tensors.setdefault(group, {})[name] = tensor
    return Checkpoint(tensors, json.loads(numbers))


def _checksum(flat: Mapping[str, Tensor], numbers: str) -> str:
    """CRC-32 of all that a checkpoint holds, which safetensors does not keep."""
    value = zlib.crc32(numbers.encode())
    for name, tensor in sorted(flat.items()):
        value = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), value)
        value = zlib.crc32(tensor.flatten().view(torch.uint8).numpy().data, value)
    return f"{value:08x}"
