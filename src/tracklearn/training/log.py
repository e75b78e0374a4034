"""The training log: one CSV row for each interval, with means over the interval."""

import csv
import io
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from tracklearn.files import damage_explained, disk_errors_explained


class Means:
    """Running means of scalars, summed on their device so that no iteration waits for it."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        self._start_clock()

    def _start_clock(self) -> None:
        self.started, self.timed = time.perf_counter(), 0

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add the scalars of one iteration."""
        for name, tensor in values.items():
            value = tensor.detach().float()
            # A GPU's next iteration may overwrite the value, so that it has to be copied.
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
        self.count += 1
        self.timed += 1

    def restore(self, sums: Mapping[str, Tensor], count: int, device: torch.device) -> None:
        """Continue from the sums of a checkpoint; the clock starts anew."""
        self.sums, self.count = {name: value.to(device) for name, value in sums.items()}, count
        self._start_clock()

    def means(self) -> dict[str, float]:
        """Means since the last reset; waits for the device, once for all sums."""
        if not self.sums:
            return {}
        sums = torch.stack(list(self.sums.values())).tolist()
        return {name: value / self.count for name, value in zip(self.sums, sums, strict=True)}

    def take(self, batch_size: int, waited: Callable[[], float]) -> dict[str, float]:
        """The means, the images per second and the share of time spent waiting for batches; then reset.

        Args:
            batch_size: number of images in an iteration.
            waited: gives the seconds waited since its last call; called after the device has finished all work.
        """
        values = self.means()
        seconds = time.perf_counter() - self.started
        values |= {"images_per_s": batch_size * self.timed / seconds, "waiting": waited() / seconds}
        self.sums, self.count = {}, 0
        self._start_clock()
        return values


class NewestRow:
    """Stands in for a `Log` where none is written: it holds the newest row alone."""

    def __init__(self) -> None:
        self._row: dict[str, float] = {}

    def write(self, iteration: int, row: Mapping[str, float]) -> None:
        """Take the row of an iteration."""
        self._row = {"iteration": iteration, **row}

    def last_row(self) -> dict[str, float]:
        """The newest row; empty if there is none."""
        return self._row


class Log:
    """A CSV file that continues at the byte where a checkpoint left it."""

    def __init__(self, path: Path, position: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        with path.open("ab") as file:
            file.truncate(position)

    def sync(self) -> int:
        """The log's length in bytes, all of which are then safe on disk: a checkpoint may refer to them.

        Raises:
            UserError: the disk is full.
        """
        with disk_errors_explained(self.path), self.path.open("ab") as file:
            os.fsync(file.fileno())
            return file.tell()

    def write(self, iteration: int, row: Mapping[str, float]) -> None:
        """Append the row of an iteration in the order of the header, which is written with the first row.

        Raises:
            UserError: the disk is full.
        """
        row, text = {"iteration": iteration, **row}, io.StringIO()
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
        with damage_explained(self.path, "remove the training's folder and train again"), self.path.open() as file:
            *_, row = csv.DictReader(file)
            return {name: float(value) for name, value in row.items()}
