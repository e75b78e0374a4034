"""The list of a folder of published patches: one line for each patch, two for each pair. The plan counts its pairs."""

from collections.abc import Iterator
from pathlib import Path

from tracklearn.errors import UserError

Line = tuple[int, str]  # its number from 1, and its text


def read_pairs(path: str | Path) -> Iterator[tuple[Line, Line]]:
    """The lines of each query and tracked patch; blank lines are skipped, but count in the line numbers.

    Raises:
        UserError: at the end, when the last line has no partner; names the line.
    """
    with open(path, encoding="utf-8") as file:
        lines = ((number, line.strip()) for number, line in enumerate(file, 1) if not line.isspace())
        for query in lines:
            tracked = next(lines, None)
            if tracked is None:
                raise UserError(f"{path}, line {query[0]}: a query without a tracked patch; a pair is two lines")
            yield query, tracked
