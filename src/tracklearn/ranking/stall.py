"""Tell when ranking stays at the margin, as users of the released code reported.

Features that do not tell patches apart have D(q, t) = D(q, n), so that every hinge is the margin M and so is the loss:
the mean of the paper's form, and the fork's sum of 2 K hinges a pair over 2 K. It happens in two ways: all features are
equal (distances and `spread` are 0), or fc7's units are all off (features of zeros have distance 1 to everything).
In both the gradient is next to nothing or nothing; some nets leave after hundreds of iterations, most do not.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from tracklearn.report import Report

NEAR = 0.02  # ASSUME: of the margin; a net that ranks at all gains more than this within a few hundred iterations
ROWS = 20  # ASSUME: rows of the log in succession, 400 iterations at the default `log_every`
SHOWN = ("positive_distance", "negative_distance", "spread")

log = logging.getLogger(__name__)


def at_margin(row: Mapping[str, float], margin: float) -> bool:
    """Whether a row of the log is that of features which do not tell patches apart.

    The loss alone does not say so: with hard negatives a net that ranks well may have a loss near the margin.
    """
    told_apart = abs(row["negative_distance"] - row["positive_distance"])
    return abs(row["loss"] - margin) < NEAR * margin and told_apart < NEAR * margin


@dataclass
class StallWatch:
    """A report that passes rows on, adds the curve `rows_at_margin`, and warns once ROWS of them came in succession.

    A net that leaves the margin after that is told too. The training goes on either way.
    """

    report: Report
    margin: float
    rows: int = 0
    since: int = 0
    warned: bool = False

    def __call__(self, step: int, row: Mapping[str, float]) -> None:
        """As a `Report` of a ranking training."""
        stalled = at_margin(row, self.margin)
        if stalled and not self.rows:
            self.since = step
        self.rows = self.rows + 1 if stalled else 0
        self.report(step, {**row, "rows_at_margin": self.rows})
        if self.rows == ROWS and not self.warned:
            log.warning("%s", self._line(step, row))
            self.warned = True
        elif self.warned and not stalled:
            log.info("ranking: left the margin at iteration %d (loss %.4g)", step, row["loss"])
            self.warned = False

    def _line(self, step: int, row: Mapping[str, float]) -> str:
        remedy = " and ranking.margin 0.5" if self.margin > 0.5 else ""
        shown = ", ".join(f"{name.replace('_', ' ')} {row[name]:.2g}" for name in SHOWN)
        return (
            f"ranking: the loss stays at the margin {self.margin:g} since iteration {self.since}, now {step}: features "
            f"tell no patches apart ({shown}); if that lasts, lower schedule.lr, set schedule.warmup{remedy}, or try "
            "another seed"
        )
