"""A warning when the ranking loss stays at the margin, as users of the released code reported.

Features that do not distinguish patches have D(q, t) = D(q, n). Every hinge then equals the margin M, and so does the
loss: the mean of the paper's form, and the released code's sum of 2 K hinges per pair divided by 2 K. There are two
such states: all features are equal (distances and `spread` are 0), or all units of fc7 are off (features of zeros have
distance 1 to all others). In both the gradient is nearly or exactly 0; some networks leave the state after hundreds of
iterations, most do not. InfoNCE has the same two states; its loss there depends on the batch, so that the distances
alone tell them.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from tracklearn.report import Report
from tracklearn.settings.ranking import Loss

NEAR = 0.02  # ASSUME: share of the margin; a network that learns to rank gains more within a few hundred iterations
ROWS = 20  # ASSUME: successive rows of the log; 400 iterations at the default `log_every`
MEASURED = ("positive_distance", "negative_distance", "spread")

log = logging.getLogger(__name__)


def at_margin(row: Mapping[str, float], margin: float, *, hinges: bool = True) -> bool:
    """Whether a row of the log is that of features which do not distinguish patches.

    The loss alone does not decide: with hard negatives a network that ranks well may have a loss near the margin. A
    loss without `hinges` does not count.
    """
    difference = abs(row["negative_distance"] - row["positive_distance"])
    return difference < NEAR * margin and (not hinges or abs(row["loss"] - margin) < NEAR * margin)


@dataclass
class StallWatch:
    """A report that passes rows on with the curve `rows_at_margin`, and warns after ROWS successive rows at the margin.

    If the network leaves the margin after a warning, the log says so. The training continues in any case. `hinges` says
    whether the loss is made of hinges, as all but InfoNCE are.
    """

    report: Report
    margin: float
    hinges: bool = True
    rows: int = 0
    since: int = 0
    warned: bool = False

    def __call__(self, step: int, row: Mapping[str, float]) -> None:
        """Take a row of a ranking training, as a `Report`."""
        stalled = at_margin(row, self.margin, hinges=self.hinges)
        if stalled and not self.rows:
            self.since = step
        self.rows = self.rows + 1 if stalled else 0
        self.report(step, {**row, "rows_at_margin": self.rows})
        if self.rows == ROWS and not self.warned:
            log.warning("%s", self._warning(step, row))
            self.warned = True
        elif self.warned and not stalled:
            log.info("ranking: left the margin at iteration %d (loss %.4g)", step, row["loss"])
            self.warned = False

    def _warning(self, step: int, row: Mapping[str, float]) -> str:
        default = Loss().margin
        remedy = f" and ranking.margin {default:g}" if self.hinges and self.margin > default else ""
        stays = f"the loss has been at the margin {self.margin:g}" if self.hinges else "all distances have been equal"
        measurements = ", ".join(f"{name.replace('_', ' ')} {row[name]:.2g}" for name in MEASURED)
        return (
            f"ranking: {stays} from iteration {self.since} to {step}: the "
            f"features do not distinguish patches ({measurements}); if the loss stays there, lower schedule.lr, set "
            f"schedule.warmup{remedy}, or try another seed"
        )
