"""How long-running functions tell their progress without knowing who listens."""

from collections.abc import Callable, Mapping

Report = Callable[[int, Mapping[str, float]], None]
"""Called as `report(step, {"loss": 0.4})`."""


def silent(step: int, values: Mapping[str, float]) -> None:
    """Listen to nothing: the default."""
