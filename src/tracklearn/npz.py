"""npz files of NumPy: arrays by name, written whole or not at all."""

from pathlib import Path
from typing import Any

import numpy as np

from tracklearn.files import atomic, damage_explained


def write_arrays(path: str | Path, /, **arrays: Any) -> None:
    """Write arrays, or lists that become arrays, to a file of this very name: NumPy alone would append `.npz`.

    Raises:
        UserError: as `atomic`.
    """
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def read_arrays(path: str | Path, *names: str) -> dict[str, np.ndarray]:
    """Read the arrays of these names; all arrays of the file if no name is given.

    Raises:
        FileNotFoundError: no such file.
        UserError: the file is damaged, or lacks one of the arrays.
    """
    with damage_explained(path, "delete it and run again"), np.load(path) as stored:
        return {name: stored[name] for name in names or stored.files}
