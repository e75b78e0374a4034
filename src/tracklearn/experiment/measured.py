"""The figures that were measured on single stages; `measured.tsv` beside this file lists them with their sources."""

import csv
from math import nan
from pathlib import Path

MEASURED = Path(__file__).with_name("measured.tsv")


class Figures:
    """The measured figures.

    Args:
        path: a table with the columns `figure`, `value`, `unit`, `cores` and `source`; an empty value was not measured.
            A rate of n cores has n in `cores`.
    """

    def __init__(self, path: Path = MEASURED) -> None:
        with open(path, encoding="utf-8", newline="") as file:
            self._rows = {row["figure"]: row for row in csv.DictReader(file, delimiter="\t")}

    def __getitem__(self, name: str) -> float:
        """A figure, or nan if it was not measured."""
        return float(self._rows[name]["value"] or nan) if name in self._rows else nan

    def hours(self, name: str, amount: float) -> float:
        """Hours that an amount of work takes at a rate; core-hours at a rate of cores."""
        if not amount:
            return 0.0
        cores = self._rows[name]["cores"] if name in self._rows else ""
        return amount / self[name] / 3600 * int(cores or 1)
