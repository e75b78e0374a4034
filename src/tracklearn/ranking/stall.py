"""A warning when the ranking loss stays at the margin, as users of the released code reported.

Features that do not distinguish patches have D(q, t) = D(q, n). Every hinge then equals the margin M, and so does the
loss: the mean of the paper's form, and the released code's sum of 2 K hinges per pair divided by 2 K. There are two
such states: all features are equal (distances and `spread` are 0), or all units of fc7 are off (features of zeros have
distance 1 to all others). In both the gradient is nearly or exactly 0; some networks leave the state after hundreds of
iterations, most do not. InfoNCE has the same two states; its loss there depends on the batch, so that the distances
alone tell them, by a bound of their own: no margin is part of InfoNCE.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from tracklearn.report import Report
from tracklearn.settings.ranking import Loss

NEAR = 0.02  # ASSUME: share of the margin; a network that learns to rank gains more within a few hundred iterations
SAME = 0.01  # ASSUME: difference of equal distances under InfoNCE; NEAR of the paper's margin
ROWS = 20  # ASSUME: successive rows of the log; 400 iterations at the default `log_every`
MEASURED = ("positive_distance", "negative_distance", "spread")

log = logging.getLogger(__name__)


def at_margin(row: Mapping[str, float], margin: float | None) -> bool:
    """Whether a row of the log is that of features which do not distinguish patches.

    The loss alone does not decide: with hard negatives a network that ranks well may have a loss near the margin.
    Without a margin, the loss is not looked at.
    """
    difference = abs(row["negative_distance"] - row["positive_distance"])
    if margin is None:
        return difference < SAME
    return difference < NEAR * margin and abs(row["loss"] - margin) < NEAR * margin


@dataclass
class StallWatch:
    """A report that passes rows on with the curve `rows_at_margin`, and warns after ROWS successive rows at the margin.

    If the network leaves the margin after a warning, the log says so. The training continues in any case. `margin` is
    None for InfoNCE, which has no hinges.
    """

    report: Report
    margin: float | None
    rows: int = 0
    since: int = 0
    warned: bool = False

    def __call__(self, step: int, row: Mapping[str, float]) -> None:
        """Take a row of a ranking training, as a `Report`."""
        stalled = at_margin(row, self.margin)
        if stalled and not self.rows:
            self.since = step
        self.rows = self.rows + 1 if stalled else 0
        self.report(step, {**row, "rows_at_margin": self.rows})
        if self.rows == ROWS and not self.warned:
            log.warning("%s", self._warning(step, row))
            self.warned = True
        elif self.warned and not stalled:
            left = "distances differ again" if self.margin is None else "left the margin"
            log.info("ranking: %s at iteration %d (loss %.4g)", left, step, row["loss"])
            self.warned = False

    def _warning(self, step: int, row: Mapping[str, float]) -> str:
        default = Loss().margin
        if self.margin is None:
            state, stays, remedy = "all distances have been equal", "they stay equal", ""
        else:
            state, stays = f"the loss has been at the margin {self.margin:g}", "the loss stays there"
            remedy = f" and ranking.margin {default:g}" if self.margin > default else ""
        measurements = ", ".join(f"{name.replace('_', ' ')} {row[name]:.2g}" for name in MEASURED)
        return (
            f"ranking: {state} from iteration {self.since} to {step}: the "
            f"features do not distinguish patches ({measurements}); if {stays}, lower schedule.lr, set "
            f"schedule.warmup{remedy}, or try another seed"
        )
