"""How far a training is, as lines for people: in the job's log, and on the terminal of a workflow."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from tracklearn.report import progress

FIRST, EVERY = 10.0, 60.0  # seconds until the first line, and between two


class Progress:
    """Logs a row of measurements now and then, with the time that is left at the pace of this process so far.

    Args:
        total: iterations of the training.
        begun: the iteration that this process begins with.
        clock: seconds.
    """

    def __init__(self, total: int, begun: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.begun, self.clock = total, begun, clock
        self.started = clock()
        self.due = self.started + FIRST

    def __call__(self, iteration: int, row: Mapping[str, float]) -> None:
        """Log the row of an iteration if a line is due."""
        now = self.clock()
        if now < self.due:
            return
        self.due = now + EVERY
        left = (self.total - iteration) * (now - self.started) / (iteration - self.begun)
        values = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in row.items())
        progress.info(
            "iteration %d of %d (%d%%), %s left: %s",
            iteration, self.total, 100 * iteration // self.total, timedelta(seconds=round(left)), values,
        )  # fmt: skip
