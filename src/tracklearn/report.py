"""Progress of long-running functions, which do not know who reads it."""

import logging
from collections.abc import Callable, Mapping

progress = logging.getLogger("tracklearn.progress")
"""Progress lines for people; a job writes them to its log and to the terminal."""

Report = Callable[[int, Mapping[str, float]], None]
"""A function that takes one point of each curve: `report(step, {"loss": 0.4})`."""

NO_MEASUREMENT = {"iteration", "lr", "images_per_s", "waiting"}
"""Columns of a training's log that say nothing about its network."""


def silent(step: int, values: Mapping[str, float]) -> None:
    """Ignore the values: the default of `report` arguments."""
