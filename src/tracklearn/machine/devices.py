"""Which GPU a process uses."""

import fcntl
import os
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO

import torch

_lock_files: list[IO[bytes]] = []  # a lock lasts while its file is open: until the process ends, even by a crash


@cache
def own_device() -> torch.device:
    """The GPU of this process among those that CUDA_VISIBLE_DEVICES leaves visible, or the CPU if there is none.

    The processes of one user on one machine are distributed over the GPUs, so that up to as many jobs as there are
    GPUs have one each.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # GPUs are locked by UUID, since each process may number them differently.
    uuids = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
    index = claim(uuids, Path(tempfile.gettempdir(), f"tracklearn-gpus-{os.getuid()}"))
    torch.cuda.set_device(index)  # code that names no device would otherwise take memory on the first GPU
    return torch.device("cuda", index)


def claim(names: Sequence[str], folder: Path) -> int:
    """Claim one of the named GPUs for this process: the first of those that the fewest processes hold.

    The n-th process on a GPU locks the file `{name}.{n}` in `folder`.

    Returns:
        The GPU's index among the names.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return next(index for turn in count() for index, name in enumerate(names) if _lock(folder / f"{name}.{turn}"))


def _lock(path: Path) -> bool:
    """Lock a file until this process ends; False if another process holds it."""
    file = open(path, "ab")  # noqa: SIM115 (open until the process ends)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _lock_files.append(file)
    return True
