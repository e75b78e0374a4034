"""How long-running functions tell their progress without knowing who listens."""

import logging
from collections.abc import Callable, Mapping

progress = logging.getLogger("tracklearn.progress")
"""Lines for people on how far a job is: in its log, and on the terminal of a workflow."""

Report = Callable[[int, Mapping[str, float]], None]
"""Called as `report(step, {"loss": 0.4})`."""


def silent(step: int, values: Mapping[str, float]) -> None:
    """Listen to nothing: the default."""
