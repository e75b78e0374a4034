"""The state of a training on disk: net, velocities, iteration, log position and identity in one file.

Two files are kept: the newest checkpoint and the one before it.
"""

import hashlib
import json
import logging
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tracklearn.errors import UserError
from tracklearn.files import atomic

NEWEST, PREVIOUS = "newest.safetensors", "previous.safetensors"
IDENTITY = "settings"  # the identity's name in the file
ABSENT = object()  # equal to no value

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after some iterations.

    Attributes:
        tensors: by group and name, {"net": {"conv1.weight": ...}, ...}.
        numbers: plain numbers by name.
        identity: everything that the training's result depends on, in values that JSON can hold; None in a checkpoint
            of an older version.
    """

    tensors: Mapping[str, Mapping[str, Tensor]]
    numbers: Mapping[str, int]
    identity: Mapping[str, Any] | None


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole; the newest one so far is kept as the previous one.

    The newest checkpoint becomes the previous one before the new file takes its place. If the process is killed in
    between, the folder holds the previous checkpoint alone. Then `load_checkpoint` reads that one.

    Raises:
        UserError: the disk is full; both checkpoints are unchanged.
    """
    tensor_by_key = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
    }
    metadata = {"numbers": json.dumps(dict(checkpoint.numbers)), IDENTITY: json.dumps(checkpoint.identity)}
    with atomic(folder / NEWEST) as temporary:
        save_file(tensor_by_key, temporary, metadata | {"crc32": _checksum(tensor_by_key, metadata)})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # before the older files move: a full disk may be noticed only here
        if (folder / NEWEST).exists():
            (folder / NEWEST).replace(folder / PREVIOUS)


def load_checkpoint(folder: Path, identity: Mapping[str, Any]) -> Checkpoint | None:
    """The newest readable checkpoint of the training with this identity, or None if the folder holds none.

    A truncated file does not match the lengths in its own header, and a damaged file does not match its checksum. Such
    a file is removed with a warning in the log; otherwise the next save would keep it instead of the good previous one.

    Raises:
        UserError: the checkpoint has another identity, or was made by an older version that recorded none.
    """
    paths = [path for path in (folder / NEWEST, folder / PREVIOUS) if path.exists()]
    for path in paths:
        try:
            checkpoint = _read(path)
        except (SafetensorError, TypeError, KeyError, ValueError) as error:  # truncated, damaged or another file
            consequence = "the training starts afresh" if path == paths[-1] else "the previous checkpoint is used"
            log.warning("%s: the checkpoint cannot be read (%s); %s", path, error, consequence)
            path.unlink()
            continue
        _check_identity(folder, checkpoint.identity, identity)
        return checkpoint
    return None


def digest_of_weights(path: str | Path | None) -> str | None:
    """SHA-256 of a parent's weights file, by which a training's identity states its parent; None without a parent."""
    if path is None:
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_arrays(*arrays: np.ndarray) -> str:
    """SHA-256 of the shapes, types and values of some arrays, by which a training's identity states small data."""
    whole = hashlib.sha256()
    for array in arrays:
        whole.update(f"{array.shape} {array.dtype}".encode())
        whole.update(array.tobytes())
    return whole.hexdigest()


def remove_training_folder(folder: Path) -> None:
    """Remove the folder, checkpoints first: a killed process leaves no checkpoint without its log."""
    for name in (PREVIOUS, NEWEST):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _check_identity(folder: Path, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> None:
    remedy = "remove the folder, or give another `checkpoints` folder"
    if old is None:
        raise UserError(f"{folder}: the checkpoint is of an older version, which recorded no identity; {remedy}")
    old_values, new_values = _values_by_path(old), _values_by_path(json.loads(json.dumps(new)))
    for name in new_values | old_values:
        if (before := old_values.get(name, ABSENT)) != (now := new_values.get(name, ABSENT)):
            back = f"take {name} out" if before is ABSENT else f"set {name} back to {_in_json(before)}"
            raise UserError(
                f"{folder}: the checkpoint was made with {name} {_in_json(before)}, and this training has "
                f"{_in_json(now)}; {back}, {remedy}"
            )


def _values_by_path(values: Any, path: str = "") -> dict[str, Any]:
    """The plain values of nested mappings and lists by path: {"schedule.lr": 0.001, "stores[0]": "00000.h5"}."""
    if isinstance(values, Mapping):
        parts = {f"{path}.{key}" if path else key: value for key, value in values.items()}
    elif isinstance(values, list):
        parts = {f"{path}[{index}]": value for index, value in enumerate(values)}
    else:
        return {path: values}
    return {inner: plain for part, value in parts.items() for inner, plain in _values_by_path(value, part).items()}


def _in_json(value: Any) -> str:
    return "absent" if value is ABSENT else json.dumps(value)


def _read(path: Path) -> Checkpoint:
    with safe_open(path, framework="pt") as stored:
        tensor_by_key = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 (not a dict)
        metadata = stored.metadata()
    expected = metadata.pop("crc32")
    if (checksum := _checksum(tensor_by_key, metadata)) != expected:
        raise ValueError(f"checksum {checksum}, expected {expected}")
    tensors: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensor_by_key.items():
        group, name = key.split("/")
        tensors.setdefault(group, {})[name] = tensor
    return Checkpoint(tensors, json.loads(metadata["numbers"]), json.loads(metadata.get(IDENTITY, "null")))


def _checksum(tensor_by_key: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """CRC-32 of everything that a checkpoint holds, since safetensors keeps no checksum.

    If there is no identity, this is the checksum that older versions computed.
    """
    value = 0
    for name in ("numbers", IDENTITY):
        value = zlib.crc32(metadata.get(name, "").encode(), value)
    for name, tensor in sorted(tensor_by_key.items()):
        value = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), value)
        value = zlib.crc32(tensor.flatten().view(torch.uint8).numpy().data, value)
    return f"{value:08x}"
