"""Libraries of which the runs behind a table used more than one version."""

from collections.abc import Mapping
from typing import Any

NOTE = (
    "The runs behind this table used more than one version of these libraries. "
    "A change of a library's version re-runs nothing by itself."
)


def mixed_versions(versions: Mapping[str, Mapping[str, int]] | None) -> list[dict[str, Any]]:
    """A line for each version of each library that has more than one: `library`, `version` and number of `runs`.

    Args:
        versions: number of runs by library and version.
    """
    return [
        {"library": library, "version": version, "runs": runs}
        for library, runs_of in (versions or {}).items()
        if len(runs_of) > 1
        for version, runs in runs_of.items()
    ]
