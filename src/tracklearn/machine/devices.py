"""Which GPU a process works on."""

import fcntl
import os
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO

import torch

_held: list[IO[bytes]] = []  # a lock lasts as long as its open file: until the process ends, however it ends


@cache
def own_device() -> torch.device:
    """The GPU of this process among those that CUDA_VISIBLE_DEVICES shows, else the CPU.

    Processes of one user on one machine share out the GPUs, so that as many jobs as GPUs have one each.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # By UUID, since each process may number the GPUs in its own way.
    uuids = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
    index = claim(uuids, Path(tempfile.gettempdir(), f"tracklearn-gpus-{os.getuid()}"))
    torch.cuda.set_device(index)  # or whatever names no device would take memory of the first GPU
    return torch.device("cuda", index)


def claim(names: Sequence[str], folder: Path) -> int:
    """Index of the first of the named GPUs that the fewest processes hold; from now on this process holds it too.

    The n-th process on a GPU holds the lock file `{name}.{n}` in `folder`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return next(index for turn in count() for index, name in enumerate(names) if _locked(folder / f"{name}.{turn}"))


def _locked(path: Path) -> bool:
    file = open(path, "ab")  # noqa: SIM115 (open until the process ends)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _held.append(file)
    return True
