"""The training log: one CSV row an interval, means over the interval."""

import csv
import io
import os
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from tracklearn.files import room


class Means:
    """Running means of scalars on their device, so that no iteration waits for it."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        self._begin()

    def _begin(self) -> None:
        self.started, self.timed, self.waited = time.perf_counter(), 0, 0.0

    def add(self, values: Mapping[str, Tensor], *, waited: float) -> None:
        """Count one iteration, which waited so many seconds for its batch."""
        for name, value in values.items():
            added = value.detach().float()
            self.sums[name] = self.sums[name] + added if name in self.sums else added
        self.count += 1
        self.timed += 1
        self.waited += waited

    def restore(self, sums: Mapping[str, Tensor], count: int, device: torch.device) -> None:
        """Go on from the sums of a checkpoint; the clock starts anew."""
        self.sums, self.count = {name: value.to(device) for name, value in sums.items()}, count
        self._begin()

    def means(self) -> dict[str, float]:
        """Means since the last reset; waits for the device."""
        return {name: value.item() / self.count for name, value in self.sums.items()}

    def take(self, images: int) -> dict[str, float]:
        """The means, images a second and the share of time spent waiting for batches; then start again."""
        values = self.means()
        seconds = time.perf_counter() - self.started
        values |= {"images_per_s": images * self.timed / seconds, "waiting": self.waited / seconds}
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
        with room(self.path), self.path.open("ab") as file:
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
        with room(self.path), self.path.open("a") as file:
            file.write(text.getvalue())

    def last_row(self) -> dict[str, float]:
        """The newest row."""
        with self.path.open() as file:
            *_, row = csv.DictReader(file)
        return {name: float(value) for name, value in row.items()}
