"""Rows of Table 2: one cell of several figures a row."""

from pathlib import Path
from typing import Any

from tracklearn.normals.angular_errors import ErrorSums
from tracklearn.normals.truth import Truth
from tracklearn.tables.bootstrap import image_draws
from tracklearn.tables.cells import write_figures


def write_row(
    errors: ErrorSums, truth: Truth, *, cell: str | Path, replicates: str | Path, draws: int, **shared: Any
) -> dict[str, float]:
    """Write the figures of a row, the pooled mean first, and their bootstrap replicates over the test images.

    Args:
        cell, replicates, shared: as in `tables.cells.write_figures`; the cell also says which images, truth and
            mask it is of.
        draws: number of bootstrap samples, which are the same for all rows over the same images.

    Returns:
        The figures, as in `ErrorSums.values`.
    """
    values = errors.values()
    write_figures(
        cell,
        replicates,
        values=values,
        draws=errors.replicates(image_draws(len(errors), draws)),
        images=len(errors),
        pixels=errors.pixels,
        truth=truth.source,
        mask=truth.mask,
        height=truth.size[0],
        width=truth.size[1],
        **shared,
    )
    return values
