"""How tables are written: as CSV and as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tracklearn.files import atomic, write_text


def write_markdown(path: str | Path, sections: Iterable[str]) -> None:
    """Write sections of Markdown, with an empty line between them."""
    write_text(path, "\n\n".join(sections) + "\n")


def write_csv(path: str | Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Write rows by the names of their columns; None is an empty field. Without rows the header is `columns`."""
    with atomic(path) as temporary:
        pd.DataFrame(rows, columns=None if rows else list(columns)).to_csv(
            temporary, index=False, lineterminator="\r\n"
        )


def grid(rows: Sequence[Mapping[Any, Any]], header: Sequence[str] = ()) -> str:
    """A Markdown table of at least one row; the header is the names of the columns unless another one is given."""
    header = header or list(rows[0])
    lines = [header, ["---"] * len(header), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
