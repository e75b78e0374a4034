"""The training log: one CSV row an interval, means over the interval."""

import csv
import io
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from tracklearn.files import disk_errors_explained


class Means:
    """Running means of scalars on their device, so that no iteration waits for it."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        self._begin()

    def _begin(self) -> None:
        self.started, self.timed = time.perf_counter(), 0

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Count one iteration."""
        for name, value in values.items():
            added = value.detach().float()
            self.sums[name] = self.sums[name] + added if name in self.sums else added
        self.count += 1
        self.timed += 1

    def restore(self, sums: Mapping[str, Tensor], count: int, device: torch.device) -> None:
        """Go on from the sums of a checkpoint; the clock starts anew."""
        self.sums, self.count = {name: value.to(device) for name, value in sums.items()}, count
        self._begin()

    def means(self) -> dict[str, float]:
        """Means since the last reset; waits for the device, once for all."""
        if not self.sums:
            return {}
        sums = torch.stack(list(self.sums.values())).tolist()
        return {name: value / self.count for name, value in zip(self.sums, sums, strict=True)}

    def take(self, images: int, waited: Callable[[], float]) -> dict[str, float]:
        """The means, images a second and the share of time spent waiting for batches; then start again.

        Args:
            images: of one iteration.
            waited: seconds waited since the last call; called once the device has done everything.
        """
        values = self.means()
        seconds = time.perf_counter() - self.started
        values |= {"images_per_s": images * self.timed / seconds, "waiting": waited() / seconds}
        self.sums, self.count = {}, 0
        self._begin()
        return values


class Log:
    """A CSV file that continues at the byte where a checkpoint left it."""

    def __init__(self, path: Path, position: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        with path.open("ab") as file:
            file.truncate(position)

    def sync(self) -> int:
        """Bytes written, which are then safe on disk: a checkpoint may refer to them.

        Raises:
            UserError: the disk is full.
        """
        with disk_errors_explained(self.path), self.path.open("ab") as file:
            os.fsync(file.fileno())
            return file.tell()

    def write(self, row: Mapping[str, float]) -> None:
        """Append one row in the order of the header, which is written with the first.

        Raises:
            UserError: the disk is full.
        """
        text = io.StringIO()
        with self.path.open() as file:
            names = next(csv.reader(file), None)
        writer = csv.DictWriter(text, names or list(row), lineterminator="\n")
        if names is None:
            writer.writeheader()
        writer.writerow({name: value if isinstance(value, int) else f"{value:.6g}" for name, value in row.items()})
        with disk_errors_explained(self.path), self.path.open("a") as file:
            file.write(text.getvalue())

    def last_row(self) -> dict[str, float]:
        """The newest row."""
        with self.path.open() as file:
            *_, row = csv.DictReader(file)
        return {name: float(value) for name, value in row.items()}
