"""What happened to the files of a user's folders."""

from typing import NamedTuple

KEPT, REPAIRED, DROPPED = "kept", "repaired", "dropped"


class Remark(NamedTuple):
    """A row of `adopted.tsv`: what happened to a file."""

    file: str
    outcome: str  # kept, repaired or dropped
    reason: str  # the same words for the same reason
    detail: str = ""
    image_id: str = ""
