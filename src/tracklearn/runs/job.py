"""What a run records of the `snakemake` object of its job: files by name, settings by name, and the cells of tables."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

CELLS = "results/cells/"
PARAM_LENGTH = 500  # characters of a parameter that are recorded


def cell_of(outputs: Iterable[str]) -> str | None:
    """`{table}/{protocol}/{row}` of the cells of a table that a job writes; None if it writes none."""
    cells = [path.removeprefix(CELLS).removesuffix(".json") for path in outputs if path.startswith(CELLS)]
    return cells[0] if len(cells) == 1 else next((str(Path(path).parent) for path in cells), None)


def by_name(files: Any) -> dict[str, list[str]]:
    """Files of a Snakemake list by name; files without a name are together under `input`."""
    named = {name: [value] if isinstance(value, str) else list(value) for name, value in files.items()}
    named_paths = {path for paths in named.values() for path in paths}
    return named | {"input": [path for path in files if path not in named_paths]}


def flatten(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as pairs `("loss.margin", "0.5")`; long values are cut."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            text = str(value)
            count = len(value) if isinstance(value, list | tuple) else len(text)
            yield f"{prefix}{name}", text if len(text) <= PARAM_LENGTH else f"{text[:PARAM_LENGTH]}... ({count} in all)"
