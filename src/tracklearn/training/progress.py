"""Lines on how far a training is, in the job's log and on the terminal of a workflow."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from tracklearn.report import progress

SHORTEST, LONGEST = 5.0, 60.0  # seconds between two lines, which grow to a tenth of the time so far


class Progress:
    """A report that logs a row of measurements now and then, with an estimate of the remaining time.

    Args:
        total: iterations of the training.
        start: iteration with which this process begins; earlier ones do not count for the estimate.
        clock: gives the time in seconds.
    """

    def __init__(self, total: int, start: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.start, self.clock = total, start, clock
        self.started = clock()
        self.due = self.started + SHORTEST

    def __call__(self, iteration: int, row: Mapping[str, float]) -> None:
        """Log the row of an iteration if a line is due."""
        now = self.clock()
        if now < self.due:
            return
        self.due = now + min(max((now - self.started) / 10, SHORTEST), LONGEST)
        remaining = (self.total - iteration) * (now - self.started) / (iteration - self.start)
        values = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in row.items())
        progress.info(
            "iteration %d of %d (%d%%), %s left: %s",
            iteration, self.total, 100 * iteration // self.total, timedelta(seconds=round(remaining)), values,
        )  # fmt: skip
