"""How tables are written: as CSV and as Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tracklearn.files import atomic


def write_csv(path: str | Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Write rows by the names of their columns; None is an empty field. Without rows the header is `columns`."""
    with atomic(path) as temporary:
        pd.DataFrame(rows, columns=None if rows else list(columns)).to_csv(
            temporary, index=False, lineterminator="\r\n"
        )


def grid(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in [header, ["---"] * len(header), *rows])
